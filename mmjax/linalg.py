"""Whitening by Cholesky factors and sums of singular values, with derivatives that hold where values tie.

An inverse root by eigenvectors has derivatives with differences of eigenvalues in their denominators: NaN for white
data. Triangular factors have none, and a sum of the largest singular values has a gradient that does not know which of
equal ones is which; so nothing here, nor what is built on it, differentiates through a singular or eigenvector.
"""

import functools

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.linalg import solve_triangular
from jax.typing import ArrayLike


def mean_variance(covariance: Array) -> Array:
    """Return the mean of the diagonal of a covariance (d, d), or 1 where it is 0: the unit of relative ridges."""
    mean = jnp.trace(covariance) / covariance.shape[0]
    return jnp.where(mean > 0, mean, 1)


def whitening_factor(covariance: Array, *, ridge: ArrayLike) -> Array:
    """Return the Cholesky factor of S / s + r I, s the mean of the diagonal of S.

    With r the unit of S does not matter. Where S is 0, as of representations that have collapsed, the factor is that
    of (1 + r) I, whatever r is: what is whitened by it is 0 and its derivatives are finite.

    Args:
      covariance: S (d, d), symmetric positive semidefinite.
      ridge: r, at least 0; without one, a covariance that is not of full rank gives NaN, in float32 below about 1e-5
        too.

    Returns:
      L (d, d), lower triangular; differentiable.
    """
    chex.assert_rank(covariance, 2)
    collapsed = jnp.trace(covariance) <= 0
    added = jnp.asarray(ridge, covariance.dtype) + collapsed.astype(covariance.dtype)
    identity = jnp.eye(covariance.shape[0], dtype=covariance.dtype)
    return jnp.linalg.cholesky(covariance / mean_variance(covariance) + added * identity)


def whitened_cross(within1: Array, cross: Array, within2: Array, *, ridge: ArrayLike) -> Array:
    """Return M = L1^-1 S12 L2^-T in units of the mean variances, L1 and L2 the factors of `whitening_factor`.

    Its singular values are the canonical correlations of the two sides, with the ridge; without one they are in [0, 1].

    Args:
      within1: S11 (d1, d1).
      cross: S12 (d1, d2).
      within2: S22 (d2, d2).
      ridge: relative, of both sides; added within and never across.

    Returns:
      M (d1, d2); differentiable to any order.
    """
    chex.assert_shape(cross, (within1.shape[0], within2.shape[0]))
    scaled = cross / jnp.sqrt(mean_variance(within1) * mean_variance(within2))
    half = solve_triangular(whitening_factor(within1, ridge=ridge), scaled, lower=True)
    return solve_triangular(whitening_factor(within2, ridge=ridge), half.T, lower=True).T


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def ky_fan_norm(matrix: Array, num_values: int) -> Array:
    """Return the sum of the largest singular values of a matrix (Fan 1951); of all of them, the trace norm.

    d f = <U_k V_k^T, dM>, U_k and V_k the singular vectors of the values that are summed: right at ties among these,
    where each vector by itself has no derivative. A value of 0, up to rounding, has derivative 0, one of its
    subgradients; where the last of the values ties with the next one, the derivative is one of the subgradients too.

    Args:
      matrix: (m, n).
      num_values: how many, in [1, min(m, n)]; static.

    Returns:
      the sum. Second derivatives are right where the singular values differ, and NaN at ties.

    Raises:
      ValueError: if `num_values` is out of range.
    """
    _check_num_values(matrix, num_values)
    return jnp.sum(jnp.linalg.svd(matrix, compute_uv=False)[:num_values])


@ky_fan_norm.defjvp
def _ky_fan_norm_jvp(num_values: int, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (matrix,), (tangent,) = primals, tangents
    _check_num_values(matrix, num_values)
    u, values, vt = jnp.linalg.svd(matrix, full_matrices=False)
    rounding = max(matrix.shape) * jnp.finfo(matrix.dtype).eps * values[0]
    counted = (values[:num_values] > rounding).astype(matrix.dtype)
    # The vectors must stay differentiable: stopped, the second derivative would be wrong without a sign of it.
    gradient = (u[:, :num_values] * counted[None]) @ vt[:num_values]
    return jnp.sum(values[:num_values]), jnp.sum(gradient * tangent)


def _check_num_values(matrix: Array, num_values: int) -> None:
    chex.assert_rank(matrix, 2)
    if not 1 <= num_values <= min(matrix.shape):
        raise ValueError(
            f"num_values must be in [1, {min(matrix.shape)}] for a matrix {matrix.shape}; got {num_values}"
        )
