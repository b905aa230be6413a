"""Room synergy: what some labelled pairs say about every entry of a joint table."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def joint_intervals(counts: ArrayLike, *, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return intervals that hold all entries of the joint at once, with probability `level` at least.

    Each entry's interval is that of Clopper and Pearson (1934, Biometrika 26) for a binomial proportion at level
    1 - (1 - level) / cells, so that by Bonferroni all hold together, whatever the joint. Together with pairwise
    marginals they narrow `accuracy_range`: this is what labelling pairs buys.

    Args:
      counts: (n1, n2, ny), labelled pairs in each cell, not negative integers; independent samples of the joint.
      level: in (0, 1).

    Returns:
      low and high, (n1, n2, ny) each, on the host in float64; 0 and 1 without a labelled pair.

    Raises:
      ValueError: if counts are no such integers, or the level is none.
    """
    from scipy.stats import beta

    successes = np.asarray(counts, np.float64)
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1; got {level}")
    whole = np.isfinite(successes) & (successes >= 0) & (successes == np.round(successes))
    if successes.ndim != 3 or not successes.size or not np.all(whole):
        raise ValueError(
            f"counts must be integers of at least 0 with axes (x1, x2, y); got an array of shape {successes.shape}"
        )
    failures, tail = successes.sum() - successes, (1 - level) / successes.size / 2
    with np.errstate(invalid="ignore"):
        low, high = beta.ppf(tail, successes, failures + 1), beta.ppf(1 - tail, successes + 1, failures)
    return np.where(successes > 0, low, 0.0), np.where(failures > 0, high, 1.0)
