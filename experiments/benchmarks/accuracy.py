"""Experiments, benchmarks: the exact range of the Bayes accuracy against the same two programmes stated in cvxpy.

The peer is a formulation of ours, built for each table as a user of cvxpy would write it and solved by HiGHS through
SciPy, which ours calls too: the ratio is what stating the programmes costs, and what leaving out labels that cannot
win saves. Double precision.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.benchmarks.timing import Comparison, compare, skip_missing
from mmjax import synergy

Table = NDArray[np.float64]
Marginals = tuple[Table, Table, Table]

SIZES = ((2, 2, 2), (3, 3, 2), (4, 4, 2))
NUM_TABLES = 4


def measure(repetitions: int) -> Iterator[Comparison]:
    """Yield the comparisons, size by size."""
    yield from skip_missing("accuracy range", [_with_cvxpy(repetitions)])


def _with_cvxpy(repetitions: int) -> Iterator[Comparison]:
    import cvxpy

    for shape in SIZES:
        yield _compare(cvxpy, shape, repetitions)


def _compare(cvxpy: Any, shape: tuple[int, int, int], repetitions: int) -> Comparison:
    tables = np.random.default_rng(0).dirichlet(np.ones(np.prod(shape)), size=NUM_TABLES).reshape(-1, *shape)
    problems = [(p.sum(2), p.sum(1), p.sum(0)) for p in tables]
    ours = [synergy.accuracy_range(*problem) for problem in problems]
    theirs = _ranges(cvxpy, problems)
    error = max(np.abs(np.subtract((a.lower, a.upper), b)).max() for a, b in zip(ours, theirs, strict=True))
    return compare(
        "accuracy range",
        "x".join(map(str, shape)),
        NUM_TABLES,
        "cvxpy, HiGHS, built per table",
        lambda: [synergy.accuracy_range(*problem) for problem in problems],
        lambda: _ranges(cvxpy, problems),
        repetitions=repetitions,
        note=f"ends differ by up to {error:.1e}",
    )


def _ranges(cvxpy: Any, problems: Sequence[Marginals]) -> list[tuple[float, float]]:
    return [(_least(cvxpy, *problem), _largest(cvxpy, *problem)) for problem in problems]


def _joint(cvxpy: Any, p12: Table, p1y: Table, p2y: Table) -> tuple[list[Any], list[Any]]:
    """Return the joint's slabs, one a label, and what its marginals demand."""
    slabs = [cvxpy.Variable(p12.shape, nonneg=True) for _ in range(p1y.shape[1])]
    demands = [sum(slabs) == p12]
    for y, slab in enumerate(slabs):
        demands += [cvxpy.sum(slab, axis=1) == p1y[:, y], cvxpy.sum(slab, axis=0) == p2y[:, y]]
    return slabs, demands


def _least(cvxpy: Any, p12: Table, p1y: Table, p2y: Table) -> float:
    slabs, demands = _joint(cvxpy, p12, p1y, p2y)
    top = cvxpy.Variable(p12.shape)
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum(top)), [*demands, *(slab <= top for slab in slabs)])
    return float(problem.solve(solver=cvxpy.SCIPY))


def _largest(cvxpy: Any, p12: Table, p1y: Table, p2y: Table) -> float:
    """Choose a label for each pair; its mass counts."""
    slabs, demands = _joint(cvxpy, p12, p1y, p2y)
    chosen = [cvxpy.Variable(p12.shape, boolean=True) for _ in slabs]
    mass = [cvxpy.Variable(p12.shape) for _ in slabs]
    for slab, choice, counted in zip(slabs, chosen, mass, strict=True):
        demands += [counted <= slab, counted <= cvxpy.multiply(p12, choice)]
    total = sum(cvxpy.sum(counted) for counted in mass)
    return float(cvxpy.Problem(cvxpy.Maximize(total), [*demands, sum(chosen) == 1]).solve(solver=cvxpy.SCIPY))
