"""Room correlation: canonical correlation analysis of two views in closed form, from their moments."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.correlation._moments import Moments, check_views, covariance, moments, widths
from mmjax.numerics import nan_unless


class CCA(NamedTuple):
    """Canonical directions; a tree of arrays, so any checkpoint keeps it."""

    weights: tuple[Array, ...]
    """Of each view (d_k, num_components): variates (x - mean) @ weights have variance 1 (without ridge and shrinkage)
    and, of two views, covariance diag(correlations) with each other."""
    means: tuple[Array, ...]
    """Of each view (d_k,)."""
    correlations: Array
    """(num_components,), falling, in [0, 1]; of the regularised problem."""
    rank: Array
    """How many pairs of directions the data have: those beyond are 0, and their correlations too."""


def cca(x: Array, y: Array, num_components: int, *, ridge: ArrayLike = 0.0, shrinkage: ArrayLike = 0.0) -> CCA:
    """Find the directions of two views that correlate most (Hotelling 1936).

    Singular value decomposition of S11^-1/2 S12 S22^-1/2, with (1 - c) S_kk + c I + r tr(S_kk) / d_k I in the place of
    S_kk. Directions without variance, up to rounding, are left out, so data of low rank and more features than samples
    are welcome, although correlations of 1 then mean nothing. The sign: of each first direction the entry that is
    largest in absolute value is positive.

    Args:
      x: first view (n, d1).
      y: second view (n, d2), the same samples.
      num_components: how many pairs of directions, in [1, min(d1, d2)]; static.
      ridge: r, at least 0, relative to the mean variance, so it does not depend on units.
      shrinkage: c in [0, 1], relative to 1, for views in units of their own: 1 is partial least squares.

    Returns:
      the directions. `correlations` are differentiable in the sense of `mmjax.linalg.ky_fan_norm` by `trace_norm`;
      nothing here is.

    Raises:
      ValueError: if views differ in length, or `num_components` is out of range.
    """
    check_views((x, y))
    return cca_of(moments((x, y)), num_components, ridge=ridge, shrinkage=shrinkage)


def cca_of(of: Moments, num_components: int, *, ridge: ArrayLike = 0.0, shrinkage: ArrayLike = 0.0) -> CCA:
    """Do as `cca` with the moments of two views: for data read in parts, weighted, or spread over devices."""
    sizes = widths(of)
    if len(sizes) != 2 or not 1 <= num_components <= min(sizes):
        raise ValueError(
            f"cca takes two views and num_components in [1, {min(sizes)}]; got {len(sizes)} views, {num_components}"
        )
    of = jax.lax.stop_gradient(of)
    (root1, rank1), (root2, rank2) = (inverse_root(covariance(of, i, i), ridge, shrinkage) for i in range(2))
    u, correlations, vt = jnp.linalg.svd(root1 @ covariance(of, 0, 1) @ root2, full_matrices=False)
    rank = jnp.minimum(rank1, rank2)
    there = jnp.arange(num_components) < rank
    weights = root1 @ u[:, :num_components], root2 @ vt[:num_components].T
    sign = leading_signs(weights[0])
    kept = jnp.where(there, sign, 0)
    correlations = jnp.where(there, jnp.minimum(correlations[:num_components], 1), 0)
    correlations = nan_unless(jnp.all(jnp.isfinite(of.scatter)), correlations)
    return CCA(tuple(w * kept[None] for w in weights), of.means, correlations, rank)


def variates(fit: CCA, views: Sequence[Array | None]) -> tuple[Array | None, ...]:
    """Map new samples to their canonical variates.

    Args:
      fit: directions of K views, of `cca`, `gcca` or `mcca`.
      views: K arrays (m, d_k); None for a view that is missing.

    Returns:
      of each view (m, num_components), None where it is missing. Differentiable in the views.

    Raises:
      ValueError: if there are not K views, or one has another width.
    """
    if len(views) != len(fit.weights):
        raise ValueError(f"{len(fit.weights)} views were fitted; got {len(views)}, None standing for a missing one")
    for view, mean in zip(views, fit.means, strict=True):
        if view is not None and (view.ndim != 2 or view.shape[1] != mean.shape[0]):
            raise ValueError(f"a view of width {mean.shape[0]} was fitted; got samples of shape {view.shape}")
    return tuple(
        None if view is None else projected(view, mean, weights)
        for view, mean, weights in zip(views, fit.means, fit.weights, strict=True)
    )


def projected(view: Array, mean: Array, weights: Array) -> Array:
    """Return (view - mean) @ weights."""
    return (view - mean[None]) @ weights


def inverse_root(covariance: Array, ridge: ArrayLike, shrinkage: ArrayLike = 0.0) -> tuple[Array, Array]:
    """Return the symmetric inverse root of a regularised covariance, 0 where there is no variance, and its rank.

    By eigenvectors, for closed forms only: it must not be differentiated.
    """
    identity = jnp.eye(covariance.shape[0], dtype=covariance.dtype)
    ridge, shrinkage = (jnp.asarray(x, covariance.dtype) for x in (ridge, shrinkage))
    added = ridge * jnp.trace(covariance) / covariance.shape[0] + shrinkage
    values, vectors = jnp.linalg.eigh((1 - shrinkage) * covariance + added * identity)
    rounding = covariance.shape[0] * jnp.finfo(covariance.dtype).eps * values[-1]
    there = values > jnp.maximum(rounding, 0)
    roots = jnp.where(there, jax.lax.rsqrt(jnp.where(there, values, 1)), 0)
    return (vectors * roots[None]) @ vectors.T, jnp.sum(there)


def leading_signs(weights: Array) -> Array:
    """Return the signs (k,) that make the entry of each column that is largest in absolute value positive."""
    largest = jnp.argmax(jnp.abs(weights), axis=0)
    return jnp.where(jnp.take_along_axis(weights, largest[None], axis=0)[0] < 0, -1, 1).astype(weights.dtype)
