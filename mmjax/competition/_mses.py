"""Room competition: early stopping of each modality's encoder on its own."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._contributions import measured, occurs
from mmjax.competition._held import held_statistics
from mmjax.competition._multi_loss import multi_loss
from mmjax.competition._rates import rates_by_label
from mmjax.competition._samples import latents_of
from mmjax.competition._strategy import Auxiliary, Model, Samples, Strategy, Tree, Variables, weighted_mean
from mmjax.competition._task import Task, classification


class Stopping(NamedTuple):
    """What MSES remembers, by modality."""

    best: dict[str, Array]
    """The lowest validation loss of the unimodal head so far."""
    waited: dict[str, Array]
    """Segments since then."""
    stopped: dict[str, Array]
    """Whether the encoder has stopped."""


def mses(task: Task = classification, *, patience: ArrayLike = 10) -> Strategy:
    """Train on the fused and the unimodal losses, and stop each encoder when its own head overfits.

    Modality-specific early stopping (Fujimori et al. 2019, Modality-Specific Learning Rate Control for Multimodal
    Classification, ACPR): unimodal heads are trained beside the fused one (`multi_loss`); once the validation loss of
    the head of m has not fallen for more than `patience` segments, the learning rate of the encoder of m is 0 for good.
    Heads go on.

    Published value: patience 10 in the code of AGM (Li et al. 2023, arXiv 2308.07686), which also smooths the loss.

    Ours, as the text of the publication was not to be had: an epoch is a segment; heads are not stopped; the encoder
    stays where it stopped, its running statistics too, and does not go back to its best segment.

    Args:
      task: what the label is.
      patience: segments, at least 0; may be traced.

    Returns:
      the strategy; its state is the best losses, the segments waited and who has stopped.
    """
    trained = multi_loss(task)

    def init(key: Array, model: Model, params: Tree) -> tuple[Tree, Stopping]:
        names = model.modalities
        best, waited = ({name: jnp.full((), x) for name in names} for x in (jnp.inf, 0.0))
        return params, Stopping(best, waited, {name: jnp.zeros((), bool) for name in names})

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Stopping, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        value, aux = trained.loss(model, params, statistics, state, batch, key)
        held = held_statistics(model, aux.statistics, statistics, _by_label(state))
        return value, aux._replace(statistics=held)

    def on_segment(
        model: Model, variables: Variables, state: Stopping, train: Samples, valid: Samples
    ) -> tuple[Tree, Stopping]:
        heads = model.unimodal(variables, latents_of(model, variables, valid))
        losses = measured(lambda u, y, weight: weighted_mean(task.losses(u, y), weight), heads, valid)
        seen = {name: occurs(valid, name) for name in losses}
        return variables["params"], _judged(state, losses, seen, patience)

    def rates(model: Model, params: Tree, state: Stopping) -> Tree:
        return rates_by_label(model, params, _by_label(state))

    return trained._replace(init=init, loss=loss, on_segment=on_segment, rates=rates)


def _by_label(state: Stopping) -> dict[str, Array]:
    return {f"encoder:{name}": jnp.where(stopped, 0.0, 1.0) for name, stopped in state.stopped.items()}


def _judged(state: Stopping, losses: dict[str, Array], seen: dict[str, Array], patience: ArrayLike) -> Stopping:
    """Judge the modalities that are in any validation sample; the others wait for nothing."""
    losses = {name: jnp.where(seen[name], loss, jnp.inf) for name, loss in losses.items()}
    best = {name: jnp.fmin(loss, state.best[name]) for name, loss in losses.items()}
    longer = {name: state.waited[name] + seen[name].astype(state.waited[name].dtype) for name in losses}
    waited = {name: jnp.where(best[name] < state.best[name], 0, longer[name]) for name in losses}
    stopped = {
        name: state.stopped[name] | (waited[name] > jnp.asarray(patience, waited[name].dtype)) for name in losses
    }
    return Stopping(best, waited, stopped)
