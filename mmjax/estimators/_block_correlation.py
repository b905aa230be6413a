"""Room estimators: the correlation of whitened blocks of variables, on which all that is Gaussian rests."""

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.numerics import nan_unless


class BlockCorrelation(NamedTuple):
    """Correlations between blocks of variables, each whitened."""

    matrix: Array
    """(d, d): I within a block; between two blocks a matrix whose singular values are their canonical correlations."""
    ranks: Array
    """(num_blocks,): the dimension of each block, integers as floats."""


@functools.partial(jax.jit, static_argnames="sizes")
def block_correlation(covariance: Array, sizes: tuple[int, ...]) -> BlockCorrelation:
    """Whiten each block of variables by itself.

    Matrix = W^T C W with W block-diagonal and W_b^T C_bb W_b = I. A direction in which a block does not vary
    (a constant or repeated feature, more features than samples) is dropped: its row and column become those of I
    and it counts in no rank, so that it adds no information.

    Args:
      covariance: (d, d), symmetric positive semidefinite.
      sizes: the sizes of consecutive blocks, which sum to d; static.

    Returns:
      the correlation and the ranks. NaN where `covariance` is no covariance: not finite, not symmetric, a
      negative eigenvalue, or a direction without variance that covaries with another block. All of these are
      judged on the correlation matrix and up to 64 d eps.

    Raises:
      ValueError: if a size is not positive or they do not sum to d.

    Differentiable along directions that keep the ranks.
    """
    chex.assert_rank(covariance, 2)
    dim = covariance.shape[0]
    chex.assert_shape(covariance, (dim, dim))
    if min(sizes, default=0) < 1 or sum(sizes) != dim:
        raise ValueError(f"sizes must be positive and sum to {dim}, the number of variables; got {sizes}")
    variances = jnp.diagonal(covariance)
    scales = jnp.sqrt(jnp.where(variances > 0, variances, 1))
    correlation = covariance / (scales[:, None] * scales[None])
    rounding = 64 * dim * jnp.finfo(covariance.dtype).eps
    fixed = jax.lax.stop_gradient(correlation)
    valid = jnp.all(jnp.abs(fixed - fixed.T) <= rounding) & jnp.all(jnp.linalg.eigvalsh(fixed) >= -rounding)

    block_of = jnp.repeat(jnp.arange(len(sizes)), jnp.array(sizes), total_repeat_length=dim)
    within = block_of[:, None] == block_of[None]
    root, absent = _inverse_root(jnp.where(within, fixed, 0))
    valid &= jnp.all(jnp.abs(absent @ jnp.where(within, 0, fixed)) <= rounding)
    # The root is a constant to derivatives, which eigenvectors of equal eigenvalues do not have; the factor is none.
    factor = jnp.linalg.cholesky(root @ jnp.where(within, correlation, 0) @ root + absent)
    whitening = jax.scipy.linalg.solve_triangular(factor, root, lower=True)
    matrix = whitening @ jnp.where(within, 0, correlation) @ whitening.T + jnp.eye(dim, dtype=correlation.dtype)
    ranks = jnp.round(jax.ops.segment_sum(1 - jnp.diagonal(absent), block_of, len(sizes)))
    return BlockCorrelation(nan_unless(valid, matrix), nan_unless(valid, ranks))


def log_determinant(matrix: Array) -> Array:
    """Return log det of a positive semidefinite matrix of unit scale; -inf where an eigenvalue is 0 up to rounding."""
    rounding = 8 * matrix.shape[0] * jnp.finfo(matrix.dtype).eps
    singular = jnp.linalg.eigvalsh(jax.lax.stop_gradient(matrix))[0] <= rounding
    regular = jnp.where(singular, jnp.eye(matrix.shape[0], dtype=matrix.dtype), matrix)
    return jnp.where(singular, -jnp.inf, 2 * jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(regular)))))


def _inverse_root(correlation: Array) -> tuple[Array, Array]:
    """The inverse square root on the directions with variance, and the projection on those without."""
    values, vectors = jnp.linalg.eigh(correlation)
    varies = values > 8 * correlation.shape[0] * jnp.finfo(correlation.dtype).eps
    scales = jnp.where(varies, jax.lax.rsqrt(jnp.where(varies, values, 1)), 0)
    return vectors @ (scales[:, None] * vectors.T), vectors @ (jnp.where(varies, 0, 1)[:, None] * vectors.T)
