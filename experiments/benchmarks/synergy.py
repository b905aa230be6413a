"""Experiments, benchmarks: bounds on synergy against the six convex programmes a table that the published code solves.

The peer solves what that code (Liang et al. 2023, arXiv 2306.04539) solves for one table, in a formulation of ours for
cvxpy: the decomposition of the table twice, two relaxed minima, and the decomposition of both their solutions. Ours
are `synergy.bounds`, narrower and rigorous, in float64. The note of a row says how wide both intervals are.
"""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from experiments.benchmarks.pid import state_broja
from experiments.benchmarks.timing import Comparison, compare, skip_missing
from mmjax import information, synergy

SIZES = {(2, 2, 2): 100_000, (3, 3, 3): 1024, (4, 4, 4): 256}
"""Sizes of the tables and how many of them one call of ours bounds."""
SAMPLES = 8
"""Tables that the peer bounds in a repetition."""
TOLERANCE = 1e-6
"""In bits: how far the peer's rigorous lower bound may exceed ours, which is the exact one."""


def measure(repetitions: int) -> Iterator[Comparison]:
    """Yield the comparisons, size by size."""
    yield from skip_missing("synergy bounds", [_with_cvxpy(repetitions)])


def _with_cvxpy(repetitions: int) -> Iterator[Comparison]:
    import cvxpy

    for shape, batch in SIZES.items():
        yield _compare(cvxpy, shape, batch, repetitions)


@jax.enable_x64(True)
def _compare(cvxpy: Any, shape: tuple[int, int, int], batch: int, repetitions: int) -> Comparison:
    tables = np.random.default_rng(0).dirichlet(np.ones(np.prod(shape)), size=batch).reshape(batch, *shape)
    marginals = jax.device_put(jax.jit(jax.vmap(information.pairwise_marginals))(tables))
    bound = jax.jit(jax.vmap(synergy.bounds)).lower(*marginals).compile()
    found = jax.device_get(bound(*marginals))
    published = jax.device_get(jax.vmap(synergy.published_bounds)(tables[:1024]))
    width = float(np.mean(found.upper - found.lower))
    note = f"mean width {width:.4f} bit; published {float(np.mean(published.upper - published.lower_R)):.4f}"
    excess = max(_six_solves(cvxpy, p) - lower for p, lower in zip(tables[:SAMPLES], found.lower, strict=False))
    if not excess <= TOLERANCE:
        note = f"THE PUBLISHED LOWER BOUND EXCEEDS OURS BY {excess:.1e} BIT: {note}"
    return compare(
        "synergy bounds",
        "x".join(map(str, shape)),
        batch,
        "cvxpy CLARABEL, six programmes a table",
        lambda: bound(*marginals),
        lambda: [_six_solves(cvxpy, p) for p in tables[:SAMPLES]],
        repetitions=repetitions,
        theirs_batch=SAMPLES,
        note=note,
    )


def _six_solves(cvxpy: Any, p: np.ndarray) -> float:
    """Solve what the published code solves for one table; return its rigorous lower bound on synergy in bits."""
    joint, joint1, joint2 = _solve(cvxpy, p), _relaxed(cvxpy, p), _relaxed(cvxpy, np.swapaxes(p, 0, 1))
    for table in (p, joint1, joint2):
        _solve(cvxpy, table)
    unique1 = _conditional_information(joint)
    return _conditional_information(joint1) - unique1


def _solve(cvxpy: Any, p: np.ndarray) -> np.ndarray:
    """Return the joint of least I(X1,X2;Y) with the pairwise marginals (x1,y) and (x2,y) of p."""
    problem, slabs = state_broja(cvxpy, p.shape, p.sum(1), p.sum(0))
    problem.solve(solver=cvxpy.CLARABEL)
    return np.stack([np.maximum(slab.value, 0) for slab in slabs], axis=2)


def _relaxed(cvxpy: Any, p: np.ndarray) -> np.ndarray:
    """Return the joint of least I(X1;Y|X2) with the pairwise marginals (x1,x2) and (x1,y) of p: X1 is the target."""
    return np.transpose(_solve(cvxpy, np.transpose(p, (1, 2, 0))), (2, 0, 1))


def _conditional_information(p: np.ndarray) -> float:
    """Return I(X1;Y|X2) in bits."""
    return _entropy(p.sum(2)) + _entropy(p.sum(0)) - _entropy(p.sum((0, 2))) - _entropy(p)


def _entropy(p: np.ndarray) -> float:
    positive = p[p > 0]
    return float(-np.sum(positive * np.log2(positive)))
