"""Experiments, HighMMT: differences of accuracies, paired by seed."""

from collections.abc import Sequence

import numpy as np

from experiments.harness import Rows
from mmjax.training import paired_interval


def accuracies_of(rows: Rows) -> list[float]:
    """Return the accuracies in the order of seeds."""
    return [row["accuracy"] for row in sorted(rows, key=lambda row: row["seed"])]


def difference(first: Sequence[float], second: Sequence[float]) -> str:
    """Write the mean difference in percentage points, with its 95 % interval where there are several seeds."""
    of = paired_interval(first, second)
    mean, low, high = (100 * number for number in (of.mean, of.low, of.high))
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]" if np.isfinite(low) else f"{mean:+.1f}"
