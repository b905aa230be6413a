"""Room correlation: canonical correlation analysis of any number of views in closed form."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from mmjax.correlation._cca import CCA, inverse_root, leading_signs, variates
from mmjax.correlation._moments import Moments, check_views, covariance, moments, widths
from mmjax.numerics import nan_unless


def gcca(views: Sequence[Array], num_components: int, *, ridge: ArrayLike = 0.0, shrinkage: ArrayLike = 0.0) -> CCA:
    """Find components that all views predict best (generalised CCA, MAXVAR: Kettenring 1971).

    Components G (n, num_components), orthonormal, that maximise sum_k |P_k G|^2, P_k the projection onto view k:
    eigenvectors of the D x D matrix of whitened covariances. `weights` are those of the least-squares prediction of
    sqrt(n - 1) G from each view, and `correlations` hold lambda, the sum over the views of the squared correlation with
    the component; for two views lambda = 1 + rho.

    Args:
      views: K >= 2 arrays (n, d_k), the same samples.
      num_components: in [1, D], D = sum_k d_k; static.
      ridge: as in `cca`.
      shrinkage: as in `cca`.

    Returns:
      the directions, `correlations` in [0, K]; the rank is that of all views together. `consensus` gives the
      components of new samples. Not differentiable.

    Raises:
      ValueError: if views differ in length, or `num_components` is out of range.
    """
    check_views(views, least=2)
    return gcca_of(moments(views), num_components, ridge=ridge, shrinkage=shrinkage)


def gcca_of(of: Moments, num_components: int, *, ridge: ArrayLike = 0.0, shrinkage: ArrayLike = 0.0) -> CCA:
    """Do as `gcca` with the moments of the views: for data read in parts, weighted, or spread over devices."""
    directions, values, rank = _generalised(of, num_components, ridge, shrinkage)
    return _signed(directions, jnp.sqrt(values), of, values, rank)


def mcca(views: Sequence[Array], num_components: int, *, ridge: ArrayLike = 0.0, shrinkage: ArrayLike = 0.0) -> CCA:
    """Find directions whose variates sum up to the largest variance (multiset CCA: Nielsen 2002).

    C w = lambda D w, C the covariance of all views and D its diagonal blocks, with w^T D w = K: variates of the views
    have mean variance 1, without ridge and shrinkage. Directions are those of `gcca`, in another scale. With shrinkage
    the variances of views count in C, so that those of two views are not quite those of `cca` shrunk alike.

    Args:
      views: K >= 2 arrays (n, d_k), the same samples.
      num_components: in [1, D]; static.
      ridge: as in `cca`.
      shrinkage: as in `cca`.

    Returns:
      the directions, `correlations` holding lambda in [0, K]. Not differentiable.

    Raises:
      ValueError: if views differ in length, or `num_components` is out of range.
    """
    check_views(views, least=2)
    of = moments(views)
    directions, values, rank = _generalised(of, num_components, ridge, shrinkage)
    return _signed(directions, jnp.full_like(values, len(views) ** 0.5), of, values, rank)


def consensus(fit: CCA, views: Sequence[Array | None]) -> Array:
    """Return the components of new samples that the views agree on: sum_k predictions over their mean lambda.

    G = sum_k (x_k - mean) @ weights / lambda over all K views of `gcca`; where views are missing, the mean of the
    predictions of those that are there takes the place of the mean of all (ours).

    Args:
      fit: of `gcca`.
      views: K arrays (m, d_k); None for a view that is missing, not all.

    Returns:
      (m, num_components), of variance 1 on the data of the fit; components without data (lambda = 0) are 0.

    Raises:
      ValueError: if all views are missing, or their number or width is wrong.
    """
    there = [z for z in variates(fit, views) if z is not None]
    if not there:
        raise ValueError(f"all {len(views)} views are missing")
    mean = sum(there[1:], there[0]) / len(there)
    found = fit.correlations > 0
    return mean * jnp.where(found, len(views) / jnp.where(found, fit.correlations, 1), 0)[None]


def _generalised(
    of: Moments, num_components: int, ridge: ArrayLike, shrinkage: ArrayLike
) -> tuple[list[Array], Array, Array]:
    """Return directions of each view, with w^T D w = 1 over all views, eigenvalues, and the rank."""
    sizes = widths(of)
    if not 1 <= num_components <= sum(sizes):
        raise ValueError(f"num_components must be in [1, {sum(sizes)}] for widths {sizes}; got {num_components}")
    of = jax.lax.stop_gradient(of)
    roots = [inverse_root(covariance(of, i, i), ridge, shrinkage) for i in range(len(sizes))]
    white = jnp.block(
        [[r1 @ covariance(of, i, j) @ r2 for j, (r2, _) in enumerate(roots)] for i, (r1, _) in enumerate(roots)]
    )
    values, vectors = jnp.linalg.eigh(white)
    rounding = sum(sizes) * jnp.finfo(values.dtype).eps * values[-1]
    rank = jnp.sum(values > rounding)
    values, vectors = values[::-1][:num_components], vectors[:, ::-1][:, :num_components]
    values = nan_unless(jnp.all(jnp.isfinite(of.scatter)), jnp.where(values > rounding, values, 0))
    parts = jnp.split(vectors, np.cumsum(sizes)[:-1])
    return [root @ part for (root, _), part in zip(roots, parts, strict=True)], values, rank


def _signed(directions: list[Array], scale: Array, of: Moments, values: Array, rank: Array) -> CCA:
    kept = jnp.where(values > 0, scale * leading_signs(directions[0]), 0)
    return CCA(tuple(w * kept[None] for w in directions), of.means, values, rank)
