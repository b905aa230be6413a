"""Room correlation: how alike two representations of the same samples are, linearly and not."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from mmjax.correlation._moments import centred, check_views

LEAST_DEBIASED = 4
"""Samples below which an unbiased estimate of HSIC does not exist."""


def cka(x: Array, y: Array, *, debias: bool = False) -> Array:
    """Return the linear centred kernel alignment (Kornblith, Norouzi, Lee, Hinton 2019, arXiv 1905.00414).

    |S12|_F^2 / (|S11|_F |S22|_F): the HSIC of linear kernels over the root of those of each side with itself. It does
    not change under orthogonal maps and isotropic scales of either side. Independent representations have a value of
    about sqrt(d1 d2) / n when these are white; debiased, each HSIC is the U-statistic of `hsic` and they have about 0.

    Args:
      x: (n, d1), at least 2 samples, debiased 4.
      y: (n, d2), the same samples.
      debias: whether to take unbiased estimates of all three HSIC.

    Returns:
      the alignment, in [0, 1], debiased in [-1, 1]; 0 for a representation that is constant. Differentiable.

    Raises:
      ValueError: if there are fewer samples.
    """
    check_views((x, y))
    _check_count(x.shape[0], debias)
    x, y = (_unit(view) for view in centred((x, y)))
    within = [_over(_linear(z, z, debias), 16 * _rounding(z) * jnp.sum(_squares(z) ** 2)) for z in (x, y)]
    return _aligned(_linear(x, y, debias), *within)


def hsic(kernel1: Array, kernel2: Array, *, debias: bool = True) -> Array:
    """Return the Hilbert-Schmidt independence criterion of samples with two kernels.

    Debiased, the U-statistic (Song, Smola, Gretton, Bedo, Borgwardt 2012), here as the sum over i != j of the products
    of U-centred kernels over n (n - 3) (Szekely, Rizzo 2014); else tr(K H L H) / (n - 1)^2 (Gretton, Bousquet, Smola,
    Schoelkopf 2005), whose bias is of the order of 1 / n.

    Args:
      kernel1: K (n, n), symmetric, such as of `gaussian_kernel`; at least 2 samples, debiased 4.
      kernel2: L (n, n), of the same samples.
      debias: whether to take the U-statistic; it does not read the diagonals.

    Returns:
      the criterion, at least 0 for positive semidefinite kernels, debiased of any sign; 0 where a kernel is constant,
      up to rounding. Differentiable to any order.

    Raises:
      ValueError: if there are fewer samples.
    """
    chex.assert_rank((kernel1, kernel2), 2)
    num_samples = kernel1.shape[0]
    chex.assert_shape((kernel1, kernel2), (num_samples, num_samples))
    _check_count(num_samples, debias)
    product = _centred_kernel(kernel1, debias) * _centred_kernel(kernel2, debias)
    return jnp.sum(product) / float(num_samples * (num_samples - 3) if debias else (num_samples - 1) ** 2)


def gaussian_kernel(x: Array, bandwidth: ArrayLike | None = None) -> Array:
    """Return the kernel matrix exp(-|x_i - x_j|^2 / (2 s^2)).

    Args:
      x: samples (n, d), at least 2.
      bandwidth: s, above 0. None takes the median distance of two samples, held constant under derivatives; the mean
        distance where the median is 0.

    Returns:
      (n, n), in [0, 1], 1 on the diagonal; all 1 where samples are all the same. Differentiable.

    Raises:
      ValueError: if there are fewer samples.
    """
    check_views((x,))
    _check_count(x.shape[0], debias=False)
    (x,) = centred((x,))
    squared = _squared_distances(x)
    width = _median_distance(squared) if bandwidth is None else jnp.asarray(bandwidth, x.dtype)
    return jnp.exp(-squared / (2 * width**2))


def distance_correlation(x: Array, y: Array, *, debias: bool = True) -> Array:
    """Return the squared distance correlation, which is 0 for independent variables only.

    The ratio of `cka` with distances for kernels (Szekely, Rizzo, Bakirov 2007); debiased, with their bias-corrected
    distance covariances (Szekely, Rizzo 2013). It is the square in both cases, since the corrected one may be negative
    and a root has no derivative at 0. It does not change under orthogonal maps, shifts and isotropic scales. Its
    derivatives take memory for n^2 d numbers.

    Args:
      x: (n, d1), at least 2 samples, debiased 4.
      y: (n, d2), the same samples.
      debias: whether to correct the bias.

    Returns:
      the square, in [0, 1], debiased in [-1, 1]; 0 for a representation that is constant. Differentiable, but for
      kinks where samples coincide, where it has a subgradient.

    Raises:
      ValueError: if there are fewer samples.
    """
    check_views((x, y))
    _check_count(x.shape[0], debias)
    distances = [_distances(_unit(view)) for view in centred((x, y))]
    within = [_over(hsic(d, d, debias=debias), (16 * _rounding(d)) ** 2 * jnp.mean(d**2)) for d in distances]
    return _aligned(hsic(*distances, debias=debias), *within)


def svcca(x: Array, y: Array, *, share: float = 0.99) -> Array:
    """Return the mean canonical correlation of the principal components of each side (SVCCA).

    Of each side, the fewest components that hold the share of its variance; the mean is over as many correlations as
    the side with fewer components has (Raghu, Gilmer, Yosinski, Sohl-Dickstein 2017, arXiv 1706.05806). It needs many
    more samples than components: with n - 1 or fewer of these together, it may be 1 whatever the data.

    Args:
      x: (n, d1), at least 2 samples.
      y: (n, d2), the same samples.
      share: in (0, 1]; static.

    Returns:
      the mean, in [0, 1]; 0 for a representation that is constant. Not differentiable.

    Raises:
      ValueError: if there are fewer samples, or the share is out of range.
    """
    check_views((x, y))
    _check_count(x.shape[0], debias=False)
    if not 0 < share <= 1:
        raise ValueError(f"the share of variance to keep must be in (0, 1]; got {share}")
    (u1, rank1), (u2, rank2) = (_components(_unit(view), share) for view in jax.lax.stop_gradient(centred((x, y))))
    cross = jnp.matmul(u1.T, u2, precision=jax.lax.Precision.HIGHEST)
    correlations = jnp.minimum(jnp.linalg.svd(cross, compute_uv=False), 1)
    return jnp.sum(correlations) / jnp.maximum(jnp.minimum(rank1, rank2), 1)


def _unit(x: Array) -> Array:
    """Divide by the largest absolute entry, so that fourth powers stay in range; for what no scale changes."""
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(x)))
    return x / jnp.where(largest > 0, largest, 1)


def _linear(x: Array, y: Array, debias: bool) -> Array:
    """Return HSIC of linear kernels of centred x and y, times (n - 1)^2 or, debiased, n (n - 3).

    Debiased with a = |x_i|^2, b = |y_i|^2: |X^T Y|_F^2 - n/(n-2) sum a b + sum a sum b / ((n-1)(n-2)).
    """
    n = x.shape[0]
    total = _gram_product(x, y)
    if not debias:
        return total
    a, b = _squares(x), _squares(y)
    return total - n / (n - 2) * jnp.sum(a * b) + jnp.sum(a) * jnp.sum(b) / float((n - 1) * (n - 2))


def _gram_product(x: Array, y: Array) -> Array:
    """Return |X^T Y|_F^2 = <X X^T, Y Y^T>, by whichever matrices are smaller."""

    def product(a: Array, b: Array) -> Array:
        return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)

    if x.shape[0] ** 2 < x.shape[1] * y.shape[1]:
        return jnp.sum(product(x, x.T) * product(y, y.T))
    return jnp.sum(product(x.T, y) ** 2)


def _aligned(cross: Array, within1: Array, within2: Array) -> Array:
    """Return cross / sqrt(within1 within2), 0 where one of these is 0, and NaN where anything is."""
    none = (within1 == 0) | (within2 == 0)
    root1, root2 = (jnp.sqrt(jnp.where(none, 1, within)) for within in (within1, within2))
    return cross * jnp.where(none, 0, 1 / (root1 * root2))


def _over(value: Array, rounding: Array) -> Array:
    """Return a value, 0 where it is no more than rounding."""
    return jnp.where(value <= rounding, 0, value)


def _centred_kernel(kernel: Array, debias: bool) -> Array:
    """Subtract the means of rows and columns, or U-centre: unbiased means, of what is off the diagonal alone."""
    n = kernel.shape[0]
    if not debias:
        rows = jnp.mean(kernel, axis=1)
        return kernel - rows[:, None] - rows[None] + jnp.mean(rows)
    diagonal = jnp.eye(n, dtype=bool)
    rows = jnp.sum(jnp.where(diagonal, 0, kernel), axis=1) / (n - 2)
    return jnp.where(diagonal, 0, kernel - rows[:, None] - rows[None] + jnp.sum(rows) / (n - 1))


def _squared_distances(x: Array) -> Array:
    """Return (n, n), from differences: by inner products, samples that coincide would not have 0."""
    return jnp.sum((x[:, None] - x[None]) ** 2, axis=-1)


def _distances(x: Array) -> Array:
    squared = _squared_distances(x)
    same = squared == 0
    return jnp.where(same, 0, jnp.sqrt(jnp.where(same, 1, squared)))


def _median_distance(squared: Array) -> Array:
    pairs = jnp.sqrt(jax.lax.stop_gradient(squared)[np.triu_indices(squared.shape[0], 1)])
    median, mean = jnp.median(pairs), jnp.mean(pairs)
    return jnp.where(median > 0, median, jnp.where(mean > 0, mean, 1))


def _components(x: Array, share: float) -> tuple[Array, Array]:
    """Return the principal components of centred data, scaled to norm 1, 0 beyond the share, and their number."""
    u, values, _ = jnp.linalg.svd(x, full_matrices=False)
    variances = values**2
    before = jnp.cumsum(variances) - variances
    beyond = (before >= share * jnp.sum(variances)) | (values <= max(x.shape) * _rounding(x) * values[0])
    return jnp.where(beyond[None], 0, u), jnp.sum(~beyond).astype(u.dtype)


def _squares(x: Array) -> Array:
    return jnp.sum(x**2, axis=1)


def _rounding(x: Array) -> float:
    return float(jnp.finfo(x.dtype).eps)


def _check_count(num_samples: int, debias: bool) -> None:
    least = LEAST_DEBIASED if debias else 2
    if num_samples < least:
        kind = "an estimate without bias" if debias else "this"
        raise ValueError(f"{kind} takes n of at least {least} samples; got n = {num_samples}")
