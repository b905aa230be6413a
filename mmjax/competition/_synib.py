"""Room competition: synergy by a bottleneck: a model that must not be sure when a modality is withheld."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._contributions import weight_with
from mmjax.competition._multi_loss import total
from mmjax.competition._strategy import (
    Auxiliary,
    Forward,
    Model,
    Samples,
    Strategy,
    Tree,
    forward,
    weighted_mean,
    without_state,
)
from mmjax.competition._task import Task, classification
from mmjax.estimators import permute_within
from mmjax.numerics import nan_unless


def divergence_from_normal(logits: Array) -> Array:
    """Return KL(N(y, I) || N(0, I)) = |y|^2 / 2 of logits y (n, num_outputs): (n,), in nats."""
    return jnp.sum(logits**2, axis=-1) / 2


def divergence_from_uniform(logits: Array) -> Array:
    """Return KL(softmax(y) || uniform) = log C - H(softmax(y)) of logits (n, C): (n,), in nats, in [0, log C]."""
    log_p = jax.nn.log_softmax(logits)
    return jnp.sum(jnp.exp(log_p) * (log_p + jnp.log(logits.shape[-1]).astype(log_p.dtype)), axis=-1)


def synib(
    task: Task = classification,
    *,
    weight: ArrayLike = 0.1,
    probability: ArrayLike = 1.0,
    divergence: Callable[[Array], Array] = divergence_from_normal,
) -> Strategy:
    """Predict from all modalities, and do not be confident when one of them is withheld.

    L = L(y) + weight sum_m mean_b D(y_m), y_m the fused logits with modality m withheld, D their divergence from a
    prediction that knows nothing. The synergistic information bottleneck (Kontras et al. 2026, arXiv 2606.09853):
    what a single modality says alone is penalised, what only all of them say is not. It therefore costs accuracy where
    modalities are redundant or unique.

    By the public abstract and code: there D is the divergence of a Gaussian with means y_m from N(0, I), or of a
    Dirichlet from a flat one. The variances there are a head of their own that nothing but D trains; here they are what
    that head converges to, 1 (ours). Features are withheld at random (`probability`) and come from other samples of the
    batch, as in the random masks of that code; a modality withheld as a whole, the default, is the abstract's case.
    Left out are masks learned in an inner loop, that code's augmentation (the loss of predictions from randomly masked
    features) and its unimodal losses.

    The withheld features are those of another sample that has the modality and counts, the same one for the whole
    modality, by a uniform permutation: one sample a batch, on average, gets its own, and nothing is withheld from it.
    The mean is over samples that have the modality. One draw a step, with the latents of that step: no encoder runs
    twice. Gradients reach the head and all encoders.

    Args:
      task: what the label is.
      weight: not negative; from 0.001 to 1 in the public configurations.
      probability: that a feature of the modality is withheld, in [0, 1]. Both may be traced.
      divergence: D, from logits (n, num_outputs) to (n,): `divergence_from_normal` (every task), or for classes
        `divergence_from_uniform`.

    Returns:
      the strategy; it has no state.
    """

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Tree, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        made = forward(model, params, statistics, batch, key)
        _, fuse_key = jax.random.split(key)
        keys = jax.random.split(jax.random.fold_in(key, 2), len(model.modalities))  # 0 and 1 are those of `forward`

        def confidence(name: str, key: Array) -> Array:
            withheld = made.latents | {name: _withheld(key, name, made, batch, probability)}
            logits = model.fuse(made.variables, withheld, batch.masks, key=fuse_key, train=True)
            return weighted_mean(divergence(logits), weight_with(batch, name))

        penalty = total(confidence(name, k) for name, k in zip(model.modalities, keys, strict=True))
        value = weighted_mean(task.losses(made.logits, batch.label), batch.weight)
        return value + weight * penalty, Auxiliary(made.logits, made.statistics)

    return Strategy(without_state, loss)


def _withheld(key: Array, name: str, made: Forward, batch: Samples, probability: ArrayLike) -> Array:
    """Return the latents (n, width) of a modality, each feature with a probability another sample's."""
    order_key, feature_key = jax.random.split(key)
    latent = made.latents[name]
    counts = (weight_with(batch, name) > 0).astype(jnp.int32)
    other = latent[permute_within(order_key, counts)]
    withheld = jnp.where(jax.random.bernoulli(feature_key, probability, latent.shape), other, latent)
    chance = jnp.asarray(probability)
    return nan_unless((chance >= 0) & (chance <= 1), withheld)
