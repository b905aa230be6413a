"""Room heterogeneity: stand-ins for transfer from features alone, which train nothing, and how well they rank it."""

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpy.typing import ArrayLike as HostArrayLike

from mmjax.numerics import as_floats, nan_unless

GRID = 200
"""Points of a grid over the ratio of precisions, about two a factor of e."""
ZOOMS = 3
"""Grids, each 100 times as fine; the evidence is flat at its maximum, and then exact to rounding."""


def linear_cka(x: ArrayLike, y: ArrayLike) -> Array:
    """Return the centred kernel alignment of two sets of features (Kornblith et al. 2019, arXiv 1905.00414).

      |Xc^T Yc|^2 / (|Xc^T Xc| |Yc^T Yc|),  Frobenius norms of products of centred features

    It is 1 where the features are equal up to shift, rotation and scale. It is biased upwards for few samples of many
    features, and blind to labels: features may agree in what no task needs.

    Args:
      x: (n, d1) features of n samples.
      y: (n, d2) features of the same samples.

    Returns:
      a scalar in [0, 1]; 0 where all samples of either are equal. Differentiable.
    """
    x, y = as_floats(x, y)
    chex.assert_rank([x, y], 2)
    chex.assert_equal_shape_prefix([x, y], 1)
    x, y = (_centred(z) for z in (x, y))
    within, across = [jnp.sum((z.T @ z) ** 2) for z in (x, y)], jnp.sum((x.T @ y) ** 2)
    varies = (within[0] > 0) & (within[1] > 0)
    norm1, norm2 = (jnp.sqrt(jnp.where(varies, square, 1)) for square in within)
    known = ~jnp.isnan(within[0] + within[1])
    return nan_unless(known, jnp.where(varies, across / norm1 / norm2, 0))


@jax.jit
def log_me(features: ArrayLike, targets: ArrayLike) -> Array:
    """Return the logarithm of the maximum evidence of targets given features (You et al. 2021, arXiv 2102.11005).

    For each output, y = F w + noise with w ~ N(0, 1 / alpha) and noise ~ N(0, 1 / beta); w is integrated out, and the
    evidence maximised over alpha and beta. With F = U diag(s) V^T, z = U^T y and t = alpha / beta, the best beta is
    n / q(t), which leaves

      log p(y) = -n/2 (log(2 pi q / n) + 1) - 1/2 sum log(1 + s^2 / t),  q(t) = |y - U z|^2 + sum z^2 t / (s^2 + t)

    to be maximised over one number, which is done on ever finer grids: the maximum is the paper's fixed point, where
    there is one, and needs no start. There is no intercept: add a constant feature for one.

    Args:
      features: (n, d), those that a source model makes of the target's samples.
      targets: (n, num_outputs), one-hot labels or numbers.

    Returns:
      a scalar, in nats per sample and output: the mean over the outputs that are not 0 throughout, as those of classes
      without a sample are; NaN where all are. A log density, of either sign; larger is better, and without limit but
      rounding where features foretell targets exactly. Not differentiable.
    """
    features, targets = as_floats(*jax.lax.stop_gradient((features, targets)))
    chex.assert_rank([features, targets], 2)
    chex.assert_equal_shape_prefix([features, targets], 1)
    squares, projected, outside = _projections(features, targets)
    counts = jnp.any(targets != 0, axis=0)  # NaN counts, and is passed on
    evidence = jax.vmap(_maximum_evidence, (None, 1, 0, None))(squares, projected, outside, len(targets))
    mean = jnp.sum(jnp.where(counts, evidence, 0)) / jnp.sum(counts).astype(evidence.dtype)
    return nan_unless(jnp.any(counts), mean)


def rank_agreement(a: HostArrayLike, b: HostArrayLike) -> float:
    """Return Spearman's correlation of two matrices over their entries off the diagonal.

    Args:
      a: (n, n), such as distances from transfer.
      b: (n, n), such as those of a surrogate.

    Returns:
      a number in [-1, 1], ties having their mean rank; NaN where either is constant, has NaN, or n < 2. Entries are no
      independent samples, so a p-value for it would be wrong. Not differentiable.

    Raises:
      ValueError: if they are not square and of one shape.
    """
    from scipy.stats import rankdata

    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.ndim != 2 or first.shape != first.shape[::-1] or first.shape != second.shape:
        raise ValueError(f"matrices to compare must be square and of one shape; got {first.shape} and {second.shape}")
    outside = ~np.eye(len(first), dtype=bool)
    pair = np.stack([first[outside], second[outside]])
    if pair.size == 0 or np.isnan(pair).any() or (pair == pair[:, :1]).all(axis=1).any():
        return math.nan
    return float(np.corrcoef(rankdata(pair, axis=1))[0, 1])


def _centred(x: Array) -> Array:
    """Subtract the mean; equal samples become exactly 0."""
    x = x - x[:1]
    return x - jnp.mean(x, axis=0, keepdims=True)


def _projections(features: Array, targets: Array) -> tuple[Array, Array, Array]:
    """Return squared singular values relative to the largest, squared projections of targets, and what is outside."""
    left, singular, _ = jnp.linalg.svd(features, full_matrices=False)
    largest = jnp.max(singular)
    relative = singular / jnp.where(largest == 0, 1, largest)
    spans = relative > max(features.shape) * jnp.finfo(features.dtype).eps
    left = jnp.where(spans[None] | jnp.isnan(relative)[None], left, 0)
    projected = left.T @ targets
    return jnp.where(spans, relative**2, 0), projected**2, jnp.sum((targets - left @ projected) ** 2, axis=0)


def _maximum_evidence(squares: Array, projected: Array, outside: Array, num_samples: int) -> Array:
    """Return the maximum log evidence per sample of one output."""

    def evidence(log_ratios: Array) -> Array:
        ratios = jnp.exp(log_ratios)[:, None]
        remaining = outside + jnp.sum(projected[None] * (ratios / (squares[None] + ratios)), axis=1)
        volume = jnp.sum(jnp.log1p(squares[None] / ratios), axis=1) / num_samples
        return -(jnp.log(2 * jnp.pi * remaining / num_samples) + 1 + volume) / 2

    eps = float(jnp.finfo(squares.dtype).eps)
    middle, radius = jnp.asarray(math.log(eps) / 2, squares.dtype), -1.5 * math.log(eps)
    for _ in range(ZOOMS):
        grid = middle + radius * jnp.linspace(-1, 1, GRID, dtype=squares.dtype)
        values = evidence(grid)
        middle, radius = grid[jnp.argmax(values)], 2 * radius / (GRID - 1)
    return jnp.max(values)
