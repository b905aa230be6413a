"""Room competition: a learning rate for each modality, which follows its accuracy on validation data."""

from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._contributions import contributions, measured
from mmjax.competition._joint import joint
from mmjax.competition._rates import rates_by_label, scale_by_label
from mmjax.competition._samples import latents_of
from mmjax.competition._strategy import Auxiliary, Model, Samples, Strategy, Tree, Variables, weighted_mean
from mmjax.competition._task import Task, classification


class Accuracies(NamedTuple):
    """What MSLR remembers."""

    segment: Array
    """Segments made."""
    history: dict[str, Array]
    """Modality to its accuracies after the last segments (window,), the newest last."""
    ratios: dict[str, Array]
    """Modality to the newest accuracy over the mean of those before it."""


def mslr_ratio(accuracy: Array, history: Array) -> Array:
    """Return an accuracy over the mean of the history (window,) before it; 1 where that mean is 0."""
    mean = jnp.mean(history)
    return jnp.where(mean > 0, accuracy / jnp.where(mean > 0, mean, 1), 1)


def mslr(
    task: Task = classification,
    *,
    factors: Mapping[str, ArrayLike] | None = None,
    window: int = 5,
    after: bool = True,
) -> Strategy:
    """Train on the fused loss, each modality at a learning rate of its own.

    Modality-specific learning rates (Yao, Mihalcea 2022, Findings of ACL, 143), the dynamic kind in the form of the
    code published with AGM (Li et al. 2023, arXiv 2308.07686) and MCR (Kontras et al. 2024, arXiv 2411.07335): the
    rate of the encoder of m, and of what in the heads sees m alone, is multiplied by factors[m] ratio_m, ratio_m the
    validation accuracy of m after the last segment over the mean of its `window` accuracies before; 1 until there are
    so many. What the heads share keeps its rate.

    Published values there: factors .7 and 1.3, or .9 and 1.1; window 20 (CREMA-D), 10 (AVE), 5 else.

    Ours: an epoch is a segment; the accuracy of m is that of the logits u_m that m alone adds (`contributions`), for
    regression the share of targets whose sign is right; any number of modalities.

    Args:
      task: what the label is.
      factors: modality to a factor, at least 0, 1 for those left out; may be traced.
      window: accuracies that the newest is compared with, at least 1.
      after: whether the learning rate is scaled, behind the optimiser, or, as in that code, the gradient before it.

    Returns:
      the strategy; its state is a count of segments, the accuracies and the ratios.

    Raises:
      ValueError: if `window` is below 1; by `init`, if there is a factor of no modality.
    """
    if window < 1:
        raise ValueError(f"mslr compares with at least one accuracy; got window={window}")
    chosen = dict(factors or {})

    def init(key: Array, model: Model, params: Tree) -> tuple[Tree, Accuracies]:
        unknown = sorted(set(chosen) - set(model.modalities))
        if unknown:
            raise ValueError(f"mslr has factors of {unknown}; the modalities are {list(model.modalities)}")
        history = {name: jnp.zeros(window) for name in model.modalities}
        return params, Accuracies(jnp.zeros(()), history, {name: jnp.ones(()) for name in model.modalities})

    def by_label(state: Accuracies) -> dict[str, Array]:
        rates = {name: ratio * chosen.get(name, 1.0) for name, ratio in state.ratios.items()}
        return {f"{part}:{name}": rate for name, rate in rates.items() for part in ("encoder", "head")}

    def update(model: Model, gradients: Tree, state: Accuracies, aux: Auxiliary) -> tuple[Tree, Accuracies]:
        return gradients if after else scale_by_label(model, gradients, by_label(state)), state

    def rates(model: Model, params: Tree, state: Accuracies) -> Tree | None:
        return rates_by_label(model, params, by_label(state)) if after else None

    def on_segment(
        model: Model, variables: Variables, state: Accuracies, train: Samples, valid: Samples
    ) -> tuple[Tree, Accuracies]:
        alone = contributions(model, variables, latents_of(model, variables, valid), valid.masks)
        newest = measured(lambda u, y, weight: weighted_mean(task.accuracy(u, y), weight), alone, valid)
        return variables["params"], _next(state, newest)

    return joint(task)._replace(init=init, update=update, rates=rates, on_segment=on_segment)


def _next(state: Accuracies, newest: Mapping[str, Array]) -> Accuracies:
    window = next(iter(state.history.values())).shape[0]
    ratios = {
        name: jnp.where(state.segment >= window, mslr_ratio(newest[name], history), 1)
        for name, history in state.history.items()
    }
    history = {name: jnp.append(history[1:], newest[name]) for name, history in state.history.items()}
    return Accuracies(state.segment + 1, history, ratios)
