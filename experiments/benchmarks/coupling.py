"""Experiments, benchmarks: greedy minimum-entropy couplings against a plain NumPy program.

The peer couples one problem at a time: one argmax a step and marginal, the cells in a list (ours, after Kocaoglu,
Dimakis, Vishwanath, Hassibi 2017, arXiv 1701.08254). Both in float64, on pairs of marginals with as many atoms
as the size says, drawn from Dirichlet(1). The note of a row says how far the sorted masses lie apart.
"""

from collections.abc import Iterator

import jax
import numpy as np
from numpy.typing import NDArray

from experiments.benchmarks.timing import Comparison, compare
from mmjax import coupling

NUMBERS_OF_ATOMS = (16, 64, 256)
BATCHES = (1, 1024)
SAMPLES = 8
"""Problems that the peer solves in a repetition."""
TOLERANCE = 1e-9
"""How far a mass of the peer may lie from ours."""

Values = NDArray[np.float64]


def measure(repetitions: int) -> Iterator[Comparison]:
    """Yield the comparisons, size by size."""
    for num_atoms in NUMBERS_OF_ATOMS:
        for batch in BATCHES:
            yield _compare(num_atoms, batch, repetitions)


def plain_greedy(marginals: Values) -> tuple[NDArray[np.int64], Values]:
    """Couple marginals (k, n) greedily in NumPy; return the cells (cells, k) and their masses."""
    left = list(marginals.copy())
    cells, masses = [], []
    for _ in range(marginals.size - len(left) + 1):
        cell = [p.argmax() for p in left]
        mass = min(p[i] for p, i in zip(left, cell, strict=True))
        if mass <= 0:
            break
        for p, i in zip(left, cell, strict=True):
            p[i] -= mass
        cells.append(cell)
        masses.append(mass)
    return np.array(cells), np.array(masses)


@jax.enable_x64(True)
def _compare(num_atoms: int, batch: int, repetitions: int) -> Comparison:
    marginals = np.random.default_rng(num_atoms).dirichlet(np.ones(num_atoms), (batch, 2))
    chosen = marginals[:SAMPLES]
    one_alone = batch == 1
    problems = jax.device_put(marginals[0] if one_alone else marginals)
    couple = jax.jit(coupling.greedy if one_alone else jax.vmap(coupling.greedy))
    masses = np.asarray(couple(problems).masses).reshape(batch, -1)
    difference = max(_difference(ours, plain_greedy(p)[1]) for ours, p in zip(masses, chosen, strict=False))
    note = f"masses differ by up to {difference:.1e}"
    if not difference <= TOLERANCE:
        note = f"THE MASSES DISAGREE: {note}"
    return compare(
        "greedy coupling",
        f"2x{num_atoms}",
        batch,
        "NumPy, one argmax a step",
        lambda: couple(problems),
        lambda: [plain_greedy(p) for p in chosen],
        repetitions=repetitions,
        theirs_batch=len(chosen),
        note=note,
    )


def _difference(masses: Values, expected: Values) -> float:
    padded = np.zeros_like(masses)
    padded[: len(expected)] = np.sort(expected)[::-1]
    return float(np.max(np.abs(masses - padded)))
