"""Room competition: adaptive gradient modulation, which scales what flows back through each modality's share."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._coalitions import coalition_logits
from mmjax.competition._contributions import measured, occurs
from mmjax.competition._gradient_scale import gradient_scale
from mmjax.competition._multi_loss import total
from mmjax.competition._shapley import shapley_values
from mmjax.competition._strategy import (
    Auxiliary,
    Forward,
    Model,
    Samples,
    Strategy,
    Tree,
    forward,
    weighted_mean,
)
from mmjax.competition._task import Task, classification

LARGEST_LOSS = 18.420680743952367  # -log 1e-8


class RunningMeans(NamedTuple):
    """What AGM remembers."""

    step: Array
    """Steps made, t."""
    means: dict[str, Array]
    """Modality to the mean tau_m of its losses so far."""


def agm_coefficients(
    losses: Mapping[str, Array], means: Mapping[str, Array], alpha: ArrayLike, cap: ArrayLike
) -> dict[str, Array]:
    """Return modality to the factor of what flows back through its share of the logits.

    r_m = exp((mean_j l_j - l_m) M / (M - 1)), which for two modalities is exp(l_other - l_m), and r*_m alike of the
    running means; kappa_m = exp(alpha min(r*_m - r_m, cap)): below 1 where m is further ahead than it used to be.

    Args:
      losses: modality to its loss l_m on the batch, in nats, at most -log 1e-8.
      means: modality to the mean tau_m of its losses so far.
      alpha: how strongly, at least 0.
      cap: of the difference; 10 for two modalities and 7 for three in the publications.

    Returns:
      modality to kappa_m > 0; 1 where the losses are as they have been, or there is one modality.
    """
    ratios, usual = _leads(losses), _leads(means)
    return {name: jnp.exp(alpha * jnp.minimum(usual[name] - ratios[name], cap)) for name in ratios}


def agm(task: Task = classification, *, alpha: ArrayLike = 1.0) -> Strategy:
    """Train on the fused loss, scaling what flows back through the share of the logits that each modality has.

    Adaptive gradient modulation (Li, Li, Hu, Lei, Li, Zhou 2023, arXiv 2308.07686): phi_m is m's Shapley value of the
    logits y(S), where modalities outside of S have inputs of zeros and y of none is 0, so that the phi_m add up to y:
    phi_1 = (y - y(0, x2) + y(x1, 0)) / 2 for two. The loss is that of y = sum_m phi_m, and derivatives by phi_m are
    multiplied by kappa_m of `agm_coefficients`, with l_m the loss of phi_m, at most -log 1e-8 a sample. As published,
    y itself is made as in training and the padded y(S) as in evaluation, all are differentiated, and tau_m is the mean
    of l_m over the steps before this one for two modalities, and over this one too for more. All parts of the model
    are touched. Whoever wants the published clipping puts `optax.clip_by_global_norm` before the optimiser.

    Published alpha in the code of MCR (Kontras et al. 2024, arXiv 2411.07335): 3 (CREMA-D, AVE with ResNet), .5 (AVE
    with transformers), 2 (UCF), 1 (Something-Something), .5 and 1 (MOSEI), 1.5 and .5 (MOSI).

    Ours: more than three modalities; samples without m do not count for l_m, and a batch without m leaves tau_m; for
    regression l_m is the squared error, so bring targets to unit variance first. It costs a second pass of the
    encoders, and 2^M of the head.

    Args:
      task: what the label is.
      alpha: how strongly, at least 0; may be traced.

    Returns:
      the strategy; its state is a count of steps and the means.
    """

    def init(key: Array, model: Model, params: Tree) -> tuple[Tree, RunningMeans]:
        return params, RunningMeans(jnp.zeros(()), {name: jnp.zeros(()) for name in model.modalities})

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: RunningMeans, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        made = forward(model, params, statistics, batch, key)
        shares = _shares(model, made, batch)
        losses = {
            name: jnp.where(occurs(batch, name), value, state.means[name])
            for name, value in measured(_bounded_loss(task), shares, batch).items()
        }
        later = _with(state, losses)
        two = len(shares) == 2
        coefficients = agm_coefficients(losses, (state if two else later).means, alpha, 10 if two else 7)
        logits = total(gradient_scale(share, coefficients[name]) for name, share in shares.items())
        value = weighted_mean(task.losses(logits, batch.label), batch.weight)
        return value, Auxiliary(made.logits, made.statistics, later)

    def update(model: Model, gradients: Tree, state: RunningMeans, aux: Auxiliary) -> tuple[Tree, RunningMeans]:
        return gradients, aux.signals

    return Strategy(init, loss, update)


def _leads(losses: Mapping[str, Array]) -> dict[str, Array]:
    if len(losses) == 1:
        return {name: jnp.ones_like(value) for name, value in losses.items()}
    mean = jnp.mean(jnp.stack(list(losses.values())))
    return {name: jnp.exp((mean - value) * (len(losses) / (len(losses) - 1))) for name, value in losses.items()}


def _shares(model: Model, made: Forward, batch: Samples) -> dict[str, Array]:
    """Modality to its Shapley value of the logits (n, num_outputs), by inputs of zeros."""
    latents, _ = model.encode(made.variables, batch.modalities, batch.masks)
    zeros = {name: jnp.zeros_like(x[:1]) for name, x in batch.modalities.items()}
    padding, _ = model.encode(made.variables, zeros, {name: jnp.ones(1, bool) for name in zeros})
    padded = {name: jnp.where(batch.masks[name][:, None], padding[name], 0) for name in latents}
    logits = coalition_logits(
        model, made.variables, latents, batch.masks, missing=lambda latents, masks: (padded, dict(masks))
    )
    shares = shapley_values(logits.at[0].set(0).at[-1].set(made.logits))
    return dict(zip(model.modalities, shares, strict=True))


def _bounded_loss(task: Task) -> Callable[[Array, Array, Array], Array]:
    def mean(logits: Array, label: Array, weight: Array) -> Array:
        return weighted_mean(jnp.minimum(task.losses(logits, label), LARGEST_LOSS), weight)

    return mean


def _with(state: RunningMeans, losses: Mapping[str, Array]) -> RunningMeans:
    """Add the losses of a step to the means."""
    share = 1 / (state.step + 1)
    means = {name: mean + (losses[name] - mean) * share for name, mean in state.means.items()}
    return jax.lax.stop_gradient(RunningMeans(state.step + 1, means))
