"""Experiments, model selection: methods suggested for a data set by the known one most like it, and the controls."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
NUM_SUGGESTED = 3
LEVEL = 0.95
NUM_REPLICATES = 2000
"""Of the bootstrap."""


def shares(parts: ArrayLike) -> Floats:
    """Return each part's share of the sum, (..., 4); rounding below 0 counts as 0, and nothing has shares of 0."""
    positive = np.clip(np.asarray(parts, float), 0, None)
    total = positive.sum(axis=-1, keepdims=True)
    return positive / np.where(total > 0, total, 1)


def agreement(of_set: ArrayLike, of_model: ArrayLike) -> Floats:
    """Return how much a model's predictions take of what a data set has: alpha = sum_I I_D / (sum_J J_D) I_f.

    Liang et al. 2023 (arXiv 2302.12247).

    Args:
      of_set: redundancy, unique and synergistic information of the modalities about the label (..., 4).
      of_model: the same about the model's predictions (..., 4), in any unit.

    Returns:
      (...,), in that unit.
    """
    return np.sum(shares(of_set) * np.asarray(of_model, float), axis=-1)


def distances(of_set: ArrayLike, of_others: ArrayLike) -> Floats:
    """Return the L1 distances of a data set's shares (4,) from those of others (n, 4): (n,), in [0, 2]."""
    return np.abs(shares(of_others) - shares(of_set)).sum(axis=-1)


class Scores(NamedTuple):
    """Results of all methods, (num_sets, num_methods) or (num_methods,) of one data set."""

    accuracy: Floats
    """On validation data."""
    loss: Floats
    """On validation data; it decides between methods of one accuracy."""
    test: Floats
    """Accuracy on test data, which chooses nothing."""

    def of(self, place: int) -> "Scores":
        """Return those of one data set."""
        return Scores(*(x[place] for x in self))

    def ranking(self) -> list[int]:
        """Return the methods, those best on validation data first; of one data set."""
        return np.lexsort((self.loss, -self.accuracy)).tolist()


class Rule(NamedTuple):
    """How a method is chosen."""

    num_methods: int | None
    """How many are tried on the data set; None: all."""
    source: str
    """On what the ones to try are the best; an expectation where it is random."""
    judge: Literal["validation", "test"] = "validation"
    """The accuracy by which one of those tried is taken."""


NEAREST = "nearest known data set"
METHODS = "random methods"
KNOWN = "random known data set"
AVERAGE = "average of known data sets"
PUBLISHED = Rule(NUM_SUGGESTED, NEAREST, "test")
RULES = (
    *(Rule(NUM_SUGGESTED, source) for source in (NEAREST, METHODS, KNOWN, AVERAGE)),
    PUBLISHED,
    PUBLISHED._replace(source=METHODS),
    *(Rule(1, source) for source in (NEAREST, METHODS, KNOWN, AVERAGE)),
    Rule(None, METHODS),
)
"""The published rule, with the method taken by validation accuracy, and all others: what the decomposition is worth
shows where it is compared with rules that try as many methods and do not look at it."""


def ratio(scores: Scores, tried: Sequence[int], judge: Literal["validation", "test"] = "validation") -> float:
    """Return the test accuracy of the method taken of those tried on a data set, over that of the best of all."""
    if judge == "test":
        return float(scores.test[list(tried)].max() / scores.test.max())
    taken = next(method for method in scores.ranking() if method in tried)
    return float(scores.test[taken] / scores.test.max())


def ratios(pids: Floats, scores: Scores, new: int, known: Sequence[int]) -> list[float]:
    """Return the ratio of each of `RULES` for a data set.

    Args:
      pids: of all data sets (num_sets, 4).
      scores: of all data sets and methods.
      new: the place of the data set for which a method is chosen.
      known: places of the data sets on which all methods are known.

    Returns:
      the ratios, in (0, 1]; expectations over what is random.
    """
    num_methods = scores.test.shape[1]
    rankings = [scores.of(place).ranking() for place in known]
    best = {
        NEAREST: [rankings[int(np.argmin(distances(pids[new], pids[list(known)])))]],
        KNOWN: rankings,
        AVERAGE: [Scores(*(x[list(known)].mean(axis=0) for x in scores)).ranking()],
    }

    def expected(rule: Rule) -> float:
        size = rule.num_methods or num_methods
        tried: Iterable[Sequence[int]] = (
            itertools.combinations(range(num_methods), size)
            if rule.source == METHODS
            else (ranking[:size] for ranking in best[rule.source])
        )
        return float(np.mean([ratio(scores.of(new), of, rule.judge) for of in tried]))

    return [expected(rule) for rule in RULES]


def mean(x: Floats) -> Floats:
    """Return means over data sets, (..., num_sets) to (...,)."""
    return np.mean(x, axis=-1)


def correlation(x: Floats, y: Floats) -> Floats:
    """Return Pearson's correlations of all pairs of a data set and a method that are finite.

    Args:
      x: (..., num_sets, num_methods).
      y: likewise.

    Returns:
      (...,), in [-1, 1]; NaN where there are fewer than three pairs, or one of the two does not vary.
    """
    there = np.isfinite(x) & np.isfinite(y)
    count = there.sum(axis=(-2, -1), keepdims=True)

    def centred(z: Floats) -> Floats:
        filled = np.where(there, z, 0)
        return np.where(there, filled - filled.sum(axis=(-2, -1), keepdims=True) / np.maximum(count, 1), 0)

    first, second = centred(x), centred(y)
    spread = np.sqrt(np.sum(first**2, axis=(-2, -1)) * np.sum(second**2, axis=(-2, -1)))
    defined = (count[..., 0, 0] >= 3) & (spread > 1e-12)
    return np.where(defined, np.sum(first * second, axis=(-2, -1)) / np.where(defined, spread, 1), np.nan)


def bootstrap(statistic: Callable[..., Floats], *arrays: Floats, seed: int) -> tuple[float, float]:
    """Return the percentile interval of a statistic over data sets, drawn with replacement as wholes.

    Args:
      statistic: from arrays (num_replicates, num_sets, ...), like `arrays` but for the first axis, to
        (num_replicates,).
      *arrays: (num_sets, ...), all that belongs to a data set in one row.
      seed: of the draws.

    Returns:
      its ends at `LEVEL`, of the replicates in which the statistic is finite; NaN where there is none, or one data set.
    """
    num_sets = len(arrays[0])
    if num_sets < 2:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).integers(num_sets, size=(NUM_REPLICATES, num_sets))
    values = statistic(*(x[drawn] for x in arrays))
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
