"""Experiments, competition: the methods that are compared, and the numbers that each may choose from.

The grids hold the published values, or values around them; beside them every method chooses learning rate and penalty.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from jax import Array

from mmjax import competition
from mmjax.competition import Strategy

Hparams = Mapping[str, Array]
BASIC = ("learning_rate", "weight_decay")
"""Hyper-parameters that every method chooses."""


class Setting(NamedTuple):
    """What is the same for all methods and static."""

    modalities: tuple[str, ...]
    width: int
    """Of the latents."""
    num_segments: int
    num_permutations: int
    """Of MCR."""


class Method(NamedTuple):
    """A method with the grid of its own hyper-parameters."""

    make: Callable[[Hparams, Setting], Strategy]
    """From hyper-parameters, which may be traced, to the strategy."""
    grid: Mapping[str, Sequence[float]] = MappingProxyType({})
    """Its own hyper-parameters, beside learning rate and penalty."""
    only: tuple[str, ...] = ()
    """Fusion heads that it is for; empty: all."""


def _mcr(hparams: Hparams, setting: Setting) -> Strategy:
    return competition.mcr(
        unimodal_weight=hparams["unimodal"],
        sensitivity_weight=hparams["sensitivity"],
        contrastive_weight=hparams["contrastive"],
        perturbation=competition.permutations(setting.num_permutations),
    )


def _mcr_without_game(hparams: Hparams, setting: Setting) -> Strategy:
    return competition.mcr(
        unimodal_weight=hparams["unimodal"],
        sensitivity_weight=0.0,
        contrastive_weight=hparams["contrastive"],
        perturbation=competition.zeros(),
    )


def _mcr_without_contrast(hparams: Hparams, setting: Setting) -> Strategy:
    return competition.mcr(
        unimodal_weight=hparams["unimodal"],
        sensitivity_weight=hparams["sensitivity"],
        positives=None,
        perturbation=competition.permutations(setting.num_permutations),
    )


def _mla(hparams: Hparams, setting: Setting) -> Strategy:
    return competition.mla(width=setting.width, num_modalities=len(setting.modalities))


def _mslr(hparams: Hparams, setting: Setting) -> Strategy:
    """Slow the first modality, or hurry it, against the others; published factors are 0.7 and 1.3."""
    first, *others = setting.modalities
    return competition.mslr(factors={first: hparams["factor"], **dict.fromkeys(others, 2 - hparams["factor"])})


def _prepared(second: Callable[..., Strategy]) -> Callable[[Hparams, Setting], Strategy]:
    return lambda hparams, setting: second(num_segments=hparams["share"] * setting.num_segments)


METHODS: dict[str, Method] = {
    "joint": Method(lambda hparams, setting: competition.joint()),
    "ensemble": Method(lambda hparams, setting: competition.ensemble()),
    "multi-loss": Method(
        lambda hparams, setting: competition.multi_loss(unimodal_weight=hparams["weight"]), {"weight": (0.1, 1.0)}
    ),
    "frozen": Method(_prepared(competition.frozen), {"share": (0.5, 0.8)}),
    "fine-tuned": Method(_prepared(competition.finetuned), {"share": (0.5, 0.8)}),
    "OGM": Method(lambda hparams, setting: competition.ogm(alpha=hparams["alpha"]), {"alpha": (0.1, 0.8)}),
    "OGM of rates": Method(
        lambda hparams, setting: competition.ogm(alpha=hparams["alpha"], after=True), {"alpha": (0.1, 0.8)}
    ),
    "OGM-GE": Method(
        lambda hparams, setting: competition.ogm(alpha=hparams["alpha"], noise=True), {"alpha": (0.1, 0.8)}
    ),
    "AGM": Method(lambda hparams, setting: competition.agm(alpha=hparams["alpha"]), {"alpha": (0.5, 1.0, 3.0)}),
    "MLB": Method(
        lambda hparams, setting: competition.mlb(alpha=hparams["alpha"], beta=hparams["beta"]),
        {"alpha": (0.5, 2.0), "beta": (2.0, 10.0)},
    ),
    "MSLR": Method(_mslr, {"factor": (0.1, 0.7, 1.3, 1.9)}),
    "MSES": Method(lambda hparams, setting: competition.mses(patience=hparams["patience"]), {"patience": (3, 10)}),
    "MMCosine": Method(
        lambda hparams, setting: competition.mmcosine(scale=hparams["scale"]),
        {"scale": (1.0, 10.0)},
        only=("late linear",),
    ),
    "PMR": Method(
        lambda hparams, setting: competition.pmr(alpha=hparams["alpha"], momentum=hparams["momentum"]),
        {"alpha": (0.6, 2.0), "momentum": (0.0, 0.5)},
    ),
    "MMPareto": Method(
        lambda hparams, setting: competition.mmpareto(gamma=hparams["gamma"]), {"gamma": (1.0, 1.5, 3.0)}
    ),
    "MLA": Method(_mla),
    "ReconBoost": Method(
        lambda hparams, setting: competition.reconboost(label_weight=hparams["label"], memory_weight=hparams["memory"]),
        {"label": (3.0, 5.0), "memory": (0.0, 0.5)},
    ),
    "diagnose and relearn": Method(
        lambda hparams, setting: competition.diagnose_relearn(
            period=hparams["period"], strength=hparams["strength"], num_samples=256, num_iterations=10
        ),
        {"period": (4, 10), "strength": (3.0,)},
    ),
    "gradient blending": Method(
        lambda hparams, setting: competition.gradient_blending(num_training=hparams["training"]),
        {"training": (5, 30)},
    ),
    "CGGM": Method(
        lambda hparams, setting: competition.cggm(rho=hparams["rho"], direction=hparams["direction"]),
        {"rho": (1.0, 1.3), "direction": (0.05, 0.2)},
    ),
    "SynIB": Method(lambda hparams, setting: competition.synib(weight=hparams["weight"]), {"weight": (0.001, 0.1)}),
    "TCMax": Method(lambda hparams, setting: competition.tcmax()),
    "DGL": Method(lambda hparams, setting: competition.dgl(alpha=hparams["alpha"]), {"alpha": (4.0,)}),
    "ARL": Method(
        lambda hparams, setting: competition.arl(gamma=hparams["gamma"], temperature=hparams["temperature"]),
        {"gamma": (4.0,), "temperature": (4.0, 8.0)},
    ),
    "MCR": Method(_mcr, {"unimodal": (0.01, 1.0), "sensitivity": (0.01, 0.1), "contrastive": (0.1, 1.0)}),
    "MCR without game": Method(_mcr_without_game, {"unimodal": (0.01, 1.0), "contrastive": (0.1, 1.0)}),
    "MCR without contrast": Method(_mcr_without_contrast, {"unimodal": (0.01, 1.0), "sensitivity": (0.01, 0.1)}),
}
