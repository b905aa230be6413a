"""Room competition: alternating unimodal steps on one shared head, gated by entropy."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._classes import check_classes, entropies
from mmjax.competition._contributions import weight_with
from mmjax.competition._held import held_statistics
from mmjax.competition._rates import rates_by_label
from mmjax.competition._strategy import Auxiliary, Model, Samples, Strategy, Tree, Variables, weighted_mean
from mmjax.competition._task import Task, classification


class AlternationState(NamedTuple):
    """What alternating steps remember."""

    step: Array
    """Steps made; step s trains modality s mod M."""
    projection: Array
    """P (width, width), symmetric: what is left of directions in which other modalities' latents do not lie."""


def mla(
    task: Task = classification,
    *,
    width: int,
    num_modalities: int = 2,
    num_batches: ArrayLike = 1,
    decay: ArrayLike = 0.1,
) -> Strategy:
    """Train the modalities in turn, each with a step of its own, on one head that all of them share.

    With every batch there is a step for each modality m, on L(h(z_m; W)) alone. The head's gradient is projected: with
    r the mean latent of the modality before m in the cycle,

      k = P r,   P <- P - k k^T / (a_t + r^T k),   P <- P / |P|_F,   dW <- P dW,   a_t = decay^(1 + (t mod T) / T),

    t the batch, T = `num_batches`, P = 1 at the start, and no projection in the first step of all. Multimodal learning
    with alternating unimodal adaptation (Zhang et al. 2024, arXiv 2311.10707). The denominator is the scalar that
    recursive least squares has; public code divides by the matrix that the same expression is with its factors the
    other way round. Normalising P makes the head's gradient smaller by about the root of the width.

    Judged by h of all modalities, gated sample by sample (public code gates with a softmax over the batch):

      y = sum_m w_m h(z_m),   w = softmax(-H), H_m the entropy of softmax(h(z_m)), among the modalities present.

    The shared head h is the model's unimodal head of its first modality, applied to the latents of all; so all must be
    of one width, and what it stands for is in the part "head:<first modality>". Fusion head and other unimodal heads
    are not trained. A step moves the parameters, the optimiser's memory and the running statistics of its own encoder
    and of the head; all others are held. The head's gradient is taken at P z_m in place of z_m, which is the projected
    one for a linear head. Ours: three or more modalities, by the cycle; r is of the same batch.

    Args:
      task: what the label is: classes.
      width: of all latents; static.
      num_modalities: M, that of the model; static.
      num_batches: T, batches of an epoch; 1 keeps a_t at `decay`.
      decay: positive; 0.1. Both may be traced.

    Returns:
      the strategy, of M steps with a batch; its state is an `AlternationState`.

    Raises:
      ValueError: when its loss is called, if the model has another number of modalities, latents are of another width,
        or labels are no classes.
    """

    def init(key: Array, model: Model, params: Tree) -> tuple[Tree, AlternationState]:
        return params, AlternationState(jnp.int32(0), jnp.eye(width))

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: AlternationState, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        check_classes("mla", batch.label)
        variables = {"params": params, **statistics}
        latents, new = model.encode(variables, batch.modalities, batch.masks, key=key, train=True)
        _check(latents, width, num_modalities)
        all_ = jnp.stack([latents[name] for name in model.modalities])
        weights = jnp.stack([weight_with(batch, name) for name in model.modalities])
        own, before = state.step % num_modalities, (state.step - 1) % num_modalities
        mean = jax.vmap(weighted_mean, in_axes=(1, None))(all_[before], weights[before])
        ridge = decay ** (1 + (state.step // num_modalities % jnp.asarray(num_batches)) / num_batches)
        projection = jax.lax.stop_gradient(orthogonal_projection(state.projection, mean, ridge))
        projection = jnp.where(state.step > 0, projection, state.projection)
        logits = _projected_logits(model, variables, all_[own], projection)
        value = weighted_mean(task.losses(logits, batch.label), weights[own])
        kept = held_statistics(model, new, statistics, _rates(model, state.step))
        return value, Auxiliary(gated_logits(model, variables, latents, batch.masks), kept, projection)

    def update(model: Model, gradients: Tree, state: AlternationState, aux: Auxiliary) -> tuple[Tree, AlternationState]:
        return gradients, AlternationState(state.step + 1, aux.signals)

    def rates(model: Model, params: Tree, state: AlternationState) -> Tree:
        return rates_by_label(model, params, _rates(model, state.step - 1))

    return Strategy(init, loss, update, rates=rates, predict=gated_logits, steps_per_batch=num_modalities)


def orthogonal_projection(projection: Array, mean: Array, ridge: ArrayLike) -> Array:
    """Take the direction of a mean latent (width,) out of a projection (width, width), as far as the ridge allows."""
    k = projection @ mean
    taken = projection - k[:, None] * k[None] / (ridge + mean @ k)
    norm = jnp.linalg.norm(taken)
    return taken / jnp.where(norm > 0, norm, 1)


def gated_logits(model: Model, variables: Variables, latents: dict[str, Array], masks: Mapping[str, Array]) -> Array:
    """Add up the logits that the shared head of `mla` gives each modality, the surer the more: (n, num_outputs)."""
    logits = jnp.stack([_shared_logits(model, variables, latents[name]) for name in model.modalities])
    present = jnp.stack([masks[name] for name in model.modalities])
    gates = jax.nn.softmax(jnp.where(present, -entropies(logits), -1e9), axis=0)
    return jnp.sum(gates[:, :, None] * logits, axis=0)


def _shared_logits(model: Model, variables: Variables, latent: Array) -> Array:
    return model.unimodal(variables, dict.fromkeys(model.modalities, latent))[model.modalities[0]]


def _projected_logits(model: Model, variables: Variables, latent: Array, projection: Array) -> Array:
    """Return the shared head's logits; derivatives by its parameters are those at the projected latent."""
    at = jax.lax.stop_gradient(latent) @ projection
    by_head = _shared_logits(model, variables, at)
    by_latent = _shared_logits(model, jax.lax.stop_gradient(variables), latent)
    return by_latent + (by_head - jax.lax.stop_gradient(by_head))


def _rates(model: Model, step: Array) -> dict[str, Array]:
    """Return 1 for the encoder of a step's modality and for the shared head, 0 for the others."""
    own = jnp.arange(len(model.modalities)) == step % len(model.modalities)
    encoders = {f"encoder:{name}": own[m].astype(float) for m, name in enumerate(model.modalities)}
    return encoders | {"head": jnp.zeros(())} | {f"head:{name}": jnp.zeros(()) for name in model.modalities[1:]}


def _check(latents: dict[str, Array], width: int, num_modalities: int) -> None:
    widths = {name: latent.shape[1] for name, latent in latents.items()}
    if len(widths) != num_modalities or set(widths.values()) != {width}:
        raise ValueError(f"mla needs {num_modalities} modalities with latents of width {width}; got {widths}")
