"""Which fusion head is best, and how much does the answer owe to the learning rate?

Four fusion heads with sixteen learning rates and eight seeds on halves of scikit-learn's digits and on generated
modalities of unequal strength: 1024 runs as eight programs. Each head's learning rate is chosen by its validation loss;
the table shows test accuracy with intervals over seeds, the figure accuracy against learning rate. With --data FILE.npz
your own modalities instead. Takes about two minutes on two CPU cores, most of it compilation.
"""

import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.harness import (
    Experiment,
    Item,
    Launch,
    LaunchOptions,
    Rows,
    Sweep,
    Table,
    check_counts,
    check_names,
    input_errors,
    main,
)
from experiments.sweep.figure import draw
from experiments.sweep.task import COMPETITION, HEADS, SIGNAL_TO_NOISE, load, make_trial
from mmjax import sweep
from mmjax.data import Splits, competition_accuracy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = {"test/accuracy": "test accuracy", "test/loss": "test loss"}

Source = Literal["digits", "competition"]


@dataclasses.dataclass(frozen=True)
class Config:
    """What to sweep."""

    sets: tuple[Source, ...] = ("digits", "competition")
    """Data sets, without --data."""
    data: Path | None = None
    """Your npz file, instead of these."""
    heads: tuple[str, ...] = tuple(HEADS)
    """Fusion heads."""
    num_rates: int = 16
    """Learning rates of Adam, from lowest to highest in equal ratios."""
    lowest_rate: float = 1e-4
    """The lowest learning rate."""
    highest_rate: float = 1.0
    """The highest learning rate."""
    num_seeds: int = 8
    """Repetitions, with other initial parameters and orders of the samples."""
    width: int = 16
    """Units of the hidden layers."""
    num_segments: int = 8
    """Evaluations of a run."""
    steps_per_segment: int = 50
    """Optimiser steps between evaluations."""
    batch_size: int = 32
    """Samples of a step."""
    num_samples: int = 2000
    """Generated samples to train on."""
    seed: int = 0
    """Seed of splits, generated data and runs."""
    launch: LaunchOptions = dataclasses.field(default_factory=Launch)
    """Where trials run."""

    def __post_init__(self) -> None:
        """Refuse what is no sweep."""
        check_counts(self, num_rates=1, num_seeds=1, width=1, num_segments=1, steps_per_segment=1, batch_size=1)
        check_counts(self, num_samples=64, seed=0)
        if not (0 < self.lowest_rate < self.highest_rate < math.inf or self.lowest_rate == self.highest_rate > 0):
            raise ValueError(f"rates must be positive and in order; got {self.lowest_rate} to {self.highest_rate}")
        if self.lowest_rate == self.highest_rate and self.num_rates > 1:
            raise ValueError(f"{self.num_rates} rates need a range; got {self.lowest_rate} as lowest and highest")
        check_names("heads", self.heads, HEADS)
        check_names("sets", self.sets, get_args(Source))


PRESETS = {
    "quick": Config(),
    "full": Config(num_segments=20, num_samples=8000, width=32),
    "paper": Config(num_segments=40, num_samples=32000, num_seeds=32, width=64),
}


def items(config: Config) -> Mapping[str, Item]:
    """Return the sweep."""
    if config.data:
        with input_errors(config.data):
            _check_modalities(load(str(config.data), config.num_samples, config.seed))
    names = [str(config.data.resolve())] if config.data else list(config.sets)
    shared = ("width", "num_segments", "steps_per_segment", "batch_size", "num_samples")
    fixed = {name: [getattr(config, name)] for name in shared}
    rates = np.geomspace(config.lowest_rate, config.highest_rate, config.num_rates).tolist()
    space = sweep.Space(
        static=sweep.grid(data=names, head=config.heads, **fixed, data_seed=[config.seed]),
        traced=sweep.grid(learning_rate=rates),
        num_seeds=config.num_seeds,
        seed=config.seed,
    )
    return {"trials": Sweep(make_trial, space, config.launch)}


def _check_modalities(data: Splits) -> None:
    names = sorted(data.train.modalities)
    if len(names) < 2:
        raise ValueError(f"fusion needs two modalities or more; got {', '.join(names)}")


def tables(config: Config, rows: Rows) -> Sequence[Table]:
    """Return the heads at their best learning rates, and their differences from the first head."""
    trials = _readable(pd.DataFrame(rows))
    best = sweep.select(trials, by=["data", "head"], over=["learning_rate"])
    chosen = best.groupby(["data", "head"], sort=False)["learning_rate"].first().reset_index()
    means = sweep.summary(best, by=["data", "head"], metrics=list(METRICS)).rename(columns=_heading)
    seeds = f"Means over {config.num_seeds} seeds with 95 % intervals (Student's t); one split of the data."
    made = [
        Table(
            "Fusion heads at the learning rate of their lowest validation loss",
            chosen.merge(means, on=["data", "head"]),
            f"{seeds} {_best_possible(config)}".strip(),
        )
    ]
    if len(config.heads) > 1 and config.num_seeds > 1:
        first = config.heads[0]
        pairs = [
            sweep.differences(group, by="head", baseline=first, metric="test/accuracy").assign(data=data)
            for data, group in best.groupby("data", sort=False)
        ]
        frame = pd.concat(pairs, ignore_index=True)[["data", "head", "difference", "low", "high", "n"]]
        made += [Table(f"Test accuracy minus that of {first}", frame, "Paired by seed.")]
    return made


def figure(config: Config, rows: Rows) -> "Figure":
    """Draw test accuracy against learning rate."""
    return draw(
        _readable(pd.DataFrame(rows)), {"competition": _best_accuracy()} if "competition" in config.sets else {}
    )


def _readable(trials: pd.DataFrame) -> pd.DataFrame:
    """Name a user's data by its file alone."""
    return trials.assign(data=[Path(name).name for name in trials["data"]])


def _heading(column: str) -> str:
    name, _, end = column.partition(" ")
    return f"{METRICS.get(name, name)} {end}".strip()


def _best_possible(config: Config) -> str:
    if config.data or "competition" not in config.sets:
        return ""
    return f"No classifier of the generated data is right more often than {_best_accuracy():.4f}."


def _best_accuracy() -> float:
    return float(competition_accuracy(COMPETITION, jnp.array(SIGNAL_TO_NOISE)).joint)


EXPERIMENT = Experiment("sweep", __doc__ or "", PRESETS, items, tables, figure)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
