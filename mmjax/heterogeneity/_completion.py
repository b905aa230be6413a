"""Room heterogeneity: distances that were not measured, filled from those that were; on the host."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from mmjax.heterogeneity._checks import checked_distances

Matrix = NDArray[np.float64]
FillFn = Callable[[Matrix, NDArray[np.bool_]], Matrix]
"""`fill_fn(distances, measured)`: (n, n), what was measured as it was, and NaN for what cannot be said."""


class Completion(NamedTuple):
    """Distances without holes, and how well measured ones were foretold while they were hidden."""

    distances: Matrix
    """(n, n); measured entries as they were."""
    held_out_error: float
    """Mean absolute error of the hidden entries that could be filled, in the units of distances; NaN if none could."""
    num_held_out: int
    """How many pairs of nodes it is the mean of."""


def shortest_paths(distances: ArrayLike, measured: ArrayLike) -> Matrix:
    """Fill each hole with the length of the shortest path over measured entries.

    On a metric it is never below the true distance, and equals it where measured entries lie on a shortest way: on a
    tree metric everywhere, once all edges of the tree are measured. Measured entries stay though a path be shorter.

    Args:
      distances: (n, n), symmetric, >= 0; entries that were not measured may be anything.
      measured: (n, n) booleans, symmetric; the diagonal is known anyway.

    Returns:
      (n, n); NaN between nodes that no path connects. Not differentiable.

    Raises:
      ValueError: if measured entries are no distances.
    """
    from scipy.sparse import csgraph

    d, known = _measured(distances, measured)
    # Infinity marks a missing edge: by SciPy's default zeros would, which here are distances.
    graph = csgraph.csgraph_from_dense(np.where(known, d, np.inf), null_value=np.inf)
    lengths = csgraph.shortest_path(graph, directed=False)
    return _filled(d, known, np.where(np.isinf(lengths), np.nan, lengths))


def additive(distances: ArrayLike, measured: ArrayLike) -> Matrix:
    """Fill holes with a_i + a_j, where a number a for each node fits the measured entries by least squares.

    The model of nodes at the tips of a star: one node far from all others is one large number.

    Args:
      distances: as for `shortest_paths`.
      measured: as for `shortest_paths`.

    Returns:
      (n, n), holes at least 0; NaN for a node without any measured pair. Where measured pairs do not determine the
      numbers, they are those of least norm. Not differentiable.

    Raises:
      ValueError: if measured entries are no distances.
    """
    d, known = _measured(distances, measured)
    pairs = known & ~np.eye(len(d), dtype=bool)
    normal = pairs + np.diag(pairs.sum(axis=0))
    a = np.linalg.lstsq(normal.astype(float), np.where(pairs, d, 0).sum(axis=0), rcond=None)[0]
    return _filled(d, known, a[:, None] + a[None])


def low_rank(distances: ArrayLike, measured: ArrayLike, *, rank: int, num_iterations: int = 500) -> Matrix:
    """Fill holes by low rank: from their mean on, again and again by the nearest matrix of that rank.

    Exact for matrices of that rank with entries enough; a symmetric one of rank r has about n r free numbers, so small
    matrices have hardly more entries than that. It may end at a local optimum.

    Args:
      distances: as for `shortest_paths`; the diagonal counts as measured.
      measured: as for `shortest_paths`.
      rank: in [1, n].
      num_iterations: how often the matrix is projected.

    Returns:
      (n, n), holes at least 0; NaN for a node without any measured pair. Not differentiable.

    Raises:
      ValueError: if measured entries are no distances, or the rank is out of range.
    """
    d, known = _measured(distances, measured)
    if not 1 <= rank <= len(d):
        raise ValueError(f"rank must be in [1, {len(d)}] for {len(d)} nodes; got {rank}")
    pairs = known & ~np.eye(len(d), dtype=bool)
    filled = np.where(known, d, d[pairs].mean() if pairs.any() else 0)
    for _ in range(num_iterations):
        values, vectors = np.linalg.eigh(filled)
        top = np.argsort(-np.abs(values))[:rank]
        filled = np.where(known, d, (vectors[:, top] * values[top]) @ vectors[:, top].T)
    return _filled(d, known, filled)


def complete(
    distances: ArrayLike, measured: ArrayLike, *, key: Array, fill_fn: FillFn = shortest_paths, num_folds: int = 5
) -> Completion:
    """Fill the distances that were not measured, and tell how far to trust them.

    Measured pairs are dealt into folds; each fold is hidden and filled from the others. The error is that of filling
    from fewer entries than there are, and the mean of few large errors and many small ones.

    Liang et al. (2023, arXiv 2203.01311) propose low rank. On the two matrices that they print (figure 5, 10 and 8
    nodes), with 40 % of the pairs measured, shortest paths err least at the median over masks, then sums (`additive`);
    rank 2 errs about twice as much on the first and ten times on the second. But where a node far from all others lies
    on the only path, paths err much: on the mean over masks of the second, 3.6 beside 0.7 of sums. Compare both errors.

    Args:
      distances: (n, n), symmetric, >= 0, zero on the diagonal; entries that were not measured may be anything.
      measured: (n, n) booleans, symmetric; the diagonal is known anyway.
      key: PRNG key of the folds.
      fill_fn: `shortest_paths`, `additive`, `low_rank` with a rank (by `functools.partial`), or your own.
      num_folds: >= 2.

    Returns:
      the completion. Not differentiable.

    Raises:
      ValueError: if measured entries are no distances (`check_distances`) or do not connect all nodes, `fill_fn` leaves
        holes, or there are fewer than two folds.
    """
    if num_folds < 2:
        raise ValueError(f"num_folds must be at least 2; got {num_folds}")
    d, known = _measured(distances, measured)
    _refuse_parts(known)
    filled = checked_distances(fill_fn(d, known))
    errors = _held_out_errors(d, known, fill_fn, key, num_folds)
    return Completion(filled, float(errors.mean()) if errors.size else float("nan"), errors.size)


def _held_out_errors(d: Matrix, known: NDArray[np.bool_], fill_fn: FillFn, key: Array, num_folds: int) -> Matrix:
    """Return the absolute errors of the measured pairs that could be filled while they were hidden."""
    rows, columns = np.nonzero(np.triu(known, 1))
    order = np.asarray(jax.random.permutation(key, len(rows)))

    def of_fold(fold: NDArray[np.int64]) -> Matrix:
        i, j = rows[fold], columns[fold]
        kept = known.copy()
        kept[i, j] = kept[j, i] = False
        return np.abs(fill_fn(np.where(kept, d, np.nan), kept)[i, j] - d[i, j])

    errors = np.concatenate([of_fold(fold) for fold in np.array_split(order, num_folds)])
    return errors[~np.isnan(errors)]


def _measured(distances: ArrayLike, measured: ArrayLike) -> tuple[Matrix, NDArray[np.bool_]]:
    """Check what was measured; return it, NaN elsewhere, and where it is."""
    d, known = np.asarray(distances, np.float64), np.asarray(measured, bool)
    if d.ndim != 2 or d.shape != d.shape[::-1] or known.shape != d.shape:
        raise ValueError(f"distances and measured must be square and of one shape; got {d.shape} and {known.shape}")
    if (known != known.T).any():
        raise ValueError("measured must be symmetric: a distance is known in both directions or in none")
    diagonal = np.eye(len(d), dtype=bool)
    pairs = checked_distances(np.where(known & ~diagonal, d, 0))
    known = known | diagonal
    return np.where(known, np.where(diagonal, d, pairs), np.nan), known


def _filled(d: Matrix, known: NDArray[np.bool_], guess: Matrix) -> Matrix:
    """Keep what was measured; other distances are not negative, and unknown for nodes without a measured pair."""
    alone = known.sum(axis=0) == 1
    guess = np.where(alone[:, None] | alone[None], np.nan, np.maximum(guess, 0))
    return np.where(known, d, guess)


def _refuse_parts(known: NDArray[np.bool_]) -> None:
    from scipy.sparse import csgraph

    num_parts, part = csgraph.connected_components(known, directed=False)
    if num_parts > 1:
        other = int(np.argmax(part != part[0]))
        raise ValueError(
            f"measured pairs leave the nodes in {num_parts} parts; measure one between those of node 0 and node {other}"
        )
