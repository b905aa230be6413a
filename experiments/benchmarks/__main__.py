"""Experiments, benchmarks: run the benchmarks of this package and print one table of ratios.

A benchmark is a module of this package with `measure(repetitions) -> Iterator[Comparison]`. A peer that is
not installed is named and left out (the `bench` extra installs those that resolve beside us).
"""

import dataclasses
import importlib
import math
import os
import pkgutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from types import ModuleType
from typing import TYPE_CHECKING

import jax
import pandas as pd

from experiments import benchmarks
from experiments.benchmarks.timing import Comparison, skip_missing
from experiments.harness import Experiment, Item, Rows, Table, UserError, main

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PEERS = ("cvxpy", "clarabel", "ecos", "dit", "hoi", "cca-zoo", "torch", "scipy", "scikit-learn")


@dataclasses.dataclass(frozen=True)
class Config:
    """What to measure."""

    only: tuple[str, ...] = ()
    """Benchmarks to run; all by default."""
    repetitions: int = 3
    """Timed runs of each program, after a warm-up."""

    def __post_init__(self) -> None:
        """Refuse a number of repetitions that measures nothing."""
        if self.repetitions < 1:
            raise ValueError(f"repetitions must be at least 1; got {self.repetitions}")


PRESETS = {"quick": Config(), "full": Config(repetitions=10)}


def items(config: Config) -> Mapping[str, Item]:
    """Return the benchmarks by name."""
    names = benchmark_names()
    unknown = [name for name in config.only if name not in names]
    if unknown:
        raise UserError(f"no benchmark {', '.join(unknown)}; there are {', '.join(names)}")
    return {name: _item(name, config.repetitions) for name in config.only or names}


def benchmark_names() -> list[str]:
    """Return the modules of this package that offer `measure`, or need a peer to be imported at all."""
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "__main__"]
    return [name for name in names if _offers_measure(name)]


def tables(config: Config, rows: Rows) -> Sequence[Table]:
    """Return the comparisons, with times in microseconds a problem."""
    del config
    frame = pd.DataFrame(rows)
    microseconds = {
        "our_microseconds": 1e6 * frame.pop("our_seconds"),
        "their_microseconds": 1e6 * frame.pop("their_seconds"),
    }
    machine = "; ".join(frame.pop("machine").unique())
    for place, (name, column) in enumerate(microseconds.items(), start=4):
        frame.insert(place, name, column)
    note = "Times are the best of the repetitions, a problem; a ratio is the peer's time over ours."
    return [Table("Benchmarks", frame, f"{note}\n{machine}.")]


def figure(config: Config, rows: Rows) -> "Figure":
    """Draw each ratio's median with its range."""
    from matplotlib.figure import Figure

    del config
    measured = [row for row in rows if not math.isnan(row["ratio_median"])]
    median = [row["ratio_median"] for row in measured]
    below = [row["ratio_median"] - row["ratio_min"] for row in measured]
    above = [row["ratio_max"] - row["ratio_median"] for row in measured]
    chart = Figure(figsize=(8, 1 + 0.35 * len(measured)), layout="constrained")
    axes = chart.subplots()
    axes.barh(range(len(measured)), median, xerr=[below, above], color="tab:blue", ecolor="black")
    axes.set_yticks(range(len(measured)), [f"{row['work']} {row['size']} / {row['peer']}" for row in measured])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("peer's time / mmjax's time (median, range over repetitions)")
    return chart


def _item(name: str, repetitions: int) -> Item:
    def measure() -> Iterator[Comparison]:
        yield from _load(name).measure(repetitions)

    def work() -> Rows:
        comparisons = list(skip_missing(name, [measure()]))
        machine = _machine()
        return [{**comparison._asdict(), "machine": machine} for comparison in comparisons]

    return work


def _offers_measure(name: str) -> bool:
    try:
        return hasattr(_load(name), "measure")
    except ModuleNotFoundError:
        return True


def _load(name: str) -> ModuleType:
    return importlib.import_module(f"{benchmarks.__name__}.{name}")


def _machine() -> str:
    """Say on what the benchmark ran: device, threads, versions of what is installed."""
    versions = [f"{name} {version}" for name in PEERS if (version := _version(name))]
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{jax.devices()[0].device_kind}, {threads} CPU threads, jax {jax.__version__}, {', '.join(versions)}"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


EXPERIMENT = Experiment("benchmarks", __doc__ or "", PRESETS, items, tables, figure)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
