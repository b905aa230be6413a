"""Experiments, competition: the methods that are compared, and the numbers that each may choose from."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from jax import Array

from mmjax import competition
from mmjax.competition import Strategy

Hparams = Mapping[str, Array]


class Method(NamedTuple):
    """A method with the grid of its own hyper-parameters."""

    make: Callable[[Hparams], Strategy]
    """From hyper-parameters, which may be traced, to the strategy."""
    grid: dict[str, list[float]] = {}
    """Its own hyper-parameters, beside learning rate and penalty; published values are among them."""


METHODS: dict[str, Method] = {
    "joint": Method(lambda hparams: competition.joint()),
    "ensemble": Method(lambda hparams: competition.ensemble()),
    "multi-loss": Method(
        lambda hparams: competition.multi_loss(unimodal_weight=hparams["weight"]), {"weight": [0.1, 1.0]}
    ),
}
