"""Room competition: on-the-fly gradient modulation, which slows the encoders of modalities that do better."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._contributions import contributions, mean_ratios, scores
from mmjax.competition._rates import rates_by_label, scale_by_label
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


class Modulation(NamedTuple):
    """What OGM remembers."""

    segment: Array
    """Segments made."""
    coefficients: dict[str, Array]
    """Modality to the factor of the last batch."""


class Signals(NamedTuple):
    """What the loss tells the update."""

    coefficients: dict[str, Array]
    key: Array
    """Of the noise."""


def ogm_coefficients(scores: Mapping[str, Array], alpha: ArrayLike) -> dict[str, Array]:
    """Return modality to the factor of its encoder's gradient.

    rho_m = mean over the others j of s_m / s_j; kappa_m = 1 - tanh(alpha rho_m) where rho_m > 1, else 1.

    Args:
      scores: modality to its score s_m, not negative.
      alpha: not negative.

    Returns:
      modality to kappa_m in [0, 1]; 1 for all where the scores are equal, or there is one modality.
    """
    ratios = mean_ratios(scores)
    return {name: jnp.where(ratio > 1, 1 - jnp.tanh(alpha * ratio), 1) for name, ratio in ratios.items()}


def ogm(
    task: Task = classification,
    *,
    alpha: ArrayLike = 0.8,
    noise: bool = False,
    after: bool = False,
    first: ArrayLike = 0,
    last: ArrayLike = jnp.inf,
) -> Strategy:
    """Train on the fused loss, and slow the encoders of the modalities that are ahead.

    On-the-fly gradient modulation (Peng, Wei, Deng, Wang, Hu 2022, arXiv 2203.15332): the gradient of the encoder of m
    is multiplied by kappa_m of `ogm_coefficients`, with s_m the score on the batch of the logits u_m that m alone
    adds: z_m W_m + b / M for late fusion, detached. With `noise` it is OGM-GE: each tensor of each encoder's gradient
    also gets normal noise of the standard deviation of its own entries plus 1e-8. Heads are trained as jointly.

    Published values: alpha .8 (CREMA-D) or .1 (VGGSound) with epochs 0 to 50; in the code published with MCR (Kontras
    et al. 2024, arXiv 2411.07335) 1, .6 (AVE, ResNet) or .8 (UCF, Something-Something, MOSI, MOSEI).

    Ours: an epoch is a segment; all tensors of an encoder are modulated, where the first code chose convolutions; other
    heads and more modalities (`contributions`, the mean of ratios); samples without m do not count for s_m; for
    regression the score is the inverse of the squared error; the noise goes by the gradient before modulation.

    Args:
      task: what the label is.
      alpha: how strongly, at least 0; may be traced.
      noise: whether noise is added (OGM-GE).
      after: whether the factors go to the learning rate, behind the optimiser, and not to the gradient as published:
        an optimiser that divides by the gradient's size, such as Adam, undoes a factor that stays the same.
      first: first segment of modulation, from 0; may be traced.
      last: last segment of modulation; may be traced.

    Returns:
      the strategy; its state is a count of segments and the last factors.
    """

    def init(key: Array, model: Model, params: Tree) -> tuple[Tree, Modulation]:
        return params, Modulation(jnp.zeros(()), {name: jnp.ones(()) for name in model.modalities})

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Modulation, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        made = forward(model, params, statistics, batch, key)
        alone = contributions(model, made.variables, made.latents, batch.masks)
        modulated = within(state.segment, first, last)
        coefficients = {
            name: jnp.where(modulated, value, 1)
            for name, value in ogm_coefficients(scores(task, alone, batch), alpha).items()
        }
        value = weighted_mean(task.losses(made.logits, batch.label), batch.weight)
        signals = Signals(coefficients, jax.random.fold_in(key, 2))  # 0 and 1: `forward`'s
        return value, Auxiliary(made.logits, made.statistics, signals)

    def update(model: Model, gradients: Tree, state: Modulation, aux: Auxiliary) -> tuple[Tree, Modulation]:
        moved = gradients if after else scale_by_label(model, gradients, _of_encoders(aux.signals.coefficients))
        if noise:
            strength = jnp.where(within(state.segment, first, last), 1.0, 0.0)
            moved = _with_noise(model, aux.signals.key, strength, moved, gradients)
        return moved, state._replace(coefficients=aux.signals.coefficients)

    def rates(model: Model, params: Tree, state: Modulation) -> Tree | None:
        return rates_by_label(model, params, _of_encoders(state.coefficients)) if after else None

    return Strategy(init, loss, update, _next_segment, rates)


def within(segment: Array, first: ArrayLike, last: ArrayLike) -> Array:
    """Say whether a segment is one of those from first to last."""
    return (segment >= jnp.asarray(first, segment.dtype)) & (segment <= jnp.asarray(last, segment.dtype))


def _next_segment(
    model: Model, variables: Variables, state: Modulation, train: Samples, valid: Samples
) -> tuple[Tree, Modulation]:
    return variables["params"], state._replace(segment=state.segment + 1)


def _of_encoders(coefficients: Mapping[str, Array]) -> dict[str, Array]:
    return {f"encoder:{name}": value for name, value in coefficients.items()}


def _with_noise(model: Model, key: Array, strength: Array, moved: Tree, gradients: Tree) -> Tree:
    """Add to each tensor of the encoders noise of the standard deviation of its entries before they were moved."""
    labels, (leaves, structure) = jax.tree.leaves(model.labels(moved)), jax.tree.flatten(moved)
    before = jax.tree.leaves(gradients)
    places = [place for place, label in enumerate(labels) if label.startswith("encoder:")]
    ends = np.cumsum([leaves[place].size for place in places])
    noise = jnp.split(strength * jax.random.normal(key, (int(ends[-1]),)), ends[:-1])
    for place, normal in zip(places, noise, strict=True):
        x = leaves[place]
        leaves[place] = x + (jnp.std(before[place]) + 1e-8) * normal.reshape(x.shape).astype(x.dtype)
    return jax.tree.unflatten(structure, leaves)
