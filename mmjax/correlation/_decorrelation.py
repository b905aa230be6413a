"""Room correlation: objectives without an inverse, which stand small batches.

Each is to be minimised, and at its best where representations are white and agree. With linear encoders `ey` has the
leading canonical variates as its optimum; the others do if the correlations are not too different: where a direction
correlates much less than the first, they may do better with the first one twice, or with nothing in its place.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.correlation._moments import Moments, check_views, covariance, moments

VARIANCE_FLOOR = 1e-4
"""Added to variances under a root (Bardes, Ponce, LeCun 2022)."""


def ey(views: Sequence[Array], *, independent: Sequence[Array] | None = None) -> Array:
    """Return the Eckart-Young loss of generalised CCA; to be minimised (Chapman, Wells, Lawry Aguila 2023, 2310.01012).

    L = -2 tr C + tr V V', C = 1/K sum_ij cov(z_i, z_j), V = 1/K sum_i cov(z_i, z_i), both (d, d). With linear encoders
    its optima span the leading generalised canonical directions. With V' from an independent batch the loss is
    unbiased, so batches may be as small as 2; with V' = V, its bias is of the order of 1 / b.

    Args:
      views: K >= 2 arrays (b, d).
      independent: views of another batch, for V'; None takes V' = V.

    Returns:
      the loss; differentiable to any order.

    Raises:
      ValueError: if views differ in width.
    """
    check_views(views, least=2)
    _check_widths(views)
    of = moments(views)
    count = len(views)
    traces = [jnp.trace(covariance(of, i, j)) for i in range(count) for j in range(count)]
    within = _mean_within(of)
    other = within if independent is None else _mean_within(moments(independent))
    return -2 / count * jnp.sum(jnp.stack(traces)) + jnp.sum(within * other)


def soft_decorrelation(h1: Array, h2: Array, *, decorrelation_weight: ArrayLike = 0.5) -> Array:
    """Return the loss of soft CCA; to be minimised (Chang, Xiang, Hospedales 2018, arXiv 1711.05617).

    The mean squared difference of the standardised representations, plus the weight times the mean absolute covariance
    of different entries of each. Ours: covariances of the batch alone, not running ones.

    Args:
      h1: (b, d).
      h2: (b, d).
      decorrelation_weight: at least 0.

    Returns:
      the loss, at least 0; differentiable, but for kinks where a covariance is 0.
    """
    z1, z2 = _standardised_pair(h1, h2)
    apart = jnp.mean((z1 - z2) ** 2)
    return apart + decorrelation_weight * sum(jnp.mean(jnp.abs(_off_diagonal(_covariance(z)))) for z in (z1, z2))


def barlow_twins(h1: Array, h2: Array, *, redundancy_weight: ArrayLike = 5e-3) -> Array:
    """Return the loss of Barlow Twins; to be minimised (Zbontar, Jing, Misra, LeCun, Deny 2021, arXiv 2103.03230).

    sum_i (1 - C_ii)^2 + lambda sum_(i != j) C_ij^2, C the cross-correlations. With linear encoders lambda = 1 has the
    canonical variates as its optimum, the published .005 has not.

    Args:
      h1: (b, d).
      h2: (b, d).
      redundancy_weight: lambda, at least 0.

    Returns:
      the loss, at least 0; differentiable.
    """
    z1, z2 = _standardised_pair(h1, h2)
    cross = jnp.matmul(z1.T, z2, precision=jax.lax.Precision.HIGHEST) / z1.shape[0]
    agreement = jnp.sum((1 - jnp.diagonal(cross)) ** 2)
    return agreement + redundancy_weight * jnp.sum(_off_diagonal(cross) ** 2)


def vicreg(
    h1: Array,
    h2: Array,
    *,
    invariance_weight: ArrayLike = 25.0,
    variance_weight: ArrayLike = 25.0,
    covariance_weight: ArrayLike = 1.0,
) -> Array:
    """Return the loss of VICReg; to be minimised (Bardes, Ponce, LeCun 2022, arXiv 2105.04906).

    The mean squared difference, plus, of each representation, the mean of max(0, 1 - std) over its entries and the
    squared covariances of different entries over d, with their weights; variances over b - 1.

    Args:
      h1: (b, d).
      h2: (b, d).
      invariance_weight: of the difference.
      variance_weight: of the standard deviations that are below 1.
      covariance_weight: of the covariances.

    Returns:
      the loss, at least 0; differentiable.
    """
    check_views((h1, h2))
    _check_widths((h1, h2))
    total: Array = jnp.asarray(invariance_weight) * jnp.mean((h1 - h2) ** 2)
    for h in (h1, h2):
        within = _covariance(h)
        deviation = jnp.sqrt(jnp.diagonal(within) + VARIANCE_FLOOR)
        total += variance_weight * jnp.mean(jax.nn.relu(1 - deviation))
        total += covariance_weight * jnp.sum(_off_diagonal(within) ** 2) / h.shape[1]
    return total


def _covariance(h: Array) -> Array:
    return covariance(moments((h,)), 0, 0)


def _mean_within(of: Moments) -> Array:
    return jnp.mean(jnp.stack([covariance(of, i, i) for i in range(len(of.means))]), axis=0)


def _standardised_pair(h1: Array, h2: Array) -> tuple[Array, Array]:
    """Bring entries to mean 0 and variance 1 (over b); constant ones to 0."""
    check_views((h1, h2))
    _check_widths((h1, h2))
    return _standardised(h1), _standardised(h2)


def _standardised(h: Array) -> Array:
    centred = h - jnp.mean(h, axis=0, keepdims=True)
    variance = jnp.mean(centred**2, axis=0, keepdims=True)
    varies = variance > 0
    return jnp.where(varies, centred / jnp.sqrt(jnp.where(varies, variance, 1)), 0)


def _off_diagonal(matrix: Array) -> Array:
    return jnp.where(jnp.eye(matrix.shape[0], dtype=bool), 0, matrix)


def _check_widths(views: Sequence[Array]) -> None:
    sizes = [view.shape[1] for view in views]
    if len(set(sizes)) > 1:
        raise ValueError(f"representations must be equally wide; got {' and '.join(map(str, sizes))}")
