"""Experiments, synergy_bounds: random tables, on which every published bound meets the synergy that it bounds.

The tables of the figures of Liang et al. 2023 (arXiv 2306.04539): uniform on the simplex, Dirichlet(1).
"""

import functools
import math
from collections.abc import Mapping

import jax
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.harness import Item, Row, Rows, Table
from experiments.synergy_bounds.measurement import CHUNK, TOLERANCE, compared, item_key

LARGE_CHUNK = 32
NUM_DRAWN = 500
"""Tables of a chunk that are kept for the figure."""
_NAMES = {
    "published_lower_R": "published, redundancy",
    "published_lower_U1": "published, uniqueness 1",
    "published_lower_U2": "published, uniqueness 2",
    "published_lower_diff": "published, disagreement",
    "published_upper": "published, upper",
    "lower": "mmjax, lower",
    "upper": "mmjax, upper",
}


def random_items(seed: int, num_tables: int, sizes: tuple[int, ...], num_large_tables: int) -> Mapping[str, Item]:
    """Return items, each a chunk of tables: 2x2x2 ones, and of the larger sizes."""
    counts = {2: num_tables} | {size: num_large_tables for size in sizes}
    return {
        name: functools.partial(_chunk, seed, name, size, count)
        for size, total in counts.items()
        for name, count in _chunks(size, total)
    }


def random_tables(rows: Rows) -> list[Table]:
    """Return how wide the intervals are, and how often each formula is no bound."""
    by_shape = {shape: [row for row in rows if row["shape"] == shape] for shape in dict.fromkeys(_shapes(rows))}
    widths = pd.DataFrame([_width_row(shape, chunks) for shape, chunks in by_shape.items()])
    formulas = pd.DataFrame(
        [_formula_row(shape, name, chunks) for shape, chunks in by_shape.items() for name in _NAMES]
    )
    return [
        Table(
            "Random tables: how much the marginals leave open",
            widths,
            "Bits, means over tables drawn uniformly from the simplex. Published: the larger of 0 and lower_R, the one "
            "published lower bound that holds, and the published upper bound.",
        ),
        Table(
            "Random tables: which formula is a bound",
            formulas,
            f"Bits. Violated: beyond the synergy by more than {TOLERANCE:.0e}. The published formulas are those of the "
            "public code (arXiv 2306.04539), in which U1 and U2 are exchanged.",
        ),
    ]


def _shapes(rows: Rows) -> list[str]:
    return [row["shape"] for row in rows]


def _chunks(size: int, total: int) -> list[tuple[str, int]]:
    chunk = CHUNK if size == 2 else LARGE_CHUNK
    return [
        (f"random-{size}x{size}x{size}-{first // chunk:03d}", min(chunk, total - first))
        for first in range(0, total, chunk)
    ]


def _chunk(seed: int, name: str, size: int, count: int) -> Row:
    """Draw tables and compare their bounds."""
    weights = np.asarray(jax.random.exponential(item_key(seed, name), (count, size, size, size)), np.float64)
    values = compared(weights / weights.sum((1, 2, 3), keepdims=True), CHUNK if size == 2 else LARGE_CHUNK)
    return {"kind": "random", "shape": f"{size}x{size}x{size}", "count": count, **_summary(values)}


def _summary(arrays: dict[str, NDArray[np.float64]]) -> Row:
    """Return sums, which chunks can add up, and the tables to draw."""
    s = arrays["synergy"]
    excess = {name: (arrays[name] - s) * (-1 if name.endswith("upper") else 1) for name in _NAMES}
    return {
        "sum_synergy": s.sum(),
        **{f"sum_{name}": np.maximum(arrays[name], 0).sum() for name in _NAMES},
        **{f"violated_{name}": int(np.sum(~(x <= TOLERANCE))) for name, x in excess.items()},
        **{f"excess_{name}": float(np.max(x)) for name, x in excess.items()},
        **{f"drawn_{name}": np.round(arrays[name][:NUM_DRAWN], 6) for name in ("synergy", *_NAMES)},
    }


def _mean(chunks: Rows, name: str) -> float:
    return math.fsum(row[f"sum_{name}"] for row in chunks) / sum(row["count"] for row in chunks)


def _width_row(shape: str, chunks: Rows) -> Row:
    lower, upper = _mean(chunks, "lower"), _mean(chunks, "upper")
    published_lower, published_upper = _mean(chunks, "published_lower_R"), _mean(chunks, "published_upper")
    return {
        "shape": shape,
        "tables": sum(row["count"] for row in chunks),
        "synergy": _mean(chunks, "synergy"),
        "published lower": published_lower,
        "published upper": published_upper,
        "published width": published_upper - published_lower,
        "mmjax lower": lower,
        "mmjax upper": upper,
        "mmjax width": upper - lower,
    }


def _formula_row(shape: str, name: str, chunks: Rows) -> Row:
    violated = sum(row[f"violated_{name}"] for row in chunks)
    count = sum(row["count"] for row in chunks)
    return {
        "shape": shape,
        "formula": _NAMES[name],
        "mean of max(0, bound)": _mean(chunks, name),
        "violated": violated,
        "violated, %": 100 * violated / count,
        "largest violation": max(0.0, *(row[f"excess_{name}"] for row in chunks)),
    }
