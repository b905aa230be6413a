"""Room training: intervals of means over seeds, on the host."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


class Interval(NamedTuple):
    """A mean and where it lies at a level of confidence, in the unit of the values."""

    mean: float
    low: float
    high: float
    num_values: int


def mean_interval(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """Estimate a mean by Student's t: exact for normal values, such as means over many test samples nearly are.

    Args:
      values: (n,), one a seed. They vary by all that depends on the seed; samples that all seeds share, such as one
        test set, add an error of their own that no number of seeds shows.
      level: of confidence, in (0, 1).

    Returns:
      the interval; NaN ends for one value, NaN everywhere if a value is NaN.

    Raises:
      ValueError: if there is no value, or `level` is none.
    """
    x = np.asarray(values, float)
    if x.ndim != 1 or len(x) < 1 or not 0 < level < 1:
        raise ValueError(f"expected values (n,) and a level in (0, 1); got shape {x.shape} and {level}")
    mean = float(np.mean(x))
    if len(x) == 1:
        return Interval(mean, np.nan, np.nan, 1)
    half = float(stats.t.ppf((1 + level) / 2, len(x) - 1) * np.std(x, ddof=1) / np.sqrt(len(x)))
    return Interval(mean, mean - half, mean + half, len(x))


def paired_interval(values: ArrayLike, baseline: ArrayLike, *, level: float = 0.95) -> Interval:
    """Estimate the mean difference of values from a baseline's at the same seeds.

    What both owe to the seed (initial parameters, order of the samples, the data where they are drawn) cancels, so the
    interval is narrower than that of two means apart.

    Args:
      values: (n,), one a seed.
      baseline: (n,), at the same seeds.
      level: of confidence, in (0, 1).

    Returns:
      the interval of values minus baseline, as `mean_interval`.

    Raises:
      ValueError: if the lengths differ, and as `mean_interval`.
    """
    x, y = np.asarray(values, float), np.asarray(baseline, float)
    if x.shape != y.shape:
        raise ValueError(f"paired values need one shape; got {x.shape} and {y.shape}")
    return mean_interval(x - y, level=level)
