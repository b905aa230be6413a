"""Room sweep: the space of a sweep: which configurations are compiled, which trials run inside each.

Static fields change shapes or control flow: each combination is a program of its own. Traced fields are numbers that
a program takes as arguments: all their values, with all seeds, are trials of one program.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Points = Mapping[str, Sequence[Any]]
"""Points of a space by columns: name to its value at each point."""
Trials = dict[str, NDArray[Any]]
"""Name of a traced field to its values (num_trials,), float; and "seed" (num_trials,), int."""
SEED = "seed"


class Distribution(Protocol):
    """A distribution of numbers, such as `scipy.stats.loguniform(1e-4, 1e-1)`."""

    def rvs(self, *, size: int, random_state: np.random.Generator) -> NDArray[Any]:
        """Draw."""


def grid(**values: Sequence[Any]) -> dict[str, list[Any]]:
    """Combine all values of all fields; the last field changes fastest.

    Example: `grid(head=("late", "film"), width=(16, 64))` has 4 points.

    Raises:
      ValueError: if a field has a string instead of a list of values.
    """
    _check_lists(values)
    points = list(itertools.product(*(list(column) for column in values.values())))
    return {name: [point[k] for point in points] for k, name in enumerate(values)}


def zipped(**values: Sequence[Any]) -> dict[str, list[Any]]:
    """Take the first value of every field together, then the second of every field, and so on.

    Raises:
      ValueError: if fields have different numbers of values, or a string instead of a list of them.
    """
    _check_lists(values)
    columns = {name: list(column) for name, column in values.items()}
    _check_lengths(columns)
    return columns


def random(seed: int, num_points: int, **distributions: Distribution) -> dict[str, list[float]]:
    """Draw points at random (Bergstra & Bengio 2012: better than a grid where few fields matter).

    Args:
      seed: the same seed gives the same points; more points begin with the same ones.
      num_points: how many.
      **distributions: of each field, as `scipy.stats` makes them.

    Returns:
      the points.
    """
    generators = np.random.default_rng(seed).spawn(len(distributions))
    return {
        name: [float(x) for x in distribution.rvs(size=num_points, random_state=generator)]
        for (name, distribution), generator in zip(distributions.items(), generators, strict=True)
    }


@dataclasses.dataclass(frozen=True)
class Space:
    """All trials of a sweep: each static point with each traced point and each seed.

    Seed s means the same PRNG key everywhere, so that trials of one seed differ by their hyper-parameters only and
    their differences can be paired.
    """

    static: Points = dataclasses.field(default_factory=dict)
    """Fields a program is compiled for: strings, numbers, booleans, None; empty: one configuration without fields."""
    traced: Points = dataclasses.field(default_factory=dict)
    """Fields that are numbers inside a program; empty: the seeds alone."""
    num_seeds: int = 1
    """Repetitions of every point, with seeds 0 to num_seeds - 1."""
    seed: int = 0
    """From which the keys of all seeds derive; they are none of the keys that `split` or one `fold_in` makes of it."""

    def __post_init__(self) -> None:
        """Refuse what is no space."""
        _check_lengths(self.static)
        _check_lengths(self.traced)
        if any(not isinstance(number, int) for number in (self.num_seeds, self.seed)):
            raise ValueError(f"num_seeds and seed must be integers; got {self.num_seeds} and {self.seed}")
        if self.num_seeds < 1 or not 0 <= self.seed < 2**31:
            raise ValueError(
                f"num_seeds must be at least 1, seed from 0 and below 2^31; got {self.num_seeds} and {self.seed}"
            )
        twice = [name for name in (*self.static, SEED) if name in self.traced] + [SEED] * (SEED in self.static)
        if twice:
            raise ValueError(f"a field has one meaning, and {SEED!r} is taken; got twice: {', '.join(twice)}")
        _check_plain(self.static)
        _check_numbers(self.traced)
        for kind, points in (("static", self.static), ("traced", self.traced)):
            rows = [tuple(row.values()) for row in _rows(points)]
            if len(set(rows)) < len(rows):  # 1, 1.0 and True are equal
                raise ValueError(f"{kind} points must differ; got {max(rows, key=rows.count)} more than once")

    def configurations(self) -> list[dict[str, Any]]:
        """Return the static points."""
        return _rows(self.static)

    def trials(self) -> Trials:
        """Return the trials of each configuration: traced points, each with all seeds."""
        num_points = len(_rows(self.traced))
        columns = {name: np.repeat(np.asarray(column, float), self.num_seeds) for name, column in self.traced.items()}
        return {**columns, SEED: np.tile(np.arange(self.num_seeds), num_points)}

    @property
    def num_trials(self) -> int:
        """Number of trials of the whole sweep."""
        return len(self.configurations()) * len(self.trials()[SEED])


def _rows(points: Points) -> list[dict[str, Any]]:
    if not points:
        return [{}]
    return [dict(zip(points, row, strict=True)) for row in zip(*points.values(), strict=True)]


def _check_lists(values: Mapping[str, Any]) -> None:
    for name, column in values.items():
        if isinstance(column, str):
            raise ValueError(f"field {name!r} needs a list of values; got the string {column!r}")


def _check_lengths(points: Points) -> None:
    lengths = {name: len(column) for name, column in points.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"all fields need one number of values, at least 1; got {lengths}")


def _check_plain(points: Points) -> None:
    for name, column in points.items():
        for value in column:
            if not (value is None or isinstance(value, str | int | float | bool)):
                raise ValueError(
                    f"static field {name!r} holds a {type(value).__name__}; give strings, numbers or booleans, "
                    "and let the task make objects of them"
                )


def _check_numbers(points: Points) -> None:
    for name, column in points.items():
        try:
            finite = bool(np.all(np.isfinite(np.asarray(column, float))))
        except (TypeError, ValueError):
            finite = False
        if not finite:
            raise ValueError(f"traced field {name!r} must hold finite numbers; got {list(column)}")
