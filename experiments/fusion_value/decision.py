"""Experiments, fusion value: whether fusing two modalities of a file will pay, from labels of single modalities.

The gain of fusion over the better modality lies between the ends of `mmjax.synergy.accuracy_range` less that modality's
accuracy. Both ends are found of subsamples too, so that what is said of the population is an interval; a verdict
is given only where all of it is on one side of the margin. Whatever speaks against believing it is said too.
"""

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency
from scipy.stats import t as student

from experiments.fusion_value.config import Config
from experiments.fusion_value.sets import CellSet, marginals
from experiments.harness import Row
from mmjax import synergy

LEVEL = 0.95
FRACTION = 4
"""Of the samples that are in a subsample, one in so many."""
FEW = 5
"""Samples a cell and class, on average, below which intervals are too narrow for a verdict."""
TOO_FEW = "these data cannot tell: too few samples for so many cells and classes; take fewer cells, or more samples"
RARE = 10
"""Samples of a class below which it is named."""
LEAP, DEVIATIONS = 0.05, 3.0
"""By how much, and by how many standard errors, accuracy must fall from training to test samples to be named."""


Value = TypeVar("Value")


class Gain(NamedTuple, Generic[Value]):
    """Accuracy of the better modality, and what fusing both adds to it at least and at most."""

    unimodal: Value
    least: Value
    most: Value


class Measured(NamedTuple):
    """Intervals of a gain, (estimate, lower end, upper end) each."""

    gain: Gain[tuple[float, float, float]]
    exact: Gain[bool]
    """Whether ends of the range were exact within the time limit, of the samples and of all subsamples."""


def decision_row(config: Config, name: str, of: CellSet) -> Row:
    """Return the gain that fusion can have, with intervals, a verdict and its caveats."""
    rows = of.deciding(config)
    counts = of.counts(rows)
    found = measured(counts, num_subsamples=config.num_subsamples, seed=config.seed, time_limit=config.time_limit)
    late = [] if all(found.exact) else ["the range was not exact in time, so intervals are wider; raise --time-limit"]
    return {
        "kind": "decision",
        "set": name,
        "samples": int(counts.sum()),
        **{field: list(ends) for field, ends in found.gain._asdict().items()},
        "verdict": TOO_FEW if _few(counts) else verdict(found.gain.least, found.gain.most, config.margin),
        "caveats": late + caveats(of, rows, counts),
    }


def measured(counts: NDArray[np.int64], *, num_subsamples: int, seed: int, time_limit: float) -> Measured:
    """Return intervals of the gain from subsamples of a quarter of the samples.

    Ends of the range have kinks, where the bootstrap is not consistent (subsamples: Politis & Romano 1994): there an
    estimate is biased by something of the order of its standard error, and a subsample twice as much. The limits are
    Student's, from the scaled deviation of subsamples, wider by the bias that these show on its side and narrower on
    none; approximate, like all of this. Subsamples share the time limit of an end. Where not all are exact in it, the
    least that fusion adds may be nothing, and the most is allowed a bias of the width of its interval.
    """
    total = int(counts.sum())
    generator, flat = np.random.default_rng(seed), counts.ravel()
    drawn = generator.multivariate_hypergeometric(flat, max(total // FRACTION, 1), size=num_subsamples)
    estimate, estimated = _gain(counts, time_limit)
    found = [_gain(one.reshape(counts.shape), time_limit / num_subsamples) for one in drawn]
    exact = Gain(*(all(of) for of in zip(estimated, *(exact for _, exact in found), strict=True)))
    ends = Gain(*map(_interval, estimate, np.array([gain for gain, _ in found]).T, exact))
    if not exact.least:
        ends = ends._replace(least=(ends.least[0], 0.0, ends.least[2]))
    return Measured(ends, exact)


def verdict(least: Sequence[float], most: Sequence[float], margin: float) -> str:
    """Say what intervals of the least and the most that fusion adds allow to say.

    Args:
      least: estimate, lower and upper end.
      most: likewise.
      margin: gain in accuracy below which fusion is not worth it.
    """
    if least[1] > margin:
        return f"fuse: it adds at least {least[1]:.3f}"
    if most[2] < margin:
        return f"do not fuse: it adds at most {most[2]:.3f}"
    return f"these data cannot tell: fusion adds between {least[1]:.3f} and {most[2]:.3f}; label some pairs"


def caveats(of: CellSet, rows: NDArray[np.bool_], counts: NDArray[np.int64]) -> list[str]:
    """Return what speaks against believing the intervals."""
    return [*_few(counts), *_rare(of.classes, counts), *_independent(of.names, counts), *_leaked(of, rows)]


def _gain(counts: NDArray[np.int64], time_limit: float) -> tuple[Gain[float], Gain[bool]]:
    """Return the gain of a sample, and whether its parts are exact."""
    p12, p1y, p2y = marginals(counts / counts.sum())
    ends = synergy.accuracy_range(p12, p1y, p2y, time_limit=time_limit)
    unimodal = max(float(of.max(axis=1).sum()) for of in (p1y, p2y))
    gain = Gain(unimodal, max(ends.lower - unimodal, 0.0), max(ends.upper - unimodal, 0.0))
    return gain, Gain(True, ends.lower_exact, ends.upper_exact)


def _interval(estimate: float, subsampled: NDArray[np.float64], exact: bool) -> tuple[float, float, float]:
    half = student.ppf((1 + LEVEL) / 2, len(subsampled) - 1) * float(subsampled.std(ddof=1)) / np.sqrt(FRACTION - 1)
    bias = float(subsampled.mean()) - estimate
    above = max(-bias, 0.0 if exact else half)
    return estimate, max(float(estimate - half - max(bias, 0)), 0.0), float(estimate + half + above)


def _few(counts: NDArray[np.int64]) -> list[str]:
    seen = [np.count_nonzero(counts.sum(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    total, cells = int(counts.sum()), int(np.prod(seen))
    few = total < FEW * cells
    return [f"{total} samples for {cells} cells and classes: the intervals are too narrow"] if few else []


def _rare(classes: Sequence[int], counts: NDArray[np.int64]) -> list[str]:
    of_class = counts.sum(axis=(0, 1))
    names = classes or range(len(of_class))
    rare = [str(label) for label, number in zip(names, of_class, strict=True) if number < RARE]
    return [f"fewer than {RARE} samples of class {', '.join(rare)}"] if rare else []


def _independent(names: Sequence[str], counts: NDArray[np.int64]) -> list[str]:
    """Say which modalities the label cannot be told to depend on."""
    said = []
    for name, axis in zip(names, (1, 0), strict=True):
        table = counts.sum(axis=axis)
        table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
        if min(table.shape) < 2 or chi2_contingency(table).pvalue > 1 - LEVEL:
            said.append(f"{name} alone tells nothing of the label that these samples could show")
    return said


def _leaked(of: CellSet, rows: NDArray[np.bool_]) -> list[str]:
    """Say where cells tell more of the labels of training samples, if these count here, than of those of test ones."""
    if not np.any(rows & (of.part == 0)):
        return []
    said = []
    for name, x in zip(of.names, (of.x1, of.x2), strict=True):
        seen, held = of.part == 0, of.part == 2
        if not (np.any(seen) and np.any(held)):
            continue
        votes = np.zeros((x.max() + 1, of.label.max() + 1))
        np.add.at(votes, (x[seen], of.label[seen]), 1)
        right = votes.argmax(axis=1)[x] == of.label
        on, off = float(right[seen].mean()), float(right[held].mean())
        error = np.sqrt(on * (1 - on) / seen.sum() + off * (1 - off) / held.sum())
        if on - off > max(LEAP, DEVIATIONS * error):
            said.append(
                f"cells of {name} tell the label of {on:.0%} of training and {off:.0%} of test samples: "
                "its features have seen the training labels, or there are too many cells; use --rows test"
            )
    return said
