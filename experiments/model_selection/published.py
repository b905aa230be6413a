"""Experiments, model selection: what has been published, from stored output of notebooks; nothing of it is run here."""

import math
from collections.abc import Sequence

import pandas as pd

from experiments.harness import Table
from experiments.synergy_bounds.generative import STORED

SOURCE = "arXiv 2302.12247"
PIDS = {name: tuple(part / math.log(2) for part in parts) for name, parts in STORED.items()}
"""Data set to (R, U1, U2, S) in bits; the authors' own draw."""
LEAST_ACCURACY = 0.55
CORRELATIONS = {
    "agreement": 0.776,
    f"agreement, accuracy at least {LEAST_ACCURACY}": 0.805,
    "synergistic part of agreement": 0.732,
    "redundant part of agreement": 0.006,
    "redundant and synergistic part of agreement": 0.452,
}
RATIO = 0.9991
"""Of the three methods best on the nearest data set, mean of five new data sets."""
RATIOS = (1.0, 0.9977, 0.9980, 1.0, 1.0)
"""Of each."""
_METHODS = ("additive", "agree", "align", "early fusion", "elem", "recon", "mi", "mult", "outer", "lower")
_ROWS = {
    "R": (0.44, 0.56, 0.52, 0.51, 0.36, 0.55, 0.26, 0.46, 0.51, 0.52),
    "accuracy on R": (0.74, 0.74, 0.74, 0.74, 0.71, 0.74, 0.69, 0.72, 0.74, 0.75),
    "U": (0.27, 0.54, 0.57, 0.5, 0.33, 0.54, 0.23, 0.51, 0.54, 0.53),
    "accuracy on U": (0.56, 0.74, 0.74, 0.74, 0.7, 0.74, 0.7, 0.73, 0.74, 0.74),
    "S": (0.21, 0.34, 0.36, 0.3, 0.21, 0.34, 0.17, 0.29, 0.33, 0.32),
    "accuracy on S": (0.54, 0.74, 0.74, 0.73, 0.67, 0.74, 0.67, 0.71, 0.72, 0.72),
}


def methods_table() -> Table:
    """Return the published table of methods, which has other methods than ours."""
    columns = {
        name: list(values) if name.startswith("accuracy") else [value / math.log(2) for value in values]
        for name, values in _ROWS.items()
    }
    return Table(
        "Methods as published",
        pd.DataFrame({"method": list(_METHODS), **columns}),
        f"{SOURCE} (clustering.ipynb), of its own networks; not run here. R, U and S: information of the predictions "
        "of models trained on data sets of that kind, taken as nats and converted to bits.",
    )


def column(values: Sequence[float | None]) -> pd.Series:
    """Return published values as a column, whose gaps stay empty."""
    return pd.Series(values, dtype=object)
