"""Experiments, fusion value: the configuration."""

import dataclasses
import math
from pathlib import Path
from typing import Literal, get_args

from experiments.estimators.sources import SOURCES
from experiments.harness import Launch, LaunchOptions, check_counts, check_modalities, check_names, check_numbers
from experiments.sweep.task import HEADS

Kind = Literal["gates", "random tables", "generative", "views"]


@dataclasses.dataclass(frozen=True)
class Config:
    """Which data, and how closely to look."""

    kinds: tuple[Kind, ...] = get_args(Kind)
    """Gates with noise, random tables, the generative data of arXiv 2302.12247, and views of digits and tumours."""
    data: Path | None = None
    """Your npz file, instead of these: all its pairs of modalities."""
    modalities: tuple[str, ...] = ()
    """Those of the file to take; none: all of them."""
    rows: Literal["all", "test"] = "all"
    """Labelled rows that ranges and verdicts are of; test, where features have seen the labels of the others."""
    margin: float = 0.02
    """Of a file: gain in accuracy for which fusion is worth it."""
    num_subsamples: int = 100
    """Of a file: subsamples for the interval of the gain."""
    heads: tuple[str, ...] = ("late linear", "concatenation")
    """Fusion heads that are fed the cells."""
    rates: tuple[float, ...] = (1e-3, 1e-2)
    """Learning rates of Adam, to choose from by validation loss."""
    num_cells: int = 6
    """Cells of a modality; one of whole numbers keeps these if they are no more, or neighbours share a cell."""
    num_samples: int = 8000
    """Generated samples to train on; as many to test on, and a quarter for validation."""
    num_steps: int = 600
    """Optimiser steps of a run."""
    labelled: tuple[int, ...] = (30, 300, 3000)
    """Numbers of labelled pairs to narrow the range by."""
    num_draws: int = 2
    """Draws of so many labelled pairs, and of raw data."""
    raw: tuple[str, ...] = ("generative synergy",)
    """Sources of `experiments.estimators` that are also taken as they are, not in cells; none with a file."""
    time_limit: float = 20.0
    """Seconds for an end of a range, and for all subsamples of it; what is not exact by then is wider, and named."""
    seed: int = 0
    """Seed of data, splits, draws and runs."""
    launch: LaunchOptions = dataclasses.field(default_factory=Launch)
    """Where runs of heads run."""

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        check_counts(self, num_cells=2, num_samples=64, num_steps=1, num_draws=1, num_subsamples=2, seed=0)
        if not 0 <= self.time_limit < math.inf:
            raise ValueError(f"time_limit must not be negative; got {self.time_limit}")
        check_numbers("labelled", self.labelled)
        check_modalities(self)
        if not 0 <= self.margin < 1:
            raise ValueError(f"margin must be in [0, 1); got {self.margin}")
        check_numbers("rates", self.rates)
        check_names("raw", self.raw, SOURCES, least=0)
        check_names("heads", self.heads, HEADS)
        check_names("kinds", self.kinds, get_args(Kind))
