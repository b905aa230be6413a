"""Room correlation: all that correlations know of data: how many samples, their means, and their products."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


class Moments(NamedTuple):
    """First and second moments of samples of K views, from which every correlation below is made.

    They add up over parts of the data (`merged`), so data need not fit into memory or onto one device.
    """

    num_samples: Array
    """How many, or the sum of their weights."""
    means: tuple[Array, ...]
    """Of each view (d_k,)."""
    scatter: Array
    """(D, D), D = sum_k d_k: sum over samples of the products of all entries of all views, less their means."""


def moments(views: Sequence[Array], *, weight: Array | None = None, axis_name: str | None = None) -> Moments:
    """Return the moments of samples.

    Args:
      views: K arrays (n, d_k) of the same samples; at least one. Of fewer than 32 bits, they are taken as float32.
      weight: (n,), how often each sample counts, 0 for those that do not; None counts each once.
      axis_name: of the mesh axis over which samples are spread, inside `jax.shard_map`; the moments are then those of
        all samples, the same on every device, at the cost of two sums over devices of D and D^2 numbers.

    Returns:
      the moments, two passes over the data, so that large means do no harm; differentiable.

    Raises:
      ValueError: if views are of different length.
    """
    check_views(views)
    x = jnp.concatenate([jnp.asarray(view).astype(_dtype(views)) for view in views], axis=1)
    weight = jnp.ones_like(x[:, 0]) if weight is None else jnp.asarray(weight).astype(x.dtype)
    chex.assert_shape(weight, x.shape[:1])
    weights = weight[:, None]
    x = jnp.where(weights > 0, x, 0)
    count, sums = _total((jnp.sum(weight), jnp.sum(weights * x, axis=0)), axis_name)
    mean = sums / jnp.where(count > 0, count, 1)
    centred = x - mean[None]
    scatter = _total(jnp.matmul((weights * centred).T, centred, precision=jax.lax.Precision.HIGHEST), axis_name)
    ends = np.cumsum([view.shape[1] for view in views])[:-1]
    return Moments(count, tuple(jnp.split(mean, ends)), scatter)


def merged(first: Moments, second: Moments) -> Moments:
    """Return the moments of two sets of samples taken together (Chan, Golub, LeVeque 1983).

    `functools.reduce(merged, map(moments, parts))` reads data part by part; under `jax.lax.scan`, the first part's
    moments are the carry.

    Args:
      first: of the one set.
      second: of the other, with the same views.

    Returns:
      the moments of both.
    """
    chex.assert_trees_all_equal_shapes(first, second)
    count = first.num_samples + second.num_samples
    share = second.num_samples / jnp.where(count > 0, count, 1)
    differences = [there - here for here, there in zip(first.means, second.means, strict=True)]
    means = tuple(here + share * d for here, d in zip(first.means, differences, strict=True))
    d = jnp.concatenate(differences)
    return Moments(count, means, first.scatter + second.scatter + first.num_samples * share * d[:, None] * d[None])


def widths(of: Moments) -> tuple[int, ...]:
    """Return the numbers of entries d_k of the views."""
    return tuple(mean.shape[0] for mean in of.means)


def covariance(of: Moments, first: int, second: int) -> Array:
    """Return the unbiased covariance (d_i, d_j) of views i and j: products of centred samples over n - 1."""
    ends = np.cumsum((0, *widths(of)))
    block = of.scatter[ends[first] : ends[first + 1], ends[second] : ends[second + 1]]
    return block / (of.num_samples - 1)


def centred(views: Sequence[Array]) -> list[Array]:
    """Subtract their means from views (n, d_k), in one type of at least 32 bits; constant columns are exactly 0."""
    shifted = [jnp.asarray(view).astype(_dtype(views)) for view in views]
    shifted = [view - view[:1] for view in shifted]  # a mean of equal numbers may be off by rounding, one of zeros not
    return [view - jnp.mean(view, axis=0, keepdims=True) for view in shifted]


def check_views(views: Sequence[Array], least: int = 1) -> None:
    """Refuse what are no views of the same samples.

    Raises:
      ValueError: saying which shapes there are.
    """
    shapes = [np.shape(view) for view in views]
    if len(shapes) < least:
        raise ValueError(f"at least {least} views are needed; got {len(shapes)}")
    if any(len(shape) != 2 for shape in shapes) or len({shape[0] for shape in shapes}) > 1:
        raise ValueError(f"views must be (n, d_k), all of the same n samples; got {', '.join(map(str, shapes))}")


def check_batch(views: Sequence[Array]) -> None:
    """Refuse a batch in which any two views correlate perfectly because it is too small.

    Raises:
      ValueError: naming the batch and the widths, and what works in small batches.
    """
    check_views(views, least=2)
    batch, sizes = views[0].shape[0], [view.shape[1] for view in views]
    if batch <= sum(sizes):
        raise ValueError(
            f"a batch of {batch} samples is too small for representations of widths {' and '.join(map(str, sizes))}: "
            f"it takes more than {sum(sizes)}, several times as many to mean something; use a larger batch, narrower "
            "representations, or an objective without an inverse, such as `ey` or `vicreg`"
        )


def _dtype(views: Sequence[Array]) -> Any:
    with jax.numpy_dtype_promotion("standard"):
        return jnp.result_type(*views, jnp.float32)


def _total(tree: tuple[Array, Array] | Array, axis_name: str | None) -> Any:
    return tree if axis_name is None else jax.lax.psum(tree, axis_name)
