"""Experiments, synergy_bounds: logic gates, whose decomposition is known in closed form.

Values: Bertschinger, Rauh, Olbrich, Jost, Ay 2014 (arXiv 1311.2852), Griffith & Koch 2014 (arXiv 1205.4265), Liang et
al. 2023 (arXiv 2302.12247), James, Emenheiser, Crutchfield 2019 (arXiv 1704.05045); the noisy gates are ours.
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.harness import Row, Rows, Table
from experiments.synergy_bounds.measurement import CHUNK, column, compared, measured, padded
from mmjax import information, synergy

PADDED_SHAPE = (10, 10, 10)
"""Of gates that are not binary: that of the digits' tables, so that both share a compiled program."""
NOISE = 0.1
_PARTS = ("redundancy", "unique1", "unique2", "synergy")


class Gate(NamedTuple):
    """A joint table and its decomposition by definition, in bits."""

    table: NDArray[np.float64]
    redundancy: float
    unique1: float
    unique2: float
    synergy: float


def gates() -> dict[str, Gate]:
    """Return the gates by name."""
    quarter = _binary_entropy(1 / 4)
    noisy = _binary_entropy(NOISE)
    # Of the noisy AND, P(y=1) = 0.3; x1 = 0 leaves the noise, x1 = 1 a fair coin; neither has unique information.
    both = _binary_entropy(0.3) - noisy
    either = _binary_entropy(0.3) - (noisy + 1) / 2
    return {
        "and": Gate(_function((2, 2, 2), lambda a, b: a & b), quarter - 1 / 2, 0, 0, 1 / 2),
        "or": Gate(_function((2, 2, 2), lambda a, b: a | b), quarter - 1 / 2, 0, 0, 1 / 2),
        "xor": Gate(_function((2, 2, 2), lambda a, b: a ^ b), 0, 0, 0, 1),
        "unique": Gate(_function((2, 2, 2), lambda a, b: a), 0, 1, 0, 0),
        "redundant": Gate(_outcomes((2, 2, 2), [(0, 0, 0), (1, 1, 1)]), 1, 0, 0, 0),
        "copy": Gate(_function((2, 2, 4), lambda a, b: 2 * a + b), 0, 1, 1, 0),
        "sum": Gate(_function((2, 2, 3), lambda a, b: a + b), 1 / 2, 0, 0, 1),
        "sum mod 3": Gate(_function((3, 3, 3), lambda a, b: (a + b) % 3), 0, 0, 0, math.log2(3)),
        "rdnerr": Gate(_redundant_with_error(), 1 - quarter, quarter, 0, 0),
        "pwunq": Gate(_outcomes((3, 3, 2), [(0, 1, 0), (1, 0, 0), (0, 2, 1), (2, 0, 1)]), 1 / 2, 0, 0, 1 / 2),
        "rdnxor": Gate(_redundant_and_xor(), 1, 0, 0, 1),
        f"xor, {NOISE:.0%} flipped": Gate(_flipped(_function((2, 2, 2), lambda a, b: a ^ b)), 0, 0, 0, 1 - noisy),
        f"and, {NOISE:.0%} flipped": Gate(
            _flipped(_function((2, 2, 2), lambda a, b: a & b)), either, 0, 0, both - either
        ),
    }


def gate_rows() -> Rows:
    """Measure all gates, and the exact range of the accuracy of each."""
    known = gates()
    binary = [name for name, gate in known.items() if gate.table.shape == (2, 2, 2)]
    batch = compared(np.stack([known[name].table for name in binary]), CHUNK)
    results = {name: {field: float(values[i]) for field, values in batch.items()} for i, name in enumerate(binary)}
    return [
        _row(name, gate, results.get(name) or measured(padded(gate.table, PADDED_SHAPE)))
        for name, gate in known.items()
    ]


def gate_table(rows: Rows) -> Table:
    """Return the gates, measured and by definition."""
    frame = pd.DataFrame(
        {
            "gate": column(rows, "gate"),
            **{heading: column(rows, field) for name in _PARTS for heading, field in _beside(name)},
            "lower bound": column(rows, "lower"),
            "upper bound": column(rows, "upper"),
            "least accuracy": column(rows, "accuracy_least"),
            "largest accuracy": column(rows, "accuracy_largest"),
        }
    )
    return Table(
        "Logic gates",
        frame,
        "Bits; under `exact` values by definition (closed forms of the sources that the code names). The four parts "
        "need the joint table; bounds and accuracies follow from its pairwise marginals alone, "
        "and the accuracies are the exact range of the best classifier's. The parts are at most "
        f"{max(row['deviation'] for row in rows):.1e} bit off their closed forms.",
    )


def _beside(part: str) -> list[tuple[str, str]]:
    return [(part, part), (f"{part}, exact", f"exact_{part}")]


def _row(name: str, gate: Gate, result: Row) -> Row:
    exact = synergy.accuracy_range(*(np.asarray(p) for p in information.pairwise_marginals(jnp.asarray(gate.table))))
    deviation = max(abs(result[part] - getattr(gate, part)) for part in _PARTS)
    return {
        "kind": "gate",
        "gate": name,
        **result,
        "accuracy_least": exact.lower,
        "accuracy_largest": exact.upper,
        "deviation": deviation,
        **{f"exact_{part}": float(getattr(gate, part)) for part in _PARTS},
    }


def _function(shape: tuple[int, int, int], label: Callable[[int, int], int]) -> NDArray[np.float64]:
    """Return the table of y = label(x1, x2) for independent uniform x1 and x2."""
    cells = itertools.product(range(shape[0]), range(shape[1]))
    return _outcomes(shape, [(a, b, label(a, b)) for a, b in cells])


def _outcomes(shape: tuple[int, int, int], outcomes: list[tuple[int, int, int]]) -> NDArray[np.float64]:
    """Return the table of equally likely outcomes."""
    table = np.zeros(shape)
    for outcome in outcomes:
        table[outcome] += 1 / len(outcomes)
    return table


def _redundant_with_error() -> NDArray[np.float64]:
    """Return y = x1, of which x2 is wrong in one case of four."""
    return _outcomes((2, 2, 2), [(0, 0, 0)] * 3 + [(0, 1, 0)] + [(1, 1, 1)] * 3 + [(1, 0, 1)])


def _redundant_and_xor() -> NDArray[np.float64]:
    """Return x1 = (c, a), x2 = (c, b), y = (c, a xor b)."""
    bits = itertools.product(range(2), repeat=3)
    return _outcomes((4, 4, 4), [(2 * c + a, 2 * c + b, 2 * c + (a ^ b)) for a, b, c in bits])


def _flipped(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a binary gate whose label is flipped with probability `NOISE`."""
    return (1 - NOISE) * table + NOISE * table[:, :, ::-1]


def _binary_entropy(p: float) -> float:
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)
