"""Room information: checks of values on the host, each a `ValueError` of one line that says what to do.

The mathematics gives NaN for a table that is none; these say why. They read values: they cannot run under
jit.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmjax.numerics import TABLE_TOLERANCE

Table = NDArray[np.float64]


def check_table(p: ArrayLike, *, name: str = "p") -> None:
    """Check that `p` is a probability table.

    Args:
      p: array of any shape.
      name: what to call it in the message.

    Raises:
      ValueError: if `p` is empty, has a NaN or a negative entry, or does not sum to 1 within
        `numerics.TABLE_TOLERANCE`.
    """
    values = np.asarray(p, np.float64)
    if values.size == 0:
        raise ValueError(f"{name} is empty (shape {values.shape}); a table needs at least one cell")
    if np.isnan(values).any():
        raise ValueError(f"{name} has {np.isnan(values).sum()} NaN entries; drop the samples they come from")
    if values.min() < 0:
        cell = _cell(values.argmin(), values.shape)
        raise ValueError(f"{name} has the negative entry {values.min():.6g} at {cell}; entries must be >= 0")
    total = values.sum()
    if not abs(total - 1) <= TABLE_TOLERANCE:
        remedy = f"divide {name} by its sum" if total > 0 else "there is nothing to normalise"
        raise ValueError(f"{name} must sum to 1 within {TABLE_TOLERANCE}; got {total:.6g}: {remedy}")


def check_ids(ids: ArrayLike, size: int, *, name: str = "ids") -> None:
    """Check that `ids` are integers in [0, size).

    Args:
      ids: array of any shape.
      size: number of cells or classes.
      name: what to call them in the message.

    Raises:
      ValueError: if an id is no integer or out of range.
    """
    values = np.asarray(ids)
    if values.dtype.kind not in "iub":
        raise ValueError(f"{name} must be integers in [0, {size}); got {values.dtype}: convert them")
    outside = (values < 0) | (values >= size)
    if outside.any():
        where = _cell(outside.argmax(), values.shape)
        raise ValueError(
            f"{name} must be in [0, {size}); got {values[outside][0]} at {where} ({outside.sum()} such ids): "
            "raise the size or drop these samples (-1 marks a sample without label)"
        )


def check_marginals_agree(
    p12: ArrayLike, p1y: ArrayLike, p2y: ArrayLike, *, tolerance: float = TABLE_TOLERANCE
) -> None:
    """Check that three pairwise tables agree about the variables they share.

    Args:
      p12: probability table with axes (x1, x2).
      p1y: probability table with axes (x1, y).
      p2y: probability table with axes (x2, y).
      tolerance: largest total-variation distance of two estimates of one variable.

    Raises:
      ValueError: if one is no table, shapes do not fit together, or two estimates differ by more.
    """
    check_table(p12, name="p12")
    check_table(p1y, name="p1y")
    check_table(p2y, name="p2y")
    a, b, c = (np.asarray(p, np.float64) for p in (p12, p1y, p2y))
    if not (a.ndim == b.ndim == c.ndim == 2 and (*a.shape, b.shape[1]) == (b.shape[0], *c.shape)):
        raise ValueError(
            "p12, p1y, p2y must have shapes (n1, n2), (n1, ny), (n2, ny); "
            f"got {a.shape}, {b.shape}, {c.shape}: order the axes (x1, x2, y)"
        )
    shared = (
        ("x1", "p12", a.sum(1), "p1y", b.sum(1)),
        ("x2", "p12", a.sum(0), "p2y", c.sum(1)),
        ("y", "p1y", b.sum(0), "p2y", c.sum(0)),
    )
    for variable, name, one, other_name, other in shared:
        distance = np.abs(one - other).sum() / 2
        if distance > tolerance:
            raise ValueError(
                f"{name} and {other_name} must agree about p({variable}) within {tolerance:.3g}; got "
                f"total-variation distance {distance:.3g}: use project_marginals, or data of one population"
            )


def check_joint_exists(p12: ArrayLike, p1y: ArrayLike, p2y: ArrayLike, *, tolerance: float = 1e-6) -> None:
    """Check that some joint distribution has these three pairwise tables.

    Solves the linear programme min t over joints r >= 0 whose pairwise marginals differ from the tables by at
    most t in every cell (SciPy's HiGHS), on the host.

    Args:
      p12: probability table with axes (x1, x2).
      p1y: probability table with axes (x1, y).
      p2y: probability table with axes (x2, y).
      tolerance: largest t that counts as existence; below 1e-7 it is the solver's.

    Raises:
      ValueError: if one is no table, shapes do not fit together, or no joint comes within the tolerance.
    """
    check_marginals_agree(p12, p1y, p2y, tolerance=1.0)
    distance = _distance_from_joints(*(np.asarray(p, np.float64) for p in (p12, p1y, p2y)))
    if distance > tolerance:
        raise ValueError(
            f"no joint distribution has these p12, p1y, p2y: each misses a cell by {distance:.3g} or more; "
            f"expected at most {tolerance:.3g}: estimate all three from one population, or from more samples"
        )


def _distance_from_joints(p12: Table, p1y: Table, p2y: Table) -> float:
    """Smallest t such that a joint exists within t of each cell of the three tables."""
    from scipy.optimize import linprog
    from scipy.sparse import bmat, coo_array

    n1, n2 = p12.shape
    ny = p1y.shape[1]
    cells = np.arange(n1 * n2 * ny)
    i, j, k = np.unravel_index(cells, (n1, n2, ny))
    ones = np.ones(cells.size)
    sums: Any = bmat(
        [
            [coo_array((ones, (i * n2 + j, cells)), (n1 * n2, cells.size))],
            [coo_array((ones, (i * ny + k, cells)), (n1 * ny, cells.size))],
            [coo_array((ones, (j * ny + k, cells)), (n2 * ny, cells.size))],
        ]
    )
    targets = np.concatenate([p12.ravel(), p1y.ravel(), p2y.ravel()])
    slack = np.ones((targets.size, 1))
    result = linprog(
        np.append(np.zeros(cells.size), 1.0),
        A_ub=bmat([[sums, -slack], [-sums, -slack]], format="csr"),
        b_ub=np.concatenate([targets, -targets]),
        method="highs",
    )
    if result.x is None:
        raise RuntimeError(f"the linear programme for a joint distribution failed: {result.message}")
    return float(result.fun)


def _cell(flat: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(axis) for axis in np.unravel_index(flat, shape))
