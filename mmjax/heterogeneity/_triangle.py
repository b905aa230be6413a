"""Room heterogeneity: how far distances are from a metric, and from low rank."""

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.numerics import as_floats, nan_unless

ROUNDINGS = 8
"""Relative excess, in units of eps, that counts as equality: sums of two distances are rounded."""


class SpectralShares(NamedTuple):
    """What the largest singular values hold of all, both in [0, 1]."""

    nuclear: Array
    """Share of the sum of singular values."""
    squared: Array
    """Share of the sum of their squares, which is that of the squared entries."""


@functools.partial(jax.jit, static_argnames="repeats")
def triangle_share(distances: ArrayLike, *, factor: ArrayLike = 1.0, repeats: bool = False) -> Array:
    """Return the share of ordered triples (i, j, k) with d(i, k) <= factor (d(i, j) + d(j, k)).

    Triples of distinct nodes by default. The shares that Liang et al. print (2023, arXiv 2203.01311) are those of all
    n^3 triples, as `repeats=True` counts; a triple that repeats a node nearly always holds, whatever the distances.

    Args:
      distances: (n, n), >= 0.
      factor: >= 1 relaxes the inequality.
      repeats: whether nodes may repeat; static.

    Returns:
      a share in [0, 1]; NaN where a distance is, or where there is no triple (n < 3, without repeats). Derivative 0.
    """
    (d,) = as_floats(distances)
    chex.assert_rank(d, 2)
    chex.assert_shape(d, d.shape[::-1])
    scale = jnp.asarray(factor, d.dtype) * (1 + ROUNDINGS * jnp.finfo(d.dtype).eps)
    nodes = jnp.arange(len(d))

    def count(j: Array) -> Array:
        holds = d <= scale * (d[:, j][:, None] + d[j][None])
        distinct = (nodes != j)[:, None] & (nodes != j)[None] & (nodes[:, None] != nodes[None])
        return jnp.sum(holds if repeats else holds & distinct)

    num_triples = len(d) ** 3 if repeats else len(d) * (len(d) - 1) * (len(d) - 2)
    share = jnp.sum(jax.lax.map(count, nodes)).astype(d.dtype) / max(num_triples, 1)
    return nan_unless((num_triples > 0) & ~jnp.any(jnp.isnan(d)), share)


@functools.partial(jax.jit, static_argnames="rank")
def spectral_shares(distances: ArrayLike, rank: int) -> SpectralShares:
    """Return how much of a matrix its `rank` largest singular values hold.

    A large share does not say that missing distances can be filled by low rank, which `complete` measures: a node far
    from all others alone gives two large singular values, and as the diagonal is 0, eigenvalues of either sign balance.

    Args:
      distances: (n, n).
      rank: in [1, n]; static.

    Returns:
      the shares; 1 of a matrix of zeros, NaN of one with NaN. Differentiable where singular values are distinct.

    Raises:
      ValueError: if the rank is out of range.
    """
    (d,) = as_floats(distances)
    chex.assert_rank(d, 2)
    if not 1 <= rank <= min(d.shape):
        raise ValueError(f"rank must be in [1, {min(d.shape)}] for a matrix of shape {d.shape}; got {rank}")
    values = jnp.linalg.svd(d, compute_uv=False)

    def share(x: Array) -> Array:
        total = jnp.sum(x)
        return jnp.where(total == 0, 1, jnp.sum(x[:rank]) / jnp.where(total == 0, 1, total))

    return SpectralShares(share(values), share(values**2))
