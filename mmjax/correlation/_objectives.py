"""Room correlation: correlations of two or more representations as objectives, on a batch or on all of its shards.

Batches that are spread over devices (`axis_name`) give the exact value of the whole batch, not a mean of parts. The
check of the batch's size sees the samples of one device only, and is left out there.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import Array
from jax.scipy.linalg import solve_triangular
from jax.typing import ArrayLike

from mmjax.correlation._moments import Moments, check_batch, covariance, moments, widths
from mmjax.linalg import ky_fan_norm, mean_variance, whitened_cross, whitening_factor

RIDGE = 1e-4
"""Relative; below 1e-5, float32 may find no Cholesky factor of data of low rank."""


def trace_norm(
    h1: Array,
    h2: Array,
    *,
    ridge: ArrayLike = RIDGE,
    num_correlations: int | None = None,
    weight: Array | None = None,
    axis_name: str | None = None,
) -> Array:
    """Return the sum of the canonical correlations of two representations; to be maximised.

    sum_j sigma_j(L1^-1 S12 L2^-T), L_k the Cholesky factors of S_kk + r tr(S_kk)/d_k I: the objective of deep CCA
    (Andrew, Arora, Bilmes, Livescu 2013). Its value is biased upwards: independent samples give far more than 0 unless
    the batch is many times the widths.

    Args:
      h1: (b, d1), of more samples than d1 + d2.
      h2: (b, d2).
      ridge: r, relative.
      num_correlations: sum only the largest; static. None sums all, min(d1, d2).
      weight: (b,), 0 for samples that do not count.
      axis_name: of the mesh axis over which the batch is spread.

    Returns:
      the sum, in [0, min(d1, d2)]; 0 for a representation that is constant. Derivatives are finite at ties; second
      ones are NaN there, `sum_squares` has them everywhere.

    Raises:
      ValueError: if the batch is not larger than d1 + d2.
    """
    cross = _whitened(_moments_of((h1, h2), weight, axis_name), ridge)
    return ky_fan_norm(cross, min(cross.shape) if num_correlations is None else num_correlations)


def sum_squares(
    h1: Array,
    h2: Array,
    *,
    ridge: ArrayLike = RIDGE,
    debias: bool = False,
    weight: Array | None = None,
    axis_name: str | None = None,
) -> Array:
    """Return the sum of the squared canonical correlations of two representations; to be maximised.

    |L1^-1 S12 L2^-T|_F^2, without a singular value decomposition: the cheapest of the exact objectives, and smooth.

    Args:
      h1: (b, d1), of more samples than d1 + d2.
      h2: (b, d2).
      ridge: relative, as in `trace_norm`.
      debias: subtract d1 d2 / (b - 1), the mean for independent Gaussian samples without a ridge (Pillai's trace).
      weight: (b,), 0 for samples that do not count.
      axis_name: of the mesh axis over which the batch is spread.

    Returns:
      the sum, in [0, min(d1, d2)]; debiased it may be negative. Differentiable to any order.

    Raises:
      ValueError: if the batch is not larger than d1 + d2.
    """
    of = _moments_of((h1, h2), weight, axis_name)
    value = jnp.sum(_whitened(of, ridge) ** 2)
    return value - h1.shape[1] * h2.shape[1] / (of.num_samples - 1) if debias else value


def maxvar(
    views: Sequence[Array],
    num_components: int,
    *,
    ridge: ArrayLike = RIDGE,
    weight: Array | None = None,
    axis_name: str | None = None,
) -> Array:
    """Return the sum of the largest eigenvalues of generalised CCA of K representations; to be maximised.

    sum_j lambda_j(sum_k P_k), P_k the projection onto the centred columns of view k (MAXVAR, Kettenring 1971; as the
    objective of deep generalised CCA, Benton et al. 2017, arXiv 1702.02519), from the D x D matrix of whitened
    covariances, D = sum_k d_k, never from one of samples by samples. For two views lambda is 1 + rho and 1 - rho, so
    with d1 = d2 = `num_components` the value is d1 + sum_j rho_j.

    Args:
      views: K >= 2 arrays (b, d_k), of more samples than D.
      num_components: how many eigenvalues, in [1, D]; static.
      ridge: relative, as in `trace_norm`.
      weight: (b,), 0 for samples that do not count.
      axis_name: of the mesh axis over which the batch is spread.

    Returns:
      the sum, in [num_components, K num_components] without a ridge and while num_components <= max d_k.
      Differentiable as `trace_norm`.

    Raises:
      ValueError: if the batch is not larger than D.
    """
    return ky_fan_norm(whitened_covariance(_moments_of(views, weight, axis_name), ridge), num_components)


def mean_squared_correlation(
    h1: Array,
    h2: Array,
    *,
    ridge: ArrayLike = RIDGE,
    weight: Array | None = None,
    axis_name: str | None = None,
) -> Array:
    """Return the mean squared canonical correlation, `sum_squares` / min(d1, d2), in [0, 1]; to be minimised.

    It does not change under invertible affine maps of either side, up to the ridge, so it punishes what one
    representation tells linearly about the other and nothing else. Arguments and errors are those of `sum_squares`.
    """
    total = sum_squares(h1, h2, ridge=ridge, weight=weight, axis_name=axis_name)
    return total / min(h1.shape[1], h2.shape[1])


def explained_residual(
    individual: Array,
    common: Array,
    features: Array,
    *,
    ridge: ArrayLike = RIDGE,
    weight: Array | None = None,
    axis_name: str | None = None,
) -> Array:
    """Return the share of what common components leave unexplained that individual ones explain; to be maximised.

    |wh(I)^T E|_F^2 / |E|_F^2 with E = z - wh(C) wh(C)^T z the residual of the features z and wh(.) white components:
    the share of its variance that the best linear decoder finds in I. Without it, decorrelation alone would let I be
    noise. (Ours.)

    Args:
      individual: I (b, d_i).
      common: C (b, d_c).
      features: z (b, p), the encoder's output that both are made of.
      ridge: relative, as in `trace_norm`.
      weight: (b,), 0 for samples that do not count.
      axis_name: of the mesh axis over which the batch is spread.

    Returns:
      the share, in [0, 1]; 0 where nothing is left to explain. Differentiable to any order.

    Raises:
      ValueError: if the batch is not larger than d_i + d_c.
    """
    if axis_name is None:
        check_batch((individual, common))
    of = moments((individual, common, features), weight=weight, axis_name=axis_name)
    by_individual, by_common = _whitened_rows(of, 0, ridge), _whitened_rows(of, 1, ridge)
    told = by_common(covariance(of, 1, 2))  # wh(C)^T z
    spread = by_common(by_common(covariance(of, 1, 1)).T)  # wh(C)^T wh(C), less than I with a ridge
    total = jnp.trace(covariance(of, 2, 2))
    left = total - 2 * jnp.sum(told**2) + jnp.sum(told * (spread @ told))
    across = covariance(of, 0, 2) - by_common(covariance(of, 1, 0)).T @ told
    explained = jnp.sum(by_individual(across) ** 2)
    possible = left > 16 * jnp.finfo(total.dtype).eps * total
    return jnp.where(possible, explained / jnp.where(possible, left, 1), 0)


def whitened_covariance(of: Moments, ridge: ArrayLike) -> Array:
    """Return the covariance (D, D) of all views, each whitened by its own Cholesky factor."""
    rows = [_whitened_rows(of, i, ridge) for i in range(len(of.means))]
    num_views = len(widths(of))
    return jnp.block([[rows[i](rows[j](covariance(of, j, i)).T) for j in range(num_views)] for i in range(num_views)])


def _whitened_rows(of: Moments, view: int, ridge: ArrayLike) -> Callable[[Array], Array]:
    """Return a function that whitens the rows (d_k, ...) of a matrix, which belong to a view."""
    within = covariance(of, view, view)
    factor = whitening_factor(within, ridge=ridge) * jnp.sqrt(mean_variance(within))
    return lambda matrix: solve_triangular(factor, matrix, lower=True)


def _whitened(of: Moments, ridge: ArrayLike) -> Array:
    return whitened_cross(covariance(of, 0, 0), covariance(of, 0, 1), covariance(of, 1, 1), ridge=ridge)


def _moments_of(views: Sequence[Array], weight: Array | None, axis_name: str | None) -> Moments:
    if axis_name is None:
        check_batch(views)
    return moments(views, weight=weight, axis_name=axis_name)
