"""Room correlation: joint and individual subspaces of any number of views, by the angles between them (AJIVE)."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmjax.correlation._cca import leading_signs
from mmjax.correlation._moments import centred, check_views

WEDIN_PERCENTILE, RANDOM_PERCENTILE = 5, 95
DRAWS_AT_ONCE = 50


class AJIVE(NamedTuple):
    """Scores of samples, columns of norm 1 that are orthogonal within joint and within each of `individual`."""

    joint: Array
    """(n, min_k r_k), of all views; 0 beyond the joint rank."""
    joint_rank: Array
    """How many joint components; an integer."""
    individual: tuple[Array, ...]
    """Of each view (n, r_k), orthogonal to the joint ones; 0 beyond r_k less the joint rank."""
    squared_values: Array
    """(min(n, sum_k r_k),), falling, in [0, K]: of a direction, the sum over views of its squared cosines."""
    threshold: Array
    """What squared values of joint components exceed; 0 if the rank was given."""


def ajive(
    views: Sequence[Array],
    signal_ranks: Sequence[int],
    *,
    key: Array,
    joint_rank: int | None = None,
    num_draws: int = 1000,
) -> AJIVE:
    """Find directions of samples that all views share, and those of each view alone.

    AJIVE (Feng, Jiang, Hannig, Marron 2018, arXiv 1704.02060): the r_k left singular vectors of each centred view span
    its signal; the joint components are left singular vectors of all these side by side, as many as have squared
    values above two bounds; the individual ones, those of what the projection off the joint ones leaves of a view. The
    bounds: a direction that is in all true signals has at least K - sum_k sin^2 theta_k, theta_k the angle by which
    noise turns a signal, its sine at most the norm of the noise on either signal basis over the smallest singular value
    of the signal (Wedin 1972) and the norms drawn as those of the view on random directions off its estimated signal:
    the 5th percentile is taken. Random signals of the same ranks have a largest squared value, whose 95th percentile
    is taken: of independent views about one in twenty exceeds it.

    Ours: random directions, too, have mean 0; their Gram matrices are drawn, not they themselves (Bartlett 1933), so
    draws cost no more for more samples; an individual component for each of the r_k that is not joint, where the
    paper thresholds singular values; joint directions with little variance in some view are not dropped again.

    Args:
      views: K >= 2 arrays (n, d_k), the same samples.
      signal_ranks: r_k, each in [1, min(n - 1, d_k) - 1], so that there is noise to measure; with `joint_rank` given,
        up to min(n - 1, d_k). Static.
      key: for the draws; not used if `joint_rank` is given.
      joint_rank: in [0, min_k r_k], to skip the bounds; static.
      num_draws: how many samples of each bound, rounded up to a multiple of 50.

    Returns:
      the scores; of each column the entry that is largest in absolute value is positive. Loadings of a view are its
      centred samples' products with scores. Not differentiable.

    Raises:
      ValueError: if views differ in length, or a rank is out of range.
    """
    check_views(views, least=2)
    _check_ranks(views, signal_ranks, joint_rank)
    samples = jax.lax.stop_gradient(centred(views))
    signals = [_left_singular(x) for x in samples]
    stacked = jnp.concatenate([u[:, :rank] for (u, _), rank in zip(signals, signal_ranks, strict=True)], axis=1)
    directions, values = _left_singular(stacked)
    least = min(signal_ranks)
    if joint_rank is None:
        sizes = [x.shape[1] for x in samples]
        threshold = _threshold(key, [s for _, s in signals], len(stacked), sizes, signal_ranks, num_draws)
        rank = jnp.minimum(jnp.sum(~(values**2 <= threshold)), least)  # so that a NaN shows in the scores
    else:
        threshold, rank = jnp.zeros_like(values[0]), jnp.asarray(joint_rank)
    joint = _first(directions[:, :least], rank)
    left = [x - _product(joint, _product(joint.T, x)) for x in samples]
    individual = [_left_singular(x, unit=s[0])[0] for x, (_, s) in zip(left, signals, strict=True)]
    individual = [_first(u[:, :r], r - rank) for u, r in zip(individual, signal_ranks, strict=True)]
    return AJIVE(joint, rank, tuple(individual), values**2, threshold)


def _left_singular(x: Array, unit: Array | None = None) -> tuple[Array, Array]:
    """Return left singular vectors and values, 0 where a value is rounding, relative to the unit or the largest."""
    u, values, _ = jnp.linalg.svd(x, full_matrices=False)
    rounding = max(x.shape) * jnp.finfo(x.dtype).eps * (values[0] if unit is None else unit)
    none = values <= rounding
    return jnp.where(none[None], 0, u * leading_signs(u)[None]), jnp.where(none, 0, values)


def _first(scores: Array, count: Array) -> Array:
    return jnp.where(jnp.arange(scores.shape[1])[None] < count, scores, 0)


def _threshold(
    key: Array,
    spectra: Sequence[Array],
    num_samples: int,
    sizes: Sequence[int],
    ranks: Sequence[int],
    num_draws: int,
) -> Array:
    """Return the larger one of the percentiles of both bounds on squared values."""
    dimensions = [(num_samples - 1, size) for size in sizes]
    factors = [(num_samples - 1, sum(ranks))]
    factors += [(most - min(pair), rank) for pair, rank in zip(dimensions, ranks, strict=True) for most in pair]
    degrees = [np.arange(rows, max(rows - columns, 0), -1) for rows, columns in factors]

    def draw(drawn: tuple[Array, Array]) -> tuple[Array, Array]:
        key, lengths = drawn
        direction, *noise = jax.random.split(key, 1 + len(ranks))
        by_chance, *unseen = jnp.split(lengths, np.cumsum([len(d) for d in degrees])[:-1])
        sines = [
            _sine(k, values, pair, rank, (unseen[2 * i], unseen[2 * i + 1]))
            for i, (k, values, pair, rank) in enumerate(zip(noise, spectra, dimensions, ranks, strict=True))
        ]
        return len(ranks) - jnp.sum(jnp.stack(sines) ** 2), _largest_overlap(direction, by_chance, ranks)

    num_draws += -num_draws % DRAWS_AT_ONCE
    of_lengths, of_draws = jax.random.split(key)
    all_degrees = np.concatenate(degrees).astype(spectra[0].dtype)
    # All lengths in one call: each would compile a sampler of its own.
    lengths = jnp.sqrt(jax.random.chisquare(of_lengths, all_degrees, (num_draws, len(all_degrees)), spectra[0].dtype))
    drawn = jax.random.split(of_draws, num_draws), lengths
    at_least, by_chance = jax.lax.map(draw, drawn, batch_size=DRAWS_AT_ONCE)
    # Views without noise have squared values of K and a bound of K; more ranks than samples, a chance of K.
    rounding = 32 * len(ranks) * jnp.finfo(at_least.dtype).eps
    return jnp.maximum(
        jnp.percentile(at_least, WEDIN_PERCENTILE) - rounding, jnp.percentile(by_chance, RANDOM_PERCENTILE) + rounding
    )


def _sine(key: Array, values: Array, dimensions: tuple[int, int], rank: int, unseen: tuple[Array, Array]) -> Array:
    """Draw a bound on the sine of the angle between the true and the estimated signal of a view."""
    noise, signal = values[rank : min(dimensions)], values[rank - 1]
    keys = jax.random.split(key)
    counts = [min(rank, dimension - rank) for dimension in dimensions]  # directions as many as signals, or as there are
    norms = [_norm_off_signal(k, noise, c, rest) for k, c, rest in zip(keys, counts, unseen, strict=True)]
    ratio = jnp.maximum(*norms) / jnp.where(signal > 0, signal, 1)
    return jnp.where(signal <= 0, 1, jnp.minimum(ratio, 1))


def _norm_off_signal(key: Array, noise: Array, count: int, unseen: Array) -> Array:
    """Draw the norm of diag(noise, 0, ...) on random orthonormal directions, in lengths of their parts that are 0."""
    first, rest = jax.random.split(key)
    seen = jax.random.normal(first, (len(noise), count), noise.dtype)
    directions, _ = jnp.linalg.qr(jnp.concatenate([seen, _gaussian_factor(rest, unseen[:count], count)]))
    return jnp.linalg.norm(noise[:, None] * directions[: len(noise)], ord=2)


def _largest_overlap(key: Array, lengths: Array, ranks: Sequence[int]) -> Array:
    """Draw the largest squared singular value of orthonormal bases, side by side, of random subspaces."""
    factor = _gaussian_factor(key, lengths, sum(ranks))
    bases = [jnp.linalg.qr(block)[0] for block in jnp.split(factor, np.cumsum(ranks)[:-1], axis=1)]
    return jnp.linalg.norm(jnp.concatenate(bases, axis=1), ord=2) ** 2


def _gaussian_factor(key: Array, lengths: Array, num_columns: int) -> Array:
    """Draw R (min(m, p), p), upper triangular, with R^T R as G^T G of G (m, p) of standard normal entries.

    Its diagonal are lengths, drawn before, of Gaussian vectors of m, m - 1, ... entries.
    """
    entries = jax.random.normal(key, (len(lengths), num_columns), lengths.dtype)
    return jnp.triu(entries, 1) + lengths[:, None] * jnp.eye(len(lengths), num_columns, dtype=lengths.dtype)


def _product(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def _check_ranks(views: Sequence[Array], signal_ranks: Sequence[int], joint_rank: int | None) -> None:
    shapes = [view.shape for view in views]
    if len(signal_ranks) != len(shapes):
        raise ValueError(f"each of {len(shapes)} views takes a signal rank; got {len(signal_ranks)}")
    most = [min(n - 1, d) - (joint_rank is None) for n, d in shapes]
    if any(not 1 <= rank <= limit for rank, limit in zip(signal_ranks, most, strict=True)):
        raise ValueError(
            f"signal ranks of views {', '.join(map(str, shapes))} must be at least 1 and at most {most}; "
            f"got {list(signal_ranks)}"
        )
    if joint_rank is not None and not 0 <= joint_rank <= min(signal_ranks):
        raise ValueError(f"joint_rank must be in [0, {min(signal_ranks)}], the smallest signal rank; got {joint_rank}")
