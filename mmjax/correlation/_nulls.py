"""Room correlation: which canonical correlations are more than chance, on the data that they were fitted to."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.linalg import eigh_tridiagonal
from jax.typing import ArrayLike

from mmjax.correlation._cca import cca_of, inverse_root
from mmjax.correlation._moments import check_views, covariance, moments

CHUNK = 16
"""Permutations or draws at a time."""
MOST_PACKED = 2**16
"""Samples whose index leaves half of a word to random bits."""


class CanonicalTest(NamedTuple):
    """Canonical correlations beside what chance gives."""

    correlations: Array
    """(num_components,), falling, in [0, 1]."""
    p_values: Array
    """(num_components,), not falling: of the hypothesis that no correlation from this one on is there."""
    null: Array
    """(num_permutations, num_components): largest correlations of the permuted rest."""


def permutation_test(
    key: Array, x: Array, y: Array, num_components: int, *, num_permutations: int = 999
) -> CanonicalTest:
    """Test canonical correlations one after the other by permutations of what is left (Winkler et al. 2020).

    For the j-th, the first j - 1 pairs of canonical variates are taken out of both views before the pairing of the
    samples is permuted (Winkler, Renaud, Smith, Nichols 2020, arXiv 2002.10046): permuting all of them would compare
    the second correlation with the second of pure noise, though the first is not noise, and reject too often. The
    statistic is the largest correlation of the rest; p-values count the data as one of the permutations, and each is at
    least that of the correlation before, so all tests together err no more often than one.

    Variates are whitened once, which permutations do not change: a permutation costs one product of d1 by n by d2.
    Orders are drawn by one sort, in which a few samples tie and stay as they were (`random_order`). p-values hold as
    with uniform ones: one more order of the same law is undone before each, so that data and permuted data are
    exchangeable wherever samples are, whatever the law (Besag, Clifford 1989, Biometrika 76; Ramdas, Barber, Candes,
    Tibshirani 2023, arXiv 2204.13581).

    Pairs of variates may be related nonlinearly: what is tested is linear. Samples must be exchangeable: not so for
    series in time, or several samples of a person.

    Args:
      key: PRNG key of the permutations.
      x: first view (n, d1), of more samples than d1 + d2.
      y: second view (n, d2).
      num_components: how many correlations are tested, in [1, min(d1, d2)]; static.
      num_permutations: static; the smallest p-value is 1 / (num_permutations + 1).

    Returns:
      the test. Directions without variance have correlation 0. Not differentiable.

    Raises:
      ValueError: if there are too few samples, or a number is out of range.
    """
    check_views((x, y))
    sizes = x.shape[1], y.shape[1]
    if x.shape[0] <= sum(sizes):
        raise ValueError(
            f"{x.shape[0]} samples of {sizes[0]} and {sizes[1]} features correlate perfectly; reduce these"
        )
    if not 1 <= num_components <= min(sizes) or num_permutations < 1:
        raise ValueError(
            f"num_components must be in [1, {min(sizes)}] and num_permutations at least 1; got {num_components} and "
            f"{num_permutations}"
        )
    white1, white2 = _canonical_variates(x, y)
    num_samples = x.shape[0]
    keys = jax.random.split(key, num_permutations + 1)
    start = white2.T[:, jnp.argsort(random_order(keys[0], num_samples))]

    def largest(key: Array) -> Array:
        permuted = start.at[:, random_order(key, num_samples)].get(mode="promise_in_bounds", unique_indices=True)
        cross = permuted @ white1
        # One call for all: many calls of LAPACK at once can block each other for good on a CPU of few cores.
        return jax.vmap(spectral_norm)(_remainders(cross, num_components))

    correlations = jnp.diagonal(white1.T @ white2)[:num_components]
    null = jax.lax.map(largest, keys[1:], batch_size=CHUNK)
    above = jnp.sum(null >= correlations[None] * (1 - 16 * jnp.finfo(null.dtype).eps), axis=0)
    p_values = jax.lax.cummax((above + 1) / (num_permutations + 1))
    return CanonicalTest(correlations, jnp.where(jnp.isnan(correlations), jnp.nan, p_values), null)


def bootstrapped_correlations(
    key: Array, x: Array, y: Array, num_components: int, *, num_draws: int = 200, ridge: ArrayLike = 0.0
) -> Array:
    """Draw the canonical correlations of resampled data (Efron 1979).

    Each draw fits again, with samples weighted by how often they were drawn. Canonical correlations are biased upwards,
    and those of resampled data more so: the draws show how far the fit is settled, not where the truth is; for that,
    correlate the variates of new samples (`variate_correlations`).

    Args:
      key: PRNG key.
      x: first view (n, d1).
      y: second view (n, d2).
      num_components: how many correlations, in [1, min(d1, d2)]; static.
      num_draws: static.
      ridge: as in `cca`.

    Returns:
      (num_draws, num_components). Not differentiable.
    """
    check_views((x, y))
    num_samples = x.shape[0]

    def one(key: Array) -> Array:
        drawn = jax.random.randint(key, (num_samples,), 0, num_samples)
        weight = jnp.zeros(num_samples, x.dtype).at[drawn].add(1)
        return cca_of(moments((x, y), weight=weight), num_components, ridge=ridge).correlations

    return jax.lax.map(one, jax.random.split(key, num_draws), batch_size=CHUNK)


def variate_correlations(variates: Sequence[Array]) -> Array:
    """Return the correlation of each component between views, the mean over pairs of views.

    Of new samples it is what canonical correlations estimate too highly on the samples of the fit.

    Args:
      variates: of K >= 2 views (n, num_components).

    Returns:
      (num_components,), in [-1, 1]; 0 where a variate is constant. Differentiable.
    """
    check_views(variates, least=2)
    of = moments(variates)
    scales = [jnp.sqrt(jnp.diagonal(covariance(of, k, k))) for k in range(len(variates))]

    def correlation(i: int, j: int) -> Array:
        product = scales[i] * scales[j]
        varies = product > 0
        return jnp.where(varies, jnp.diagonal(covariance(of, i, j)) / jnp.where(varies, product, 1), 0)

    pairs = [correlation(i, j) for i in range(len(variates)) for j in range(i)]
    return jnp.mean(jnp.stack(pairs), axis=0)


def random_order(key: Array, num_samples: int) -> Array:
    """Return a random order of 0, ..., n - 1, almost uniform, in an eighth of the time of `jax.random.permutation`.

    Sorting words of random bits above an index needs no second operand. Samples whose bits tie keep their order: of
    2000, whose index leaves 21 bits, about one pair.
    """
    if num_samples > MOST_PACKED:
        return jax.random.permutation(key, num_samples)
    below = jnp.uint32((1 << (num_samples - 1).bit_length()) - 1)
    bits = jax.random.bits(key, (num_samples,), jnp.uint32)
    words = (bits & ~below) | jnp.arange(num_samples, dtype=jnp.uint32)
    return (jax.lax.sort(words) & below).astype(jnp.int32)


def _remainders(cross: Array, num_components: int) -> Array:
    """Return a matrix without its first 0, 1, ... rows and columns, which are zeros: (num_components, d2, d1)."""
    first = jnp.arange(num_components)[:, None]
    rows, columns = (jnp.arange(size)[None] >= first for size in cross.shape)
    return jnp.where(rows[:, :, None] & columns[:, None], cross[None], 0)


def spectral_norm(matrix: Array) -> Array:
    """Return the largest singular value: on a CPU by bisection, in about half the time of all of them."""
    return jax.lax.platform_dependent(matrix, cpu=_by_bisection, default=lambda m: jnp.linalg.norm(m, ord=2))


def _by_bisection(matrix: Array) -> Array:
    """Return the root of the largest eigenvalue of the products of columns; only small ones suffer from products."""
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    _, diagonal, beside, _ = jax.lax.linalg.tridiagonal(tall.T @ tall)
    last = tall.shape[1] - 1
    values = eigh_tridiagonal(diagonal, beside, eigvals_only=True, select="i", select_range=(last, last))
    return jnp.sqrt(jnp.maximum(values[0], 0))


def _canonical_variates(x: Array, y: Array) -> tuple[Array, Array]:
    """Return all canonical variates of both views (n, d_k), of norm 1, those that correlate most first."""
    of = jax.lax.stop_gradient(moments((x, y)))
    (root1, _), (root2, _) = (inverse_root(covariance(of, k, k), 0.0) for k in range(2))
    u, _, vt = jnp.linalg.svd(root1 @ covariance(of, 0, 1) @ root2)
    norm = jnp.sqrt(jnp.asarray(x.shape[0] - 1, of.scatter.dtype))
    first, second = ((view - mean[None]) / norm for view, mean in zip((x, y), of.means, strict=True))
    return first @ (root1 @ u), second @ (root2 @ vt.T)
