"""Room estimators: informations of jointly Gaussian variables in closed form, and from samples."""

import functools

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import digamma, ndtri

from mmjax.estimators._block_correlation import block_correlation, log_determinant
from mmjax.estimators._estimator import estimator
from mmjax.numerics import as_floats, nan_unless


@functools.partial(jax.jit, static_argnames="sizes")
def gaussian_information(covariance: Array, sizes: tuple[int, int]) -> Array:
    """Return I(X;Y) of jointly Gaussian X and Y.

    I = 1/2 [log det C_xx + log det C_yy - log det C] = -1/2 sum log(1 - rho_i^2) over the canonical correlations.

    Args:
      covariance: (d, d) of (x, y), d = sum of `sizes`.
      sizes: the dimensions of x and of y, static.

    Returns:
      a scalar in nats. Features without variance, alone or given their block, add nothing. inf where some
      direction of y is a function of x up to 8 d eps of its variance. NaN where `covariance` is none.

    Raises:
      ValueError: if there are not two sizes, or they do not sum to d.

    Differentiable any number of times where finite, along directions that keep the ranks of the blocks.
    """
    if len(sizes) != 2:
        raise ValueError(f"expected two sizes, of x and of y; got {sizes}")
    return gaussian_total_correlation(covariance, sizes)


@functools.partial(jax.jit, static_argnames="sizes")
def gaussian_total_correlation(covariance: Array, sizes: tuple[int, ...] | None = None) -> Array:
    """Return sum_m H(X_m) - H(X_1,...,X_M) of jointly Gaussian blocks.

    1/2 [sum_m log det C_mm - log det C] (Watanabe 1960). For two blocks it is their mutual information.

    Args:
      covariance: (d, d) of all variables.
      sizes: the dimensions of consecutive blocks, static; None takes every variable for itself.

    Returns:
      a scalar in nats; as in `gaussian_information` for singular input.

    Raises:
      ValueError: if the sizes do not sum to d.

    Differentiable as `gaussian_information`.
    """
    return _total(_correlation(covariance, sizes)[0])


@functools.partial(jax.jit, static_argnames="sizes")
def gaussian_dual_total_correlation(covariance: Array, sizes: tuple[int, ...] | None = None) -> Array:
    """Return H(X_1,...,X_M) - sum_m H(X_m | the others) of jointly Gaussian blocks.

    With R the correlation of the whitened blocks: 1/2 [log det R + sum_m log det (R^-1)_mm].

    Args:
      covariance: (d, d) of all variables.
      sizes: the dimensions of consecutive blocks, static; None takes every variable for itself.

    Returns:
      a scalar in nats. inf where the blocks determine a direction of one another; NaN where `covariance` is none.

    Raises:
      ValueError: if the sizes do not sum to d.

    Differentiable as `gaussian_information`.
    """
    return _dual(*_correlation(covariance, sizes))


@functools.partial(jax.jit, static_argnames="sizes")
def gaussian_o_information(covariance: Array, sizes: tuple[int, ...] | None = None) -> Array:
    """Return the O-information of jointly Gaussian blocks: total minus dual total correlation.

    Positive where redundancy dominates, negative where synergy does (Rosas, Mediano, Gastpar, Jensen 2019,
    arXiv 1902.11239); 0 for two blocks, I(X1;X2) - I(X1;X2|X3) for three.

    Args:
      covariance: (d, d) of all variables.
      sizes: the dimensions of consecutive blocks, static; None takes every variable for itself.

    Returns:
      a scalar in nats; NaN where the blocks determine a direction of one another, and where `covariance` is none.

    Raises:
      ValueError: if the sizes do not sum to d.

    Differentiable as `gaussian_information`.
    """
    matrix, sizes = _correlation(covariance, sizes)
    return _total(matrix) - _dual(matrix, sizes)


@estimator(side=None)
def gaussian_information_from_samples(x: Array, y: Array) -> Array:
    """Estimate I(X;Y) of jointly Gaussian X and Y, without bias.

    `gaussian_information` of the sample covariance minus `gaussian_information_bias`: unbiased for independent
    Gaussian samples of unknown mean. For other distributions it is the information of the Gaussian with their
    covariance, which may lie on either side of I(X;Y) (`is_bound` is False).

    Args:
      x: samples (n, d1), or (n,) for one dimension.
      y: samples (n, d2) or (n,) of the same n.

    Returns:
      a scalar in nats, of either sign. NaN where a sample is not finite or n <= d1 + d2, dimensions without
      variance not counted.

    Differentiable as `gaussian_information`.
    """
    x, y = _columns(x, y)
    covariance, sizes = sample_covariance(x, y), (x.shape[1], y.shape[1])
    first, second = block_correlation(covariance, sizes).ranks
    bias = gaussian_information_bias(x.shape[0], first, second, max_rank=sizes[1])
    return gaussian_information(covariance, sizes) - bias


@estimator(side=None)
def gaussian_copula_information(x: Array, y: Array) -> Array:
    """Estimate I(X;Y) from ranks: every feature is given normal scores, then taken for Gaussian.

    `gaussian_information_from_samples` of `normal_scores` (Ince, Giordano, Kayser, Rousselet, Gross, Schyns 2017,
    Human Brain Mapping 38), with the same correction, which is not exact for scores. Invariant under increasing
    maps of each feature. For one-dimensional x and y of continuous distribution its limit is a lower bound on
    I(X;Y): of all pairs with Gaussian margins and a given correlation the Gaussian has the least information. For
    more dimensions that needs each block's own copula to be Gaussian, and without it the limit is no bound. An
    estimate from samples is a bound at no n (`is_bound` is False).

    Args:
      x: samples (n, d1), or (n,) for one dimension.
      y: samples (n, d2) or (n,) of the same n.

    Returns:
      a scalar in nats, of either sign. A constant feature adds nothing. NaN as in
      `gaussian_information_from_samples`.

    Ranks are piecewise constant: gradients are 0.
    """
    x, y = _columns(x, y)
    return gaussian_information_from_samples(normal_scores(x), normal_scores(y))


@jax.jit
def normal_scores(x: Array) -> Array:
    """Replace each feature by the normal quantiles of its ranks: Phi^-1(rank / (n + 1)), ties sharing their mean rank.

    Args:
      x: samples (n, d).

    Returns:
      (n, d); NaN in every row of a feature that has a sample which is NaN. Gradients are 0.
    """
    chex.assert_rank(x, 2)
    (x,) = as_floats(jax.lax.stop_gradient(x))

    def scores(feature: Array) -> Array:
        ordered = jnp.sort(feature)
        below = jnp.searchsorted(ordered, feature, side="left") + jnp.searchsorted(ordered, feature, side="right")
        quantiles = (below.astype(x.dtype) + 1) / (2 * (feature.size + 1))
        return nan_unless(~jnp.any(jnp.isnan(feature)), ndtri(quantiles))

    return jax.vmap(scores, in_axes=1, out_axes=1)(x)


@functools.partial(jax.jit, static_argnames=("num_samples", "max_rank"))
def gaussian_information_bias(num_samples: int, rank1: Array, rank2: Array, *, max_rank: int) -> Array:
    """Return the bias of the information of a sample covariance, over independent Gaussian samples.

    The determinant of a sample covariance of rank r is det C times a product of r independent chi-squared
    variables of n-1,...,n-r degrees of freedom over n-1, and E log chi2_k = log 2 + psi(k/2). Hence
    E log det S - log det C = sum_{i<=r} psi((n-i)/2) + r log(2/(n-1)) (Cai, Liang, Zhou 2015 study
    its limits), and the bias of I is 1/2 sum_{i<=r2} [psi((n-i)/2) - psi((n-r1-i)/2)]. It does not
    depend on the truth.

    Args:
      num_samples: n, independent samples of unknown mean.
      rank1: scalar, the dimension r1 of x; a float, may be traced.
      rank2: scalar, the dimension r2 of y.
      max_rank: static, at least `rank2`.

    Returns:
      a scalar >= 0 in nats; NaN where n <= r1 + r2.
    """
    rank1, rank2 = as_floats(rank1, rank2)
    index = jnp.arange(1, max_rank + 1, dtype=rank1.dtype)
    counted = index <= rank2
    degrees = jnp.where(counted, num_samples - rank1 - index, 1)
    terms = digamma((num_samples - index) / 2) - digamma(jnp.where(degrees > 0, degrees, 1) / 2)
    return nan_unless(jnp.all(degrees > 0), jnp.sum(jnp.where(counted, terms, 0)) / 2)


@jax.jit
def sample_covariance(*blocks: Array) -> Array:
    """Return the unbiased covariance of paired samples, laid side by side.

    Args:
      *blocks: samples (n, d_b), or (n,) for one dimension, of the same n.

    Returns:
      (d, d), d the sum of the d_b: 0, not rounding, for constant features; NaN for n = 1.

    Differentiable any number of times.
    """
    x = jnp.concatenate(_columns(*blocks), axis=1)
    centred = x - x[:1]
    centred -= jnp.mean(centred, axis=0, keepdims=True)
    return centred.T @ centred / jnp.asarray(x.shape[0] - 1, x.dtype)


def _columns(*blocks: Array) -> list[Array]:
    columns = [z[:, None] if z.ndim == 1 else z for z in as_floats(*blocks)]
    chex.assert_rank(columns, 2)
    chex.assert_equal_shape_prefix(columns, 1)
    return columns


def _correlation(covariance: Array, sizes: tuple[int, ...] | None) -> tuple[Array, tuple[int, ...]]:
    (covariance,) = as_floats(covariance)
    chex.assert_rank(covariance, 2)
    sizes = (1,) * covariance.shape[0] if sizes is None else sizes
    return block_correlation(covariance, sizes).matrix, sizes


def _total(matrix: Array) -> Array:
    return -log_determinant(matrix) / 2


def _dual(matrix: Array, sizes: tuple[int, ...]) -> Array:
    log_det = log_determinant(matrix)
    singular = jnp.isneginf(log_det)
    inverse = jnp.linalg.inv(jnp.where(singular, jnp.eye(matrix.shape[0], dtype=matrix.dtype), matrix))
    own = jnp.zeros_like(log_det)
    start = 0
    for size in sizes:
        own += jnp.linalg.slogdet(inverse[start : start + size, start : start + size])[1]
        start += size
    return jnp.where(singular, jnp.inf, (log_det + own) / 2)
