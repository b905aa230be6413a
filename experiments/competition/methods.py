"""Experiments, competition: the methods that are compared, and the numbers that each may choose from.

The grids hold the published values, or values around them; beside them every method chooses learning rate and penalty.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from mmjax import competition
from mmjax.competition import Strategy, Task, classification

Hparams = Mapping[str, Array]
BASIC = ("learning_rate", "weight_decay")
"""Hyper-parameters that every method chooses."""


class Setting(NamedTuple):
    """What is the same for all methods and static."""

    task: Task
    modalities: tuple[str, ...]
    width: int
    """Of the latents."""
    num_segments: int
    num_permutations: int
    """Of MCR."""
    window: int = 5
    """Evaluations that MSLR looks back."""


class Method(NamedTuple):
    """A method with the grid of its own hyper-parameters."""

    make: Callable[[Hparams, Setting], Strategy]
    """From its own hyper-parameters, which may be traced, to the strategy."""
    grid: Mapping[str, Sequence[float]] = MappingProxyType({})
    """Its own hyper-parameters, beside learning rate and penalty."""
    only: tuple[str, ...] = ()
    """Fusion heads that it is for; empty: all."""


def strategy_of(method: str, hparams: Hparams, setting: Setting) -> Strategy:
    """Make a strategy from the hyper-parameters of a run."""
    return METHODS[method].make({name: x for name, x in hparams.items() if name not in BASIC}, setting)


def _by(strategy: Callable[..., Strategy], **fixed: Any) -> Callable[[Hparams, Setting], Strategy]:
    """Return a maker of strategies whose hyper-parameters bear the names of its arguments."""
    return lambda hparams, setting: strategy(setting.task, **fixed, **hparams)


def _mcr(hparams: Hparams, setting: Setting, **fixed: Any) -> Strategy:
    """Make MCR; if `prepared`, on encoders that train alone for so many segments before it."""
    weights: dict[str, Any] = {name: x for name, x in hparams.items() if name != "prepared"}
    fixed = {"perturbation": competition.permutations(setting.num_permutations), **fixed}
    if setting.task is not classification:  # equal numbers are no class
        fixed = {"positives": competition.same_sample, **fixed}
    if "bottleneck_weight" in weights:
        fixed["bottleneck"] = competition.fused_logits
    strategy = competition.mcr(setting.task, **fixed, **weights)
    if "prepared" not in hparams:
        return strategy
    return competition.staged(competition.ensemble(setting.task), strategy, num_segments=_first(hparams, setting))


def _mla(hparams: Hparams, setting: Setting) -> Strategy:
    return competition.mla(setting.task, width=setting.width, num_modalities=len(setting.modalities))


def _mslr(hparams: Hparams, setting: Setting) -> Strategy:
    """Slow the first modality, or hurry it, against the others; published factors are 0.7 and 1.3."""
    first, *others = setting.modalities
    factors = {first: hparams["factor"], **dict.fromkeys(others, 2 - hparams["factor"])}
    return competition.mslr(setting.task, factors=factors, window=setting.window)


def _prepared(second: Callable[..., Strategy]) -> Callable[[Hparams, Setting], Strategy]:
    return lambda hparams, setting: second(setting.task, num_segments=_first(hparams, setting))


def _first(hparams: Hparams, setting: Setting) -> Array:
    """Return for how long encoders train alone: `prepared` segments, half the run at most, or a `share` of it."""
    if "share" in hparams:
        return hparams["share"] * setting.num_segments
    return jnp.minimum(hparams["prepared"], setting.num_segments // 2)


_RELEARN = _by(competition.diagnose_relearn, num_samples=256, num_iterations=10)
_WEIGHTS = {"unimodal_weight": (0.01, 1.0), "sensitivity_weight": (0.01, 0.1), "contrastive_weight": (0.1, 1.0)}


def _weights(*names: str) -> dict[str, Sequence[float]]:
    return {name: _WEIGHTS[name] for name in names}


METHODS: dict[str, Method] = {
    "joint": Method(_by(competition.joint)),
    "ensemble": Method(_by(competition.ensemble)),
    "multi-loss": Method(_by(competition.multi_loss), {"unimodal_weight": (0.1, 1.0)}),
    "frozen": Method(_prepared(competition.frozen), {"share": (0.5, 0.8)}),
    "fine-tuned": Method(_prepared(competition.finetuned), {"share": (0.5, 0.8)}),
    "OGM": Method(_by(competition.ogm), {"alpha": (0.1, 0.8)}),
    "OGM of rates": Method(_by(competition.ogm, after=True), {"alpha": (0.1, 0.8)}),
    "OGM-GE": Method(_by(competition.ogm, noise=True), {"alpha": (0.1, 0.8)}),
    "AGM": Method(_by(competition.agm), {"alpha": (0.5, 1.0, 3.0)}),
    "MLB": Method(_by(competition.mlb), {"alpha": (0.5, 2.0), "beta": (2.0, 10.0)}),
    "MSLR": Method(_mslr, {"factor": (0.1, 0.7, 1.3, 1.9)}),
    "MSES": Method(_by(competition.mses), {"patience": (3, 10)}),
    "MMCosine": Method(_by(competition.mmcosine), {"scale": (1.0, 10.0)}, only=("late linear",)),
    "PMR": Method(_by(competition.pmr), {"alpha": (0.6, 2.0), "momentum": (0.0, 0.5)}),
    "MMPareto": Method(_by(competition.mmpareto), {"gamma": (1.0, 1.5, 3.0)}),
    "MLA": Method(_mla),
    "ReconBoost": Method(_by(competition.reconboost), {"label_weight": (3.0, 5.0), "memory_weight": (0.0, 0.5)}),
    "diagnose and relearn": Method(_RELEARN, {"period": (4, 10), "strength": (3.0,)}),
    "gradient blending": Method(_by(competition.gradient_blending), {"num_training": (5, 30)}),
    "CGGM": Method(_by(competition.cggm), {"rho": (1.0, 1.3), "direction": (0.05, 0.2)}),
    "SynIB": Method(_by(competition.synib), {"weight": (0.001, 0.1)}),
    "TCMax": Method(_by(competition.tcmax)),
    "DGL": Method(_by(competition.dgl), {"alpha": (4.0,)}),
    "ARL": Method(_by(competition.arl), {"gamma": (4.0,), "temperature": (4.0, 8.0)}),
    "MCR": Method(_mcr, _WEIGHTS),
    "MCR without game": Method(
        functools.partial(_mcr, sensitivity_weight=0.0, perturbation=competition.zeros()),
        _weights("unimodal_weight", "contrastive_weight"),
    ),
    "MCR without contrast": Method(
        functools.partial(_mcr, positives=None), _weights("unimodal_weight", "sensitivity_weight")
    ),
}
