"""Room competition: a loss on every unimodal head, beside that of the fused logits or instead of it."""

import functools
import operator
from collections.abc import Iterable, Mapping

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._strategy import (
    Auxiliary,
    Forward,
    Model,
    Samples,
    Strategy,
    Tree,
    Variables,
    forward,
    weighted_mean,
    without_state,
)
from mmjax.competition._task import Task, classification


def multi_loss(task: Task = classification, *, unimodal_weight: ArrayLike = 1.0) -> Strategy:
    """Train on the loss of the fused logits and those of the unimodal heads.

    L(y) + unimodal_weight * sum_m L(u_m), u_m the logits of the unimodal head of modality m.

    Args:
      task: what the label is.
      unimodal_weight: of the unimodal losses, not negative; may be traced.

    Returns:
      the strategy; it has no state.
    """

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Tree, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        made = forward(model, params, statistics, batch, key)
        fused = weighted_mean(task.losses(made.logits, batch.label), batch.weight)
        alone = unimodal_losses(task, model, made, batch)
        return fused + unimodal_weight * total(alone.values()), Auxiliary(made.logits, made.statistics)

    return Strategy(without_state, loss)


def unimodal_losses(task: Task, model: Model, made: Forward, batch: Samples) -> dict[str, Array]:
    """Return modality to the mean loss of its unimodal head over the samples that have the modality."""
    heads = model.unimodal(made.variables, made.latents)
    return {
        name: weighted_mean(task.losses(logits, batch.label), batch.weight * batch.masks[name].astype(logits.dtype))
        for name, logits in sorted(heads.items())
    }


def unimodal(modality: str, task: Task = classification) -> Strategy:
    """Train the encoder and the unimodal head of one modality alone, and judge by that head.

    Args:
      modality: its name.
      task: what the label is.

    Returns:
      the strategy; it has no state. The other parts of the model get gradients of 0.

    Raises:
      ValueError: when its loss is called, if the model has no such modality.
    """

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Tree, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        if modality not in model.modalities:
            raise ValueError(f"no modality {modality!r}; the model has {', '.join(model.modalities)}")
        made = forward(model, params, statistics, batch, key)
        return unimodal_losses(task, model, made, batch)[modality], Auxiliary(made.logits, made.statistics)

    return Strategy(
        without_state,
        loss,
        predict=lambda model, variables, latents, masks: model.unimodal(variables, latents)[modality],
    )


def ensemble(task: Task = classification) -> Strategy:
    """Train every encoder with its own head, as if the others were not there, and add their logits up.

    No loss sees two modalities, so this is what training them one by one gives, but for the segment and the
    hyper-parameters, which one validation loss, that of the sum, selects for all.

    Args:
      task: what the label is.

    Returns:
      the strategy; it has no state. An absent modality has no say: its logits count as zeros.
    """

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Tree, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        made = forward(model, params, statistics, batch, key)
        return total(unimodal_losses(task, model, made, batch).values()), Auxiliary(made.logits, made.statistics)

    return Strategy(without_state, loss, predict=summed_logits)


def summed_logits(model: Model, variables: Variables, latents: dict[str, Array], masks: Mapping[str, Array]) -> Array:
    """Add up the logits of the unimodal heads of the modalities that are present: (n, num_outputs)."""
    heads = model.unimodal(variables, latents)
    return total(jnp.where(masks[name][:, None], logits, 0) for name, logits in sorted(heads.items()))


def total(arrays: Iterable[Array]) -> Array:
    """Add up one array or more."""
    return functools.reduce(operator.add, arrays)
