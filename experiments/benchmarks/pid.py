"""Experiments, benchmarks: certified BROJA decompositions against conic solvers and dit.

Peers solve the same tables one by one: the exponential-cone programme of BROJA-2PID (Makkeh, Theis, Vicente 2018,
Entropy 20, 271) in a formulation of ours for ECOS, the convex programme of Bertschinger et al. 2014 in cvxpy with
CLARABEL, and dit's cone solver. They stop at their solvers' defaults (ECOS 1e-8); ours at a certified gap of 1e-6
bit, in float64. The note of a row says how far the values lie apart.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import scipy.sparse as sp

from experiments.benchmarks.timing import Comparison, compare, skip_missing
from mmjax import pid

SIZES = {(2, 2, 2): 1024, (4, 4, 4): 1024, (8, 8, 4): 256}
"""Sizes of the tables and how many of them one call of ours decomposes."""
TOLERANCE = 1e-6
"""Certified gap in bits; also how far a peer's value may lie from ours."""

Union = Callable[[np.ndarray], float]
"""A peer: the union information of a table in bits."""


def measure(repetitions: int) -> Iterator[Comparison]:
    """Yield the comparisons, peer by peer."""
    yield from skip_missing("broja", [_with_ecos(repetitions), _with_cvxpy(repetitions), _with_dit(repetitions)])


def _with_ecos(repetitions: int) -> Iterator[Comparison]:
    import ecos

    for shape in SIZES:
        programme = ConeProgramme(shape, ecos.solve)
        yield _compare(shape, "ECOS, exponential cones, built once", programme, 32, repetitions)


def _with_cvxpy(repetitions: int) -> Iterator[Comparison]:
    import cvxpy

    for shape in SIZES:
        samples = 8 if shape != (8, 8, 4) else 2
        per_table = functools.partial(_solve_afresh, cvxpy)
        yield _compare(shape, "cvxpy CLARABEL, built per table", per_table, samples, repetitions)
        built_once = _parametric(cvxpy, shape)
        yield _compare(shape, "cvxpy CLARABEL, built once (DPP)", built_once, samples, repetitions)


def _with_dit(repetitions: int) -> Iterator[Comparison]:
    import dit

    for shape in ((2, 2, 2), (4, 4, 4)):
        cone = functools.partial(_dit_union, dit)
        yield _compare(shape, "dit PID_BROJA(method='cone')", cone, 2, repetitions)


def _compare(shape: tuple[int, int, int], peer: str, union: Union, samples: int, repetitions: int) -> Comparison:
    tables, decompose = _problems(shape)
    result = jax.device_get(decompose())
    chosen = tables[:samples]
    ours = (result.union_lower + result.union_upper)[:samples] / 2
    difference = float(np.max(np.abs(ours - [union(p) for p in chosen])))
    note = f"values differ by up to {difference:.1e} bit; our largest gap {float(result.gap.max()):.1e} bit"
    if not difference <= TOLERANCE:
        note = f"THE VALUES DISAGREE: {note}"
    return compare(
        "broja",
        "x".join(map(str, shape)),
        len(tables),
        peer,
        decompose,
        lambda: [union(p) for p in chosen],
        repetitions=repetitions,
        theirs_batch=samples,
        note=note,
    )


@functools.cache
def _problems(shape: tuple[int, int, int]) -> tuple[np.ndarray, Callable[[], pid.PID]]:
    """Return the tables of a size and our program on them, compiled once for all peers."""
    batch = SIZES[shape]
    tables = np.random.default_rng(0).dirichlet(np.ones(np.prod(shape)), size=batch).reshape(batch, *shape)
    with jax.enable_x64(True):
        on_device = jax.device_put(tables)
        decompose = jax.jit(jax.vmap(functools.partial(pid.broja, tol=TOLERANCE))).lower(on_device).compile()
    return tables, functools.partial(decompose, on_device)


class ConeProgramme:
    """The exponential-cone programme of BROJA-2PID for dense tables of one shape.

    Cells of the support have variables r, q, t: minimise -sum r such that q e^(r/q) <= t, t(x1,x2,y) is the sum of
    q(x1,x2,.), and q has the two labelled marginals; -sum r is then -H(Y|X1,X2) in nats.
    """

    def __init__(self, shape: tuple[int, int, int], solve: Callable[..., dict[str, Any]]) -> None:
        """Build the matrices, which hold no numbers of a table."""
        self._solve = solve
        n1, n2, ny = shape
        num = n1 * n2 * ny
        cells = np.arange(num).reshape(shape)
        pick = functools.partial(sp.csr_matrix, dtype=float)
        spread = sp.kron(sp.eye(n1 * n2), np.ones((ny, ny)))
        first = pick(
            (np.ones(num), (np.broadcast_to(np.arange(n1 * ny).reshape(n1, 1, ny), shape).ravel(), cells.ravel()))
        )
        second = pick(
            (np.ones(num), (np.broadcast_to(np.arange(n2 * ny).reshape(1, n2, ny), shape).ravel(), cells.ravel()))
        )
        # p(y) is in both marginals: the second's equations of one x2 follow from the others.
        second = second[ny:]
        nothing = sp.csr_matrix((num, num))
        zeros1, zeros2 = (sp.csr_matrix((block.shape[0], num)) for block in (first, second))
        self._equations = sp.bmat(
            [[nothing, spread, -sp.eye(num)], [zeros1, first, zeros1], [zeros2, second, zeros2]], format="csc"
        )
        # ECOS's cone (a, b, c): b e^(a/b) <= c in the order (a, c, b).
        rows = np.arange(3 * num)
        columns = np.stack([np.arange(num), np.arange(num) + 2 * num, np.arange(num) + num], axis=1).ravel()
        self._cone = sp.csc_matrix((-np.ones(3 * num), (rows, columns)))
        self._objective = np.concatenate([-np.ones(num), np.zeros(2 * num)])
        self._num = num

    def __call__(self, p: np.ndarray) -> float:
        """Return the union information in bits."""
        rhs = np.concatenate([np.zeros(self._num), p.sum(1).ravel(), p.sum(0).ravel()[p.shape[2] :]])
        solution = self._solve(
            self._objective,
            self._cone,
            np.zeros(3 * self._num),
            {"l": 0, "q": [], "e": self._num},
            self._equations,
            rhs,
            verbose=False,
        )
        return _label_entropy(p) + solution["info"]["pcost"] / np.log(2)


def _solve_afresh(cvxpy: Any, p: np.ndarray) -> float:
    problem, _ = state_broja(cvxpy, p.shape, p.sum(1), p.sum(0))
    problem.solve(solver=cvxpy.CLARABEL)
    return _label_entropy(p) + problem.value / np.log(2)


def _parametric(cvxpy: Any, shape: tuple[int, int, int]) -> Union:
    n1, n2, ny = shape
    first, second = cvxpy.Parameter((n1, ny)), cvxpy.Parameter((n2, ny))
    problem, _ = state_broja(cvxpy, shape, first, second)

    def union(p: np.ndarray) -> float:
        first.value, second.value = p.sum(1), p.sum(0)
        problem.solve(solver=cvxpy.CLARABEL)
        return _label_entropy(p) + problem.value / np.log(2)

    return union


def state_broja(cvxpy: Any, shape: tuple[int, ...], first: Any, second: Any) -> tuple[Any, list[Any]]:
    """State min sum_y KL(q(x1,x2,y) || q(x1,x2)) with the two labelled marginals; return it and q(.,.,y) for all y."""
    q = [cvxpy.Variable(shape[:2], nonneg=True) for _ in range(shape[2])]
    pairs = sum(q[1:], start=q[0])
    constraints = [cvxpy.sum(slab, axis=1) == first[:, y] for y, slab in enumerate(q)]
    constraints += [cvxpy.sum(slab, axis=0) == second[:, y] for y, slab in enumerate(q)]
    divergence = sum(cvxpy.sum(cvxpy.rel_entr(slab, pairs)) for slab in q)
    return cvxpy.Problem(cvxpy.Minimize(divergence), constraints), q


def _dit_union(dit: Any, p: np.ndarray) -> float:
    outcomes = [tuple(map(int, index)) for index in np.ndindex(*p.shape)]
    lattice = dit.pid.PID_BROJA(dit.Distribution(outcomes, p.ravel()), [[0], [1]], [2], method="cone")
    return float(sum(lattice[node] for node in (((0,), (1,)), ((0,),), ((1,),))))


def _label_entropy(p: np.ndarray) -> float:
    label = p.sum((0, 1))
    return float(-np.sum(label * np.log2(label)))
