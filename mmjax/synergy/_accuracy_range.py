"""Room synergy: the exact range of the Bayes accuracy over all joints with three pairwise marginals.

The smallest accuracy min_r sum_x max_y r(x,y) is a linear programme; its dual is a classifier that guarantees
it for every joint. The largest is a mixed-integer programme that picks one label a cell. Both are solved by
SciPy's HiGHS, on the host. (Ours; the bounds it makes exact are those of arXiv 2306.04539.)
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmjax.information import check_marginals_agree, project_marginals

Table = NDArray[np.float64]

INTEGER_TOLERANCE = 1e-6
"""HiGHS' feasibility tolerance of rows and choices of mixed-integer programmes, by which their bound is widened."""
NEGLIGIBLE = 1e-12
"""Mass that programmes take for none, far below their tolerance: that of an empty cell is not 0 after rounding."""
SCALE = 1000.0
"""Of masses in the mixed-integer programme: rows have an absolute tolerance, choices one relative to what they let."""
EXACT = 1e-5
"""How near an end must come to what was found to be attained."""


class AccuracyRange(NamedTuple):
    """The accuracies of Bayes classifiers of all joints with the given marginals."""

    lower: float
    """What `classifier` reaches on every such joint; the smallest Bayes accuracy if `lower_exact`."""
    upper: float
    """Accuracy that no classifier exceeds on any such joint; the largest Bayes accuracy if `upper_exact`."""
    lower_exact: bool
    """Whether `lower` is the minimum to 1e-5; False if the time limit was hit."""
    upper_exact: bool
    """Whether `upper` is the maximum to 1e-5; False if the time limit was hit."""
    upper_attained: float
    """Bayes accuracy of some joint, up to rounding, at most `upper`. NaN if none was found in the time limit."""
    classifier: Table
    """(n1, n2, ny), p(label | x1, x2) of the randomised minimax classifier."""


def accuracy_range(
    p12: ArrayLike,
    p1y: ArrayLike,
    p2y: ArrayLike,
    *,
    intervals: tuple[ArrayLike, ArrayLike] | None = None,
    time_limit: float = 60.0,
    tolerance: float = 1e-5,
) -> AccuracyRange:
    """Return the exact range of the Bayes accuracy over all joints with these three pairwise marginals.

    min and max over low <= r <= high with marginals p12, p1y, p2y of sum_(x1,x2) max_y r(x1,x2,y). The lower end is
    certified by its classifier d: for any potentials A(x1,x2), B(x1,y), C(x2,y) it is right under any such joint with
    probability at least

      E A + E B + E C + sum over cells of min(low e, high e),  e = d - A - B - C.

    Args:
      p12: probability table with axes (x1, x2).
      p1y: probability table with axes (x1, y).
      p2y: probability table with axes (x2, y).
      intervals: bounds low and high (n1, n2, ny) on the entries of the joint, such as `joint_intervals` of some
        labelled pairs; None for what the marginals leave.
      time_limit: seconds for each of the two programmes. The second is hard: instant for tens of cells,
        minutes for hundreds.
      tolerance: largest total-variation distance of the shared marginals that is taken for rounding.

    Returns:
      the range, on the host in float64. Both ends hold also when a limit was hit, and say so; they hold for the joints
      of all marginals that round to these in their dtype, and of those that were moved to agree. The upper one is above
      the maximum by about 1e-6 a class, for the tolerances of HiGHS.

    Raises:
      ValueError: if one is no table, shapes do not fit, shared marginals disagree, no joint exists (with entries in
        the intervals), or `time_limit` is negative.

    Not differentiable, not for jit; `accuracy_bounds` is.
    """
    if not time_limit >= 0:
        raise ValueError(f"time_limit must be at least 0 seconds; got {time_limit}")
    check_marginals_agree(p12, p1y, p2y, tolerance=tolerance)
    with jax.enable_x64(True):
        tables = project_marginals(*(jnp.asarray(np.asarray(p, np.float64)) for p in (p12, p1y, p2y)))[:3]
    marginals = _rounded([p12, p1y, p2y], [np.asarray(p) for p in tables])
    if intervals is not None:
        marginals = _within(marginals, *(np.asarray(end, np.float64) for end in intervals))
    smallest, classifier, lower = _smallest(marginals, time_limit)
    largest, upper = _largest(marginals, time_limit)
    return AccuracyRange(
        lower=lower,
        upper=upper,
        lower_exact=smallest - lower <= EXACT,
        upper_exact=upper - largest <= EXACT,
        upper_attained=largest,
        classifier=classifier,
    )


class _Marginals(NamedTuple):
    p12: Table
    p1y: Table
    p2y: Table
    doubts: tuple[Table, Table, Table]
    """How far entries of p12, p1y and p2y may be off."""
    floor: Table
    ceiling: Table


def _rounded(given: Sequence[ArrayLike], tables: Sequence[Table]) -> _Marginals:
    """Return tables that agree, how far they may be from those that were rounded, and bounds on a joint of these.

    An entry is off by its rounding and by what it was moved. Bounds are Frechet's.
    """
    doubts = []
    for array, table in zip(map(np.asarray, given), tables, strict=True):
        dtype = array.dtype if jnp.issubdtype(array.dtype, jnp.floating) else np.float64
        moved = np.abs(array.astype(np.float64) - table).max()
        doubts.append(float(jnp.finfo(dtype).eps) * table + 2 * moved)
    p12, p1y, p2y = tables
    xy, xz, yz = p12[:, :, None], p1y[:, None, :], p2y[None, :, :]
    x, y, z = (table.sum(axis=axis, keepdims=True) for table, axis in ((xy, 1), (xy, 0), (yz, 1)))
    doubt = sum(float(of.sum()) for of in doubts)  # of any sum of entries
    floor = np.maximum(np.maximum(xy + xz - x, xy + yz - y), xz + yz - z) - doubt
    ceiling = np.minimum(np.minimum(xy, xz), np.minimum(yz, 1 - x - y - z + xy + xz + yz)) + doubt
    return _Marginals(p12, p1y, p2y, (doubts[0], doubts[1], doubts[2]), np.maximum(floor, 0), np.maximum(ceiling, 0))


def _within(marginals: _Marginals, low: Table, high: Table) -> _Marginals:
    """Narrow the bounds on entries."""
    shape = marginals.floor.shape
    if low.shape != shape or high.shape != shape:
        raise ValueError(f"intervals must have the shape {shape} of a joint; got {low.shape} and {high.shape}")
    floor, ceiling = np.maximum(low, marginals.floor), np.minimum(high, marginals.ceiling)
    if not np.all(floor <= ceiling):
        raise ValueError("no joint distribution has these p12, p1y, p2y with entries in the intervals")
    return marginals._replace(floor=floor, ceiling=ceiling)


def _smallest(marginals: _Marginals, time_limit: float) -> tuple[float, Table, float]:
    """Minimum of the linear programme (NaN at the limit), the classifier found, and its guarantee."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_array, eye_array, hstack, kron

    n1, n2, ny = marginals.floor.shape
    num_pairs, num_cells = n1 * n2, n1 * n2 * ny
    sums, targets, slack = _equalities(marginals)
    pair_of_cell = kron(eye_array(num_pairs), np.ones((ny, 1)))
    # Variables: the joint, the largest entry of each pair, what the sums are off by.
    low = np.concatenate([marginals.floor.ravel(), np.zeros(num_pairs), -slack])
    high = np.concatenate([marginals.ceiling.ravel(), np.full(num_pairs, np.inf), slack])
    result = linprog(
        np.repeat([0.0, 1.0, 0.0], [num_cells, num_pairs, slack.size]),
        A_ub=hstack([eye_array(num_cells), -pair_of_cell, coo_array((num_cells, slack.size))], format="csr"),
        b_ub=np.zeros(num_cells),
        A_eq=hstack([sums, coo_array((targets.size, num_pairs)), eye_array(slack.size)], format="csr"),
        b_eq=targets,
        bounds=np.stack([low, high], axis=1),
        method="highs",
        options={"time_limit": time_limit},
    )
    _raise_if_infeasible(result.status)
    if result.status != 0:
        return np.nan, *_best_unimodal(marginals)
    a, b, c = np.zeros((n1, n2)), np.zeros((n1, ny)), np.zeros((n2, ny))
    own, first, second = np.split(result.eqlin.marginals, np.cumsum([num_pairs, n1 * (ny - 1)]))
    a[:] = own.reshape(n1, n2)
    b[:, 1:] = first.reshape(n1, ny - 1)
    c[1:, 1:] = second.reshape(n2 - 1, ny - 1)
    classifier = _normalised(-result.ineqlin.marginals.reshape(n1, n2, ny))
    return float(result.fun), classifier, _guarantee(marginals, classifier, a, b, c)


def _normalised(prices: Table) -> Table:
    """A classifier near the prices of cells, which sum to 1 up to the solver's tolerance, or less in empty pairs."""
    prices = np.maximum(prices, 0)
    total = prices.sum(axis=2, keepdims=True)
    return np.where(total > 0, prices / np.where(total > 0, total, 1), 1 / prices.shape[2])


def _guarantee(marginals: _Marginals, classifier: Table, a: Table, b: Table, c: Table) -> float:
    """The accuracy of a classifier at least, by potentials, whose marginals may be off."""
    excess = classifier - a[:, :, None] - b[:, None, :] - c[None, :, :]
    known = zip((marginals.p12, marginals.p1y, marginals.p2y), marginals.doubts, (a, b, c), strict=True)
    potentials = sum((p * of).sum() - (doubt * np.abs(of)).sum() for p, doubt, of in known)
    return float(potentials + np.minimum(marginals.floor * excess, marginals.ceiling * excess).sum())


def _best_unimodal(marginals: _Marginals) -> tuple[Table, float]:
    """The better unimodal Bayes classifier, of known accuracy."""
    none = np.zeros(marginals.p12.shape)
    b, c = (np.eye(p.shape[1])[p.argmax(axis=1)] for p in (marginals.p1y, marginals.p2y))
    if (marginals.p1y * b).sum() >= (marginals.p2y * c).sum():
        c = np.zeros_like(c)
    else:
        b = np.zeros_like(b)
    classifier = b[:, None, :] + c[None, :, :]
    return classifier, _guarantee(marginals, classifier, none, b, c)


def _largest(marginals: _Marginals, time_limit: float) -> tuple[float, float]:
    """Accuracy of the best joint found (NaN if none), and an upper bound on all."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import block_array, diags_array, eye_array, kron

    floor, ceiling = SCALE * marginals.floor, SCALE * marginals.ceiling
    n1, n2, ny = ceiling.shape
    num_pairs, num_cells = n1 * n2, ceiling.size
    sums, targets, slack = _equalities(marginals)
    targets, slack = SCALE * targets, SCALE * slack
    candidates = _candidates(marginals.floor, marginals.ceiling).ravel()
    # Variables: the joint, the mass of the label chosen in each pair, the choice. Chosen mass is at most the
    # joint's, and 0 without the choice.
    identity = eye_array(num_cells)
    matrix = block_array(
        [
            [sums, None, None],
            [-identity, identity, None],
            [None, identity, -diags_array(ceiling.ravel())],
            [None, None, kron(eye_array(num_pairs), np.ones((1, ny)))],
        ],
        format="csr",
    )
    low = np.concatenate([targets - slack, np.full(2 * num_cells, -np.inf), np.ones(num_pairs)])
    high = np.concatenate([targets + slack, np.zeros(2 * num_cells), np.ones(num_pairs)])
    result = milp(
        np.repeat([0.0, -1.0, 0.0], num_cells),
        integrality=np.repeat([0, 0, 1], num_cells),
        bounds=Bounds(
            np.concatenate([floor.ravel(), np.zeros(2 * num_cells)]),
            np.concatenate([ceiling.ravel(), np.full(num_cells, np.inf), candidates]),
        ),
        constraints=LinearConstraint(matrix, low, high),
        options={"time_limit": time_limit, "mip_rel_gap": 0.0},
    )
    _raise_if_infeasible(result.status)
    certain = min(1.0, float(np.minimum(marginals.ceiling.max(axis=2), marginals.p12 + marginals.doubts[0]).sum()))
    largest = (
        np.nan if result.x is None else float(result.x[:num_cells].reshape(num_pairs, ny).max(axis=1).sum()) / SCALE
    )
    if result.mip_dual_bound is None:
        return largest, certain
    # A choice may be off by its tolerance, and so may the mass that it lets through, of each label.
    bound = -result.mip_dual_bound / SCALE + INTEGER_TOLERANCE * float(marginals.ceiling.sum())
    return largest, min(certain, float(np.fmax(bound, largest)))


def _candidates(floor: Table, ceiling: Table) -> NDArray[np.bool_]:
    """Labels that can be the most probable of their pair, at least one each."""
    possible = ceiling >= floor.max(axis=2, keepdims=True)
    possible &= ceiling > NEGLIGIBLE
    return possible | (ceiling == ceiling.max(axis=2, keepdims=True))


def _equalities(marginals: _Marginals) -> tuple[Any, Table, Table]:
    """Sums over a joint that fix its marginals, without those that follow from others, their values and doubts."""
    from scipy.sparse import eye_array, kron, vstack

    n1, n2, ny = *marginals.p12.shape, marginals.p1y.shape[1]
    first, second, label = (eye_array(size, format="csr") for size in (n1, n2, ny))
    sums = [
        kron(kron(first, second), np.ones((1, ny))),
        kron(kron(first, np.ones((1, n2))), label[1:]),
        kron(kron(np.ones((1, n1)), second[1:]), label[1:]),
    ]
    of_all, of_doubts = (
        np.concatenate([p12.ravel(), p1y[:, 1:].ravel(), p2y[1:, 1:].ravel()])
        for p12, p1y, p2y in (marginals[:3], marginals.doubts)
    )
    return vstack(sums, format="csr"), of_all, np.where(of_doubts > NEGLIGIBLE, of_doubts, 0)


def _raise_if_infeasible(status: int) -> None:
    if status == 2:
        raise ValueError(
            "no joint distribution has these p12, p1y, p2y (with entries in the intervals, if there are any); expected "
            "pairwise marginals of one population: see information.check_joint_exists"
        )
