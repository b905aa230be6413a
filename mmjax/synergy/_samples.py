"""Room synergy: bounds from three samples, labelled ones of each modality and unlabelled pairs, with intervals.

This is the setting of Liang et al. 2023 (arXiv 2306.04539): no sample has both modalities and a label. Three separate
samples disagree, and what bounds synergy is their common joint distribution; all of it is about the quantised data.
"""

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from mmjax.information import (
    PairwiseMarginals,
    check_ids,
    joint_table,
    marginal_disagreement,
    pairwise_marginals,
    project_marginals,
    sampling_disagreement,
)
from mmjax.numerics import divide_or_zero, nan_unless
from mmjax.synergy._bounds import SynergyBounds, bounds
from mmjax.synergy._plug_in import check_options, interval, map_keys, num_cells
from mmjax.synergy._significance import Sizes

NUM_SWEEPS = 500
"""Sweeps that look for a joint of the three tables: of random tables that have one, Dirichlet(1) are within 1e-8 of it
after 300 sweeps, Dirichlet(0.3) within 1e-3. The tables it has are used, so the bounds are those of a joint anyway."""

Sample = tuple[Array, Array]


class _Samples(NamedTuple):
    """In the order of `PairwiseMarginals`."""

    pairs: Sample
    labelled1: Sample
    labelled2: Sample


class SampleBounds(NamedTuple):
    """What three samples say about synergy, in units of the base asked for."""

    estimate: SynergyBounds
    """Bounds of the joint distributions with the three tables, once these are made to have one."""
    lower: Array
    """Lower end of the interval that covers both bounds of the population, at least 0."""
    upper: Array
    """Upper end."""
    lower_samples: Array
    """(num_replicates,), lower bounds of resamples."""
    upper_samples: Array
    """(num_replicates,), upper bounds of resamples."""
    disagreement: Array
    """Largest total-variation distance of two samples about a variable they share."""
    expected_disagreement: Array
    """What sampling alone leads to expect: a `disagreement` several times larger says that the samples are not of one
    population, and that nothing here means much."""
    projection_distance: Array
    """Largest total-variation distance that a table was moved to agree with the others."""
    joint_distance: Array
    """Further distance to tables that have a joint distribution."""
    marginals: PairwiseMarginals
    """The tables that `estimate` is about, once they have one."""
    num_samples: Array
    """(3,), the numbers of pairs, of labelled samples of the first modality and of the second."""


def bounds_from_samples(
    key: Array,
    labelled1: Sample,
    labelled2: Sample,
    pairs: Sample,
    *,
    sizes: Sizes,
    num_replicates: int = 200,
    level: float = 0.95,
    base: float = 2.0,
) -> SampleBounds:
    """Bound synergy from labelled samples of each modality and unlabelled pairs, with an interval.

    The tables of the three samples are moved to agree on the variables they share (`information.project_marginals`,
    weights the sample sizes), then to the nearest ones that have a joint distribution, which agreement does not imply:
    by Richardson-Lucy steps r <- r (p12 / r12 + p1y / r1y + p2y / r2y) / 3, the EM algorithm for the r of the greatest
    likelihood (ours for this use). `estimate` is rigorous for these tables only.

    All three samples are drawn again with replacement, independently, and go the same way. With lower and upper bounds
    l*, u* of the resamples, the interval is from the (1 - level) / 2 quantile of l* to the (1 + level) / 2 quantile of
    u*, and covers the whole range from l to u of the population (Horowitz & Manski 2000). Plug-in informations are
    biased where cells are many: the bias that the resamples show against the estimate is taken off once more where that
    widens the interval, never where it narrows it. With fewer samples than cells even this falls short, and so
    it does where a bound has a kink at the population: no sample of fair parity allows its whole bit of synergy.

    Args:
      key: PRNG key.
      labelled1: (x1, y), integers of shape (n,) each, cells in [0, n1) and labels in [0, ny).
      labelled2: (x2, y), integers of shape (m,) each, cells in [0, n2) and labels in [0, ny).
      pairs: (x1, x2), integers of shape (k,) each.
      sizes: (n1, n2, ny), static.
      num_replicates: number of resamples, static; each costs a call of `bounds`.
      level: nominal coverage, static.
      base: of the logarithm; 2 for bits.

    Returns:
      bounds, interval and what the samples disagree by; NaN where an id is out of range. `check_samples` says on the
      host what is wrong with samples.

    Raises:
      ValueError: if `level` is not between 0 and 1, or `num_replicates` below 1.

    Ids have no derivative.
    """
    check_options(level, num_replicates=num_replicates)
    samples = _Samples(pairs, labelled1, labelled2)
    num_samples = jnp.array([ids.shape[0] for ids, _ in samples])
    found = _tables(samples, sizes)
    in_range = jnp.isfinite(found.p12[0, 0] + found.p1y[0, 0] + found.p2y[0, 0])
    resampled = jax.tree.map(lambda x: nan_unless(in_range, x), _resample(key, samples, sizes, num_replicates))
    realised, projection_distance, joint_distance = _realise(_stack(found, resampled), num_samples)
    result = _bounds(realised, base)
    estimate = jax.tree.map(lambda x: x[0], result)
    lower, upper = _interval(estimate, result.lower[1:], result.upper[1:], level)
    return SampleBounds(
        estimate=estimate,
        lower=lower,
        upper=upper,
        lower_samples=result.lower[1:],
        upper_samples=result.upper[1:],
        disagreement=marginal_disagreement(*found),
        expected_disagreement=sampling_disagreement(*found, num_samples),
        projection_distance=projection_distance[0],
        joint_distance=joint_distance[0],
        marginals=jax.tree.map(lambda x: x[0], realised),
        num_samples=num_samples,
    )


def check_samples(
    labelled1: tuple[ArrayLike, ArrayLike],
    labelled2: tuple[ArrayLike, ArrayLike],
    pairs: tuple[ArrayLike, ArrayLike],
    *,
    sizes: Sizes,
) -> None:
    """Check that three samples are fit for `bounds_from_samples`.

    Args:
      labelled1: (x1, y), as there.
      labelled2: (x2, y), as there.
      pairs: (x1, x2), as there.
      sizes: (n1, n2, ny).

    Raises:
      ValueError: if there are fewer than two classes, a sample is empty or not two arrays of one length, an id is no
        integer or out of range, or a class has no labelled sample in one of the modalities.
    """
    n1, n2, ny = sizes
    if ny < 2:
        raise ValueError(f"sizes must name two classes or more for anything to be told about them; got {ny}")
    _check_sample(labelled1, ("x1", n1), ("y", ny), "labelled1")
    _check_sample(labelled2, ("x2", n2), ("y", ny), "labelled2")
    _check_sample(pairs, ("x1", n1), ("x2", n2), "pairs")
    for name, (_, y) in (("labelled1", labelled1), ("labelled2", labelled2)):
        missing = np.setdiff1d(np.arange(ny), np.asarray(y))
        if missing.size:
            raise ValueError(
                f"{name} has no sample of class {missing[0]} (of {ny}): drop the class or add samples of it"
            )


def _check_sample(
    sample: tuple[ArrayLike, ArrayLike], first: tuple[str, int], second: tuple[str, int], name: str
) -> None:
    shapes = [np.shape(ids) for ids in sample]
    if len(shapes) != 2 or any(len(shape) != 1 for shape in shapes) or shapes[0] != shapes[1]:
        raise ValueError(f"{name} must be two arrays of one length, ({first[0]}, {second[0]}); got shapes {shapes}")
    if shapes[0] == (0,):
        raise ValueError(f"{name} is empty; it needs at least one sample")
    for ids, (variable, size) in zip(sample, (first, second), strict=True):
        check_ids(ids, size, name=f"{variable} of {name}")


def _tables(samples: _Samples, sizes: Sizes) -> PairwiseMarginals:
    n1, n2, ny = sizes
    return PairwiseMarginals(
        _table(samples.pairs, (n1, n2)), _table(samples.labelled1, (n1, ny)), _table(samples.labelled2, (n2, ny))
    )


def _table(sample: Sample, shape: tuple[int, int]) -> Array:
    first, second = sample
    return joint_table(first, second, jnp.zeros_like(second), sizes=(*shape, 1))[..., 0]


@functools.partial(jax.jit, static_argnames=("sizes", "num_replicates"))
def _resample(key: Array, samples: _Samples, sizes: Sizes, num_replicates: int) -> PairwiseMarginals:
    """Return the tables of samples drawn with replacement, (num_replicates, ...) each."""

    def draw(key: Array, sample: Sample) -> Sample:
        first, second = sample
        chex.assert_equal_shape([first, second])
        chosen = jax.random.randint(key, first.shape, 0, first.size)
        return first[chosen], second[chosen]

    def resample(key: Array) -> PairwiseMarginals:
        first, second, third = jax.random.split(key, 3)
        drawn = _Samples(draw(first, samples.pairs), draw(second, samples.labelled1), draw(third, samples.labelled2))
        return _tables(drawn, sizes)

    return map_keys(resample, key, num_replicates, num_cells(sizes, sum(ids.size for ids, _ in samples)))


def _stack(one: PairwiseMarginals, many: PairwiseMarginals) -> PairwiseMarginals:
    return jax.tree.map(lambda x, xs: jnp.concatenate([x[None], xs]), one, many)


@jax.jit
def _realise(tables: PairwiseMarginals, weights: Array) -> tuple[PairwiseMarginals, Array, Array]:
    """Return tables that have a joint distribution, and how far they are, by way of agreement."""

    def realise(tables: PairwiseMarginals) -> tuple[PairwiseMarginals, Array, Array]:
        consistent = project_marginals(*tables, weights=weights)
        projected = PairwiseMarginals(*consistent[:3])
        realised = pairwise_marginals(_likeliest_joint(projected))
        moved = [jnp.sum(jnp.abs(p - q)) / 2 for p, q in zip(projected, realised, strict=True)]
        return realised, consistent.distance, jnp.max(jnp.stack(moved))

    return jax.vmap(realise)(tables)


def _likeliest_joint(tables: PairwiseMarginals) -> Array:
    """Return the joint under which three equally trusted tables are most likely; theirs, where they have one."""
    p12, p1y, p2y = tables

    def sweep(r: Array, _: None) -> tuple[Array, None]:
        r12, r1y, r2y = pairwise_marginals(r)
        ratios = (
            divide_or_zero(p12, r12)[:, :, None] + divide_or_zero(p1y, r1y)[:, None] + divide_or_zero(p2y, r2y)[None]
        )
        return r * ratios / 3, None

    start = jnp.full((*p12.shape, p1y.shape[1]), 1 / (p12.size * p1y.shape[1]), p12.dtype)
    r, _ = jax.lax.scan(sweep, start, length=NUM_SWEEPS)
    return r / jnp.sum(r)


@functools.partial(jax.jit, static_argnames="base")
def _bounds(tables: PairwiseMarginals, base: float) -> SynergyBounds:
    return jax.vmap(lambda p12, p1y, p2y: bounds(p12, p1y, p2y, base=base))(*tables)


def _interval(estimate: SynergyBounds, lowers: Array, uppers: Array, level: float) -> tuple[Array, Array]:
    lower, _ = interval(lowers, level)
    _, upper = interval(uppers, level)
    excess = jnp.maximum(jnp.mean(lowers) - estimate.lower, 0)
    lack = jnp.maximum(estimate.upper - jnp.mean(uppers), 0)
    return jnp.maximum(lower - excess, 0), jnp.maximum(upper + lack, 0)
