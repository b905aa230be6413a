"""Room synergy: how uncertain a sample's decomposition is, and its synergy with the bias of sampling taken off.

All of it is about the quantised data, and about the number of samples that every result names.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.information import joint_mutual_information, joint_table
from mmjax.synergy._plug_in import Decomposition, check_options, decompose, interval, map_keys, num_cells
from mmjax.synergy._significance import Sizes, informations_from_marginals, permuted_informations


class Bootstrap(NamedTuple):
    """A sample's decomposition with bootstrap intervals, in units of the base asked for."""

    estimate: Decomposition
    """Plug-in decomposition of the sample."""
    samples: Decomposition
    """(num_replicates,) each: decompositions of resamples."""
    bias: Decomposition
    """Bootstrap estimate of the bias of `estimate`: mean of `samples` less `estimate`."""
    lower: Decomposition
    """Lower ends of the intervals."""
    upper: Decomposition
    """Upper ends of the intervals."""
    gap: Array
    """Largest certified error of a decomposition."""
    num_samples: int
    """Number of samples."""


class CorrectedSynergy(NamedTuple):
    """Estimates of synergy in units of the base asked for, by how they deal with the bias of sampling."""

    plug_in: Array
    """Synergy of the sample's table."""
    extrapolated: Array
    """`plug_in` extrapolated to infinitely many samples."""
    shuffled: Array
    """`plug_in` less the bias that conditionally independent modalities have in samples of this size."""
    corrected: Array
    """`shuffled` with its S_CI extrapolated; the one to report."""
    gap: Array
    """Largest certified error of a decomposition."""
    num_samples: int
    """Number of samples."""


def bootstrap(
    key: Array,
    x1: Array,
    x2: Array,
    y: Array,
    *,
    sizes: Sizes,
    num_replicates: int = 200,
    level: float = 0.95,
    base: float = 2.0,
) -> Bootstrap:
    """Put bootstrap intervals around a sample's decomposition.

    The samples are drawn again with replacement (Efron 1979). With quantiles q of the resamples' values, the interval
    spans the percentile interval [q((1 - level) / 2), q((1 + level) / 2)] and the basic one, its mirror image about
    the estimate, cut at 0 (Davison & Hinkley 1997, chapter 5; spanning both is ours). A plug-in information is biased
    upwards and its resamples once more: the percentile interval alone misses a synergy of 0 nearly always, the basic
    one alone misses small unique informations. With fewer samples than cells both fall short: see `bias` and
    `corrected_synergy`.

    Args:
      key: PRNG key.
      x1: cells of the first modality, integers of shape (n,) in [0, n1).
      x2: cells of the second modality, integers of shape (n,) in [0, n2).
      y: labels, integers of shape (n,) in [0, ny).
      sizes: (n1, n2, ny), static.
      num_replicates: number of resamples, static; each costs a decomposition.
      level: nominal coverage of each interval by itself, static.
      base: of the logarithm; 2 for bits.

    Returns:
      the decomposition and its intervals, about the quantised data; NaN where an id is out of range.

    Raises:
      ValueError: if `level` is not between 0 and 1, or `num_replicates` below 1.

    Ids have no derivative.
    """
    check_options(level, num_replicates=num_replicates)
    tables = _resampled_tables(key, x1, x2, y, sizes, num_replicates)
    table = joint_table(x1, x2, y, sizes=sizes)
    parts, gap = decompose(jnp.concatenate([table[None], tables]), base)
    estimate, samples = (jax.tree.map(lambda x, part=part: x[part], parts) for part in (0, slice(1, None)))
    ends = [_spanned(x, *interval(replicates, level)) for x, replicates in zip(estimate, samples, strict=True)]
    return Bootstrap(
        estimate=estimate,
        samples=samples,
        bias=jax.tree.map(lambda x, replicates: jnp.mean(replicates) - x, estimate, samples),
        lower=Decomposition(*(lower for lower, _ in ends)),
        upper=Decomposition(*(upper for _, upper in ends)),
        gap=gap,
        num_samples=x1.shape[0],
    )


def corrected_synergy(
    key: Array,
    x1: Array,
    x2: Array,
    y: Array,
    *,
    sizes: Sizes,
    num_partitions: int = 8,
    num_permutations: int = 200,
    base: float = 2.0,
) -> CorrectedSynergy:
    """Estimate synergy with the bias of sampling taken off by shuffling and by extrapolation.

    Shuffling: permuting x2 within classes gives samples of conditionally independent modalities, whose synergy S_CI is
    known from the same marginals, so their mean excess over it is taken off: S - (mean S_shuffled - S_CI). The idea is
    of Montemurro, Senatore & Panzeri (2007, Neural Computation 19:2913) for informations; here for synergy.
    Extrapolation: a bias of a / n + b / n^2 is fitted to the means over samples of n, n/2 and n/4 and taken off
    (Strong et al. 1998, arXiv cond-mat/9603127). With fewer samples than cells of (x1, x2, y) the bias of S has not
    this form and `extrapolated` is useless; S_CI, of two smaller tables, can still be extrapolated, and `corrected` is.
    Neither sees the bias, downwards, that S has where a unique information is 0 and I_Q has a kink.

    Args:
      key: PRNG key.
      x1: cells of the first modality, integers of shape (n,) in [0, n1), n >= 4.
      x2: cells of the second modality, integers of shape (n,) in [0, n2).
      y: labels, integers of shape (n,) in [0, ny).
      sizes: (n1, n2, ny), static.
      num_partitions: random partitions of the samples into two and into four, static.
      num_permutations: number of permutations, static.
      base: of the logarithm; 2 for bits.

    Returns:
      four estimates, about the quantised data; none clipped at 0; NaN where an id is out of range.

    Raises:
      ValueError: if a count is below 1 or there are fewer than 4 samples.

    Ids have no derivative.
    """
    check_options(0.5, num_partitions=num_partitions, num_permutations=num_permutations)
    num = x1.shape[0]
    if num < 4:
        raise ValueError(f"extrapolation needs 4 samples or more; got {num}")
    shuffle, divide = jax.random.split(key)
    information = jnp.mean(permuted_informations(shuffle, x1, x2, y, sizes, num_permutations, base))
    synergies, independent, union, gap = _synergies(_divided_tables(divide, x1, x2, y, sizes, num_partitions), base)
    ends = 1, 1 + 2 * num_partitions
    excess = information - union[0] - independent[0]
    extrapolated, limit = (
        _extrapolate([num, num // 2, num // 4], [jnp.mean(part) for part in jnp.split(values, ends)])
        for values in (synergies, independent)
    )
    return CorrectedSynergy(
        plug_in=synergies[0],
        extrapolated=extrapolated,
        shuffled=synergies[0] - excess,
        corrected=synergies[0] - excess + limit - independent[0],
        gap=gap,
        num_samples=num,
    )


def _spanned(estimate: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Return the interval that spans the percentile interval and its mirror image about the estimate, from 0 on."""
    return (
        jnp.maximum(jnp.minimum(lower, 2 * estimate - upper), 0),
        jnp.maximum(jnp.maximum(upper, 2 * estimate - lower), 0),
    )


@functools.partial(jax.jit, static_argnames=("sizes", "num_replicates"))
def _resampled_tables(key: Array, x1: Array, x2: Array, y: Array, sizes: Sizes, num_replicates: int) -> Array:
    def resample(key: Array) -> Array:
        chosen = jax.random.randint(key, y.shape, 0, y.size)
        return joint_table(x1[chosen], x2[chosen], y[chosen], sizes=sizes)

    return map_keys(resample, key, num_replicates, num_cells(sizes, y.size))


@functools.partial(jax.jit, static_argnames=("sizes", "num_partitions"))
def _divided_tables(key: Array, x1: Array, x2: Array, y: Array, sizes: Sizes, num_partitions: int) -> Array:
    """Return the tables of all samples, of random halves and of random quarters: 1 + 2 k + 4 k for k partitions."""

    def divide(key: Array, num_parts: int) -> Array:
        chosen = jax.random.permutation(key, y.size)[: y.size // num_parts * num_parts].reshape(num_parts, -1)
        return jax.vmap(lambda part: joint_table(x1[part], x2[part], y[part], sizes=sizes))(chosen)

    tables = [joint_table(x1, x2, y, sizes=sizes)[None]]
    for part_key, num_parts in zip(jax.random.split(key), (2, 4), strict=True):
        elements = num_parts * num_cells(sizes, y.size)
        parts = map_keys(functools.partial(divide, num_parts=num_parts), part_key, num_partitions, elements)
        tables.append(parts.reshape(-1, *sizes))
    return jnp.concatenate(tables)


@functools.partial(jax.jit, static_argnames="base")
def _synergies(tables: Array, base: float) -> tuple[Array, Array, Array, Array]:
    """Return the synergies of tables and of their conditionally independent versions, I_Q, and the largest error."""
    independent, union, gap = jax.vmap(lambda table: informations_from_marginals(table, base))(tables)
    total = jax.vmap(lambda table: joint_mutual_information(table, base=base))(tables)
    return total - union, independent - union, union, jnp.max(gap)


def _extrapolate(nums: list[int], values: list[Array]) -> Array:
    """Evaluate at 1/n = 0 the parabola in 1/n through the values (Lagrange)."""
    result = jnp.zeros_like(values[0])
    for n, value in zip(nums, values, strict=True):
        weight = 1.0
        for m in nums:
            if m != n:
                weight *= (1 / m) / (1 / m - 1 / n)
        result = result + weight * value
    return result
