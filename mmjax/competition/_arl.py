"""Room competition: asymmetric learning, encoders the faster the surer their modality is."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._alone import logits_alone
from mmjax.competition._classes import check_classes, entropies
from mmjax.competition._contributions import weight_with
from mmjax.competition._multi_loss import total
from mmjax.competition._rates import scale_by_label
from mmjax.competition._strategy import (
    Auxiliary,
    Model,
    Samples,
    Strategy,
    Tree,
    Variables,
    forward,
    weighted_mean,
)
from mmjax.competition._task import Task, classification

FLOOR = 0.6
"""Least share of the entropies, over the number of modalities: 0.3 for two, as in the public code."""


def arl(
    task: Task = classification, *, gamma: ArrayLike = 4.0, temperature: ArrayLike = 8.0, num_warm_up: ArrayLike = 6
) -> Strategy:
    """Drive how much a model depends on each modality towards the inverse of that modality's variance.

    L = L(y) + gamma sum_m L(u_m), and the gradient of encoder m times 1 + q_m,

      h_m = max(H_m / sum_j H_j, 0.6 / M)            H_m the mean entropy of softmax(u_m), for the variance
      v_m = (1 / h_m) / sum_j (1 / h_j)              the share that modality m should have
      c_m = A_m / sum_j A_j                          A_m the mean of |u_m|, summed over classes: what it has
      q   = softmax(temperature v_m (1 - c_m) / (M - 1))

    u_m the logits of the fusion head with the other modalities absent (`logits_alone`). Of two modalities the one with
    the smaller c_m / v_m is driven faster. Asymmetric representation learning (Wei, Luo & Luo 2025, arXiv 2507.10203),
    by its public code; the unimodal losses stand for the bias of each modality. That code computes q but never hands it
    to the encoders, whose gradients it multiplies by 1.5 throughout; here they get 1 + q.

    In the first segments ("epochs" there) gamma is 1 and gradients are as they are. Ours: three or more modalities, by
    the mean of the others' shares and the floor 0.6 / M. Coefficients carry no gradient.

    Args:
      task: what the label is: classes.
      gamma: weight of the unimodal losses, not negative; 4 on CREMA-D, 5 on AVE.
      temperature: not negative; 8 on CREMA-D, 4 on AVE.
      num_warm_up: those first segments; 6. All three may be traced.

    Returns:
      the strategy. It changes gradients of encoders only; its state is the number of segments made.

    Raises:
      ValueError: when its loss is called, if labels are no classes.
    """

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Array, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        check_classes("arl", batch.label)
        made = forward(model, params, statistics, batch, key)
        _, fuse_key = jax.random.split(key)
        alone = logits_alone(model, made.variables, made.latents, batch.masks, key=fuse_key, train=True)
        weights = {name: weight_with(batch, name) for name in alone}
        own = total(weighted_mean(task.losses(u, batch.label), weights[name]) for name, u in alone.items())
        fused = weighted_mean(task.losses(made.logits, batch.label), batch.weight)
        warm = state >= jnp.asarray(num_warm_up)
        uncertainty = jnp.stack([weighted_mean(entropies(u), weights[name]) for name, u in alone.items()])
        size = jnp.stack([weighted_mean(jnp.sum(jnp.abs(u), axis=1), weights[name]) for name, u in alone.items()])
        faster = jax.lax.stop_gradient(asymmetry(uncertainty, size, temperature))
        factors = {f"encoder:{name}": jnp.where(warm, 1 + q, 1) for name, q in zip(alone, faster, strict=True)}
        return fused + jnp.where(warm, gamma, 1) * own, Auxiliary(made.logits, made.statistics, factors)

    def update(model: Model, gradients: Tree, state: Array, aux: Auxiliary) -> tuple[Tree, Array]:
        return scale_by_label(model, gradients, aux.signals), state

    def on_segment(
        model: Model, variables: Variables, state: Array, train: Samples, valid: Samples
    ) -> tuple[Tree, Array]:
        return variables["params"], state + 1

    return Strategy(lambda key, model, params: (params, jnp.int32(0)), loss, update, on_segment)


def asymmetry(entropy: Array, size: Array, temperature: ArrayLike) -> Array:
    """Return q (M,), which sums to 1, from mean entropies (M,) and mean sizes of logits (M,)."""
    num_modalities = entropy.shape[0]
    shares = jnp.maximum(_shares(entropy), FLOOR / num_modalities)
    wanted = _shares(1 / shares)
    others = (1 - _shares(size)) / max(num_modalities - 1, 1)
    return jax.nn.softmax(temperature * wanted * others)


def _shares(x: Array) -> Array:
    """Divide by the sum; equal shares where that is 0."""
    sum_ = jnp.sum(x)
    return jnp.where(sum_ > 0, x / jnp.where(sum_ > 0, sum_, 1), 1 / x.shape[0])
