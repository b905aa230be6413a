"""Room correlation: what each view has in common with the others and what it has alone, linearly, in closed form.

An implementation of the framework that the abstract of Shi and Niethammer (2023, arXiv 2305.03125) describes: common
components by maximal correlation, individual ones by minimal correlation with these. Their formulae were not available
to us; all of them here are ours.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.correlation._cca import CCA, cca_of, inverse_root, leading_signs, projected
from mmjax.correlation._gcca import gcca_of
from mmjax.correlation._moments import Moments, check_views, covariance, moments, widths


class CommonIndividual(NamedTuple):
    """Directions of what K views share and of what each has alone."""

    common_weights: tuple[Array, ...]
    """Of each view (d_k, num_common): common variates (x - mean) @ weights, of variance 1 without a ridge."""
    individual_weights: tuple[Array, ...]
    """Of each view (d_k, num_individual): individual variates, white and uncorrelated with the view's common ones; 0
    beyond the rank of what is left."""
    means: tuple[Array, ...]
    """Of each view (d_k,)."""
    correlations: Array
    """(num_common,), falling: of two views the canonical correlations; of more the eigenvalues of `gcca`, in [0, K]."""
    explained: Array
    """(K,), share of the variance that the common variates leave of a view which its individual ones explain."""


def fit_common_individual(
    views: Sequence[Array], num_common: int, num_individual: int | Sequence[int], *, ridge: ArrayLike = 0.0
) -> CommonIndividual:
    """Split views into common and individual variates.

    Common: the canonical variates a_k = A_k^T x_k of `cca` for two views; for more, the least-squares predictions of
    the components of `gcca` from each view, scaled to variance 1. Individual: with P = cov(x, a) and
    S_res = S - P cov(a)^-1 P^T the covariance of what a does not explain, b = Q^T x of the leading eigenvectors of
    S_res, scaled to variance 1. Then cov(b, a) = 0 exactly; of two views, without a ridge, b is also uncorrelated with
    the other view's common variates, and individual variates of the two correlate at most as the canonical pair after
    the last common one.

    What that means: in x_k = W_k (c, u_k) + noise with c shared and c, u_1, ..., u_K independent, a_k estimates an
    invertible linear map of c, and b_k one of u_k, as far as the noise allows. Correlation says nothing about which
    shared factor is which where correlations tie, nor about dependence that is not linear.

    Args:
      views: K >= 2 arrays (n, d_k), the same samples.
      num_common: in [1, min d_k]; static.
      num_individual: in [1, d_k - num_common], one for all views or one each; static.
      ridge: of the common part, relative, as in `cca`.

    Returns:
      the directions, with the signs of `cca`; deterministic. Not differentiable.

    Raises:
      ValueError: if views differ in length, or a number is out of range.
    """
    check_views(views, least=2)
    return common_individual_of(moments(views), num_common, num_individual, ridge=ridge)


def common_individual_of(
    of: Moments, num_common: int, num_individual: int | Sequence[int], *, ridge: ArrayLike = 0.0
) -> CommonIndividual:
    """Do as `fit_common_individual` with the moments of the views: for data in parts, weighted, or over devices."""
    sizes = widths(of)
    numbers = [num_individual] * len(sizes) if isinstance(num_individual, int) else list(num_individual)
    _check_numbers(sizes, num_common, numbers)
    of = jax.lax.stop_gradient(of)
    fit, common = common_weights_of(of, num_common, ridge=ridge)
    within = [covariance(of, k, k) for k in range(len(sizes))]
    parts = [_individual(*x) for x in zip(within, common, numbers, strict=True)]
    weights, explained = zip(*parts, strict=True)
    return CommonIndividual(common, weights, fit.means, fit.correlations, jnp.stack(explained))


def common_variates(fit: CommonIndividual, views: Sequence[Array]) -> tuple[Array, ...]:
    """Map samples of all views (n, d_k) to their common variates (n, num_common). Differentiable in the views."""
    return tuple(projected(*x) for x in zip(views, fit.means, fit.common_weights, strict=True))


def individual_variates(fit: CommonIndividual, views: Sequence[Array]) -> tuple[Array, ...]:
    """Map samples of all views (n, d_k) to their individual variates. Differentiable in the views."""
    return tuple(projected(*x) for x in zip(views, fit.means, fit.individual_weights, strict=True))


def common_weights_of(of: Moments, num_common: int, *, ridge: ArrayLike) -> tuple[CCA, tuple[Array, ...]]:
    """Return the fit of what views share, and its weights (d_k, num_common) for variates of variance 1."""
    if len(widths(of)) == 2:
        fit = cca_of(of, num_common, ridge=ridge)
        return fit, fit.weights
    fit = gcca_of(of, num_common, ridge=ridge)
    within = [covariance(of, k, k) for k in range(len(fit.weights))]
    return fit, tuple(map(_with_unit_variance, fit.weights, within))


def _with_unit_variance(weights: Array, within: Array) -> Array:
    variance = jnp.sum(weights * (within @ weights), axis=0)
    varies = variance > 0
    return weights * jnp.where(varies, jax.lax.rsqrt(jnp.where(varies, variance, 1)), 0)[None]


def _individual(within: Array, common: Array, num_individual: int) -> tuple[Array, Array]:
    """Return directions of what a view has beyond its common variates, and the share of that which they explain."""
    root, _ = inverse_root(common.T @ within @ common, 0.0)
    white = common @ root
    loadings = within @ white
    left = within - loadings @ loadings.T
    values, vectors = jnp.linalg.eigh(left)
    values, vectors = values[::-1][:num_individual], vectors[:, ::-1][:, :num_individual]
    there = values > within.shape[0] * jnp.finfo(within.dtype).eps * jnp.trace(within)
    scale = jnp.where(there, jax.lax.rsqrt(jnp.where(there, values, 1)), 0)
    weights = (vectors - white @ (loadings.T @ vectors)) * scale[None]
    total = jnp.trace(left)
    explained = jnp.sum(jnp.where(there, values, 0)) / jnp.where(jnp.any(there), total, 1)
    return weights * leading_signs(weights)[None], explained


def _check_numbers(sizes: Sequence[int], num_common: int, numbers: Sequence[int]) -> None:
    if not 1 <= num_common <= min(sizes):
        raise ValueError(
            f"num_common must be in [1, {min(sizes)}] for views of widths {tuple(sizes)}; got {num_common}"
        )
    if len(numbers) != len(sizes):
        raise ValueError(
            f"num_individual must be one number, or one for each of {len(sizes)} views; got {len(numbers)}"
        )
    for size, number in zip(sizes, numbers, strict=True):
        if not 1 <= number <= size - num_common:
            raise ValueError(
                f"num_individual must be in [1, {size - num_common}] for a view of width {size} with {num_common} "
                f"common variates; got {number}"
            )
