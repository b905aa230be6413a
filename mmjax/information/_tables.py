"""Room information: probability tables from samples, and their marginals."""

import functools
import math
import operator
from collections.abc import Iterable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmjax.numerics import TABLE_TOLERANCE, as_floats, nan_unless


class PairwiseMarginals(NamedTuple):
    """The three two-variable tables of a joint table with axes (x1, x2, y)."""

    p12: Array
    """(n1, n2): what unlabelled pairs show."""
    p1y: Array
    """(n1, ny): what labelled samples of the first modality show."""
    p2y: Array
    """(n2, ny): what labelled samples of the second modality show."""


def marginal(p: Array, axes: int | Iterable[int]) -> Array:
    """Return the table of the variables on `axes`, in that order.

    Args:
      p: array, one axis a variable.
      axes: the axis or axes to keep, each once; the others are summed out.

    Returns:
      an array with one axis for each of `axes`: `marginal(p, (2, 0))` has axes (axis 2 of p, axis 0 of p).

    Raises:
      ValueError: if an axis is out of range or repeated.

    Linear in `p`.
    """
    kept = different_axes(axes, p.ndim)
    summed = jnp.sum(p, axis=tuple(axis for axis in range(p.ndim) if axis not in kept))
    return jnp.transpose(summed, [sorted(kept).index(axis) for axis in kept])


def pairwise_marginals(p: Array) -> PairwiseMarginals:
    """Return the three pairwise marginals of a joint table.

    Args:
      p: array with axes (x1, x2, y).

    Returns:
      p12 (n1, n2), p1y (n1, ny) and p2y (n2, ny). Linear in `p`.
    """
    chex.assert_rank(p, 3)
    return PairwiseMarginals(jnp.sum(p, axis=2), jnp.sum(p, axis=1), jnp.sum(p, axis=0))


def joint_table(x1: Array, x2: Array, y: Array, *, sizes: tuple[int, int, int], weights: Array | None = None) -> Array:
    """Return the empirical table of samples of three discrete variables.

    p(i,j,k) = sum_n w_n [x1_n = i, x2_n = j, y_n = k] / sum_n w_n.

    Args:
      x1: ids of the first modality's cells, integers of shape (n,) in [0, n1).
      x2: ids of the second modality's cells, integers of shape (n,) in [0, n2).
      y: labels, integers of shape (n,) in [0, ny).
      sizes: (n1, n2, ny), static.
      weights: nonnegative weights of the samples, shape (n,), on any scale; None counts each sample once.

    Returns:
      a table of shape (n1, n2, ny) that sums to 1, in the dtype of `weights` (default: JAX's float). NaN
      throughout if any id is out of range, any weight negative, or there is no sample of positive weight;
      `check_ids` says on the host which id it is.

    Raises:
      ValueError: if `sizes` is not three positive integers, or the ids are not integers.

    Differentiable in `weights`. Counts are exact; weighted sums run in blocks, so that float32 does not stop
    counting at 2^24 samples.
    """
    chex.assert_rank([x1, x2, y], 1)
    chex.assert_equal_shape([x1, x2, y])
    if weights is not None:
        chex.assert_equal_shape([x1, weights])
    return _empirical_table(tuple(map(_keep_range, (x1, x2, y))), weights, sizes=tuple(sizes))


@jax.jit
def soft_joint_table(q1: Array, q2: Array, y: Array, *, weights: Array | None = None) -> Array:
    """Return the joint table of soft assignments, which keeps the gradient to the encoders behind them.

    p(i,j,k) = sum_n w_n q1_n(i) q2_n(j) y_n(k) / sum_n w_n. One-hot rows give `joint_table`.

    Args:
      q1: probabilities of the first modality's cells for each sample, shape (n, n1).
      q2: probabilities of the second modality's cells, shape (n, n2).
      y: labels as probabilities or one-hot rows, shape (n, ny).
      weights: nonnegative weights of the samples, shape (n,), on any scale; None weighs all alike.

    Returns:
      a table of shape (n1, n2, ny) that sums to 1. NaN throughout if a row is no probability vector, a weight
      is negative, or there is no sample of positive weight.

    Differentiable, any number of times, in all arguments.
    """
    chex.assert_rank([q1, q2, y], 2)
    chex.assert_equal_shape_prefix([q1, q2, y], 1)
    q1, q2, labels = as_floats(q1, q2, y)
    valid = _are_distributions(q1) & _are_distributions(q2) & _are_distributions(labels)
    if weights is not None:
        chex.assert_shape(weights, (q1.shape[0],))
        valid = valid & jnp.all(weights >= 0)
        labels = labels * _rescale(weights).astype(labels.dtype)[:, None]
    # Accelerators would otherwise multiply in a precision of three digits.
    table = jnp.einsum("ni,nj,nk->ijk", q1, q2, labels, precision=jax.lax.Precision.HIGHEST)
    return nan_unless(valid, table / jnp.sum(table))


@functools.partial(jax.jit, static_argnames="sizes")
def _empirical_table(ids: tuple[Array, ...], weights: Array | None, *, sizes: tuple[int, ...]) -> Array:
    cells, valid = _cells(ids, sizes)
    num_cells = math.prod(sizes)
    if weights is None:
        counts = jnp.zeros(num_cells, jnp.int32).at[cells].add(1)
        table = counts.astype(jnp.zeros(()).dtype) / cells.size
    else:
        valid = valid & jnp.all(weights >= 0)
        table = _weighted_counts(cells, _rescale(weights), num_cells)
        table = table / jnp.sum(table)
    return nan_unless(valid, table).reshape(sizes)


def different_axes(axes: int | Iterable[int], rank: int) -> list[int]:
    """The axes counted from 0; a `ValueError` if one is out of range or repeated."""
    asked = list(axes) if isinstance(axes, Iterable) else [operator.index(axes)]
    counted = [axis % rank for axis in asked if -rank <= axis < rank]
    if len(set(counted)) < len(asked):
        raise ValueError(f"axes must be different axes of a table of rank {rank}; got {asked}")
    return counted


def _keep_range(ids: Array) -> Array:
    """NumPy's 64-bit ids in 32 bits, out of range where they were: JAX would wrap 2^32 around to 0."""
    if isinstance(ids, np.ndarray) and ids.dtype.kind in "iu" and ids.dtype.itemsize == 8:
        return np.maximum(np.minimum(ids, 2**31 - 1).astype(np.int64), -1).astype(np.int32)
    return ids


def _cells(ids: tuple[Array, ...], sizes: tuple[int, ...]) -> tuple[Array, Array]:
    """The flat cell of each sample (0 for a sample out of range), and whether all are in range."""
    if len(sizes) != len(ids) or any(size < 1 for size in sizes):
        raise ValueError(f"sizes must be {len(ids)} positive integers, one a variable; got {sizes}")
    cells: Array = jnp.zeros(ids[0].shape, jnp.int32)
    valid = jnp.ones(ids[0].shape, bool)
    for variable, size in zip(ids, sizes, strict=True):
        if not (jnp.issubdtype(variable.dtype, jnp.integer) or variable.dtype == bool):
            raise ValueError(f"ids must be integers; got {variable.dtype}: convert them with astype(int)")
        if variable.dtype.itemsize < 4:
            variable = variable.astype(jnp.int32)
        valid = valid & (variable >= 0) & (variable < size)
        cells = cells * size + variable.astype(jnp.int32)
    return jnp.where(valid, cells, 0), jnp.all(valid)


def _weighted_counts(cells: Array, weights: Array, num_cells: int) -> Array:
    """Sum of the weights in each cell, over blocks of about sqrt(n) samples where memory allows."""
    num_blocks = max(1, min(math.isqrt(cells.size), cells.size // num_cells))
    block = jnp.arange(cells.size, dtype=jnp.int32) % num_blocks
    sums = jnp.zeros(num_blocks * num_cells, weights.dtype).at[block * num_cells + cells].add(weights)
    return jnp.sum(sums.reshape(num_blocks, num_cells), axis=0)


def _rescale(weights: Array) -> Array:
    """Weights with maximum 1, so that no sum of them overflows; the table does not depend on their scale."""
    return weights / jax.lax.stop_gradient(jnp.max(weights, initial=0))


def _are_distributions(rows: Array) -> Array:
    return jnp.all(rows >= 0) & jnp.all(jnp.abs(jnp.sum(rows, axis=1) - 1) <= TABLE_TOLERANCE)
