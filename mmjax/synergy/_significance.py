"""Room synergy: is a synergy found in a sample more than chance, and more than conditional independence gives?

The plug-in information of n samples is biased upwards, by about (n1 n2 - 1)(ny - 1) / (2 n ln 2) bit where n is large
(Miller 1955), and synergy inherits most of it: independent modalities look synergistic where samples are fewer than
cells (Gehlen et al. 2024, Entropy 26:837). And modalities that are independent given the label have synergy of their
own: two copies of a fair bit with errors of rate 0.1 have 0.211 bit. A null distribution shows both at once. All of it
is about the quantised data: raw modalities may hold synergy that their cells do not, and the other way round.
"""

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax import pid
from mmjax.information import joint_mutual_information, joint_table, pairwise_marginals
from mmjax.numerics import divide_or_zero, nan_unless
from mmjax.synergy._plug_in import Decomposition, check_options, decompose, interval, map_keys, num_cells

Sizes = tuple[int, int, int]


class ConditionalIndependenceNull(NamedTuple):
    """A sample's synergy beside that of modalities independent given the label, in units of the base asked for."""

    synergy: Array
    """Plug-in synergy of the sample."""
    synergy_independent: Array
    """Synergy of the conditionally independent joint with the sample's p(x1,y) and p(x2,y)."""
    difference: Array
    """`synergy - synergy_independent`; both biased by sampling, the first more."""
    samples: Array
    """(num_permutations,), plug-in synergies of the sample with x2 permuted within classes."""
    mean: Array
    """Mean of `samples`: the synergy of conditional independence and its bias."""
    lower: Array
    """Lower end of the central interval of `samples`."""
    upper: Array
    """Upper end."""
    p_value: Array
    """Share of permutations, the sample's own counted, with at least the sample's synergy."""
    corrected_difference: Array
    """`synergy - mean`: synergy beyond conditional independence with the bias taken off."""
    gap: Array
    """Certified error of `synergy`; the differences are free of it."""
    num_samples: int
    """Number of samples."""


class LabelPermutationNull(NamedTuple):
    """A sample's decomposition beside those of the sample with its labels permuted."""

    observed: Decomposition
    """Plug-in decomposition of the sample."""
    samples: Decomposition
    """(num_permutations,) each."""
    mean: Decomposition
    """Means of `samples`: what the bias alone gives where the modalities tell nothing."""
    lower: Decomposition
    """Lower ends of the central intervals of `samples`."""
    upper: Decomposition
    """Upper ends."""
    p_value: Decomposition
    """Shares of permutations, the sample's own counted, with at least the sample's value; `information` tests."""
    corrected: Decomposition
    """`observed - mean`."""
    gap: Array
    """Largest certified error of a decomposition."""
    num_samples: int
    """Number of samples."""


def conditional_independence_null(
    key: Array,
    x1: Array,
    x2: Array,
    y: Array,
    *,
    sizes: Sizes,
    num_permutations: int = 1000,
    level: float = 0.95,
    base: float = 2.0,
) -> ConditionalIndependenceNull:
    """Compare a sample's synergy with that of modalities that are independent given the label.

    Permuting x2 within each class draws from the samples that conditional independence of X1 and X2 given Y makes as
    likely as this one. It keeps p(x1,y) and p(x2,y), so redundancy, unique information and I_Q stay exactly as they
    are, and S = I(X1,X2;Y) - I_Q changes through I alone: I_Q is solved for once. Conditional independence is not
    S = 0: `synergy_independent` is the S of r(x1,x2,y) = p(x1,y) p(x2,y) / p(y), and `mean` what a sample of this size
    makes of it. (Ours.)

    Args:
      key: PRNG key.
      x1: cells of the first modality, integers of shape (n,) in [0, n1).
      x2: cells of the second modality, integers of shape (n,) in [0, n2).
      y: labels, integers of shape (n,) in [0, ny).
      sizes: (n1, n2, ny), static.
      num_permutations: number of permutations, static.
      level: share of the permutations in the interval, static.
      base: of the logarithm; 2 for bits.

    Returns:
      the comparison, about the quantised data; NaN where an id is out of range.

    Raises:
      ValueError: if `level` is not between 0 and 1, or `num_permutations` below 1.

    Ids have no derivative.
    """
    check_options(level, num_permutations=num_permutations)
    table = joint_table(x1, x2, y, sizes=sizes)
    information, independent, union, gap = _informations(table, base)
    permuted = permuted_informations(key, x1, x2, y, sizes, num_permutations, base)
    lower, upper = interval(permuted - union, level)
    mean = jnp.mean(permuted)
    return ConditionalIndependenceNull(
        synergy=information - union,
        synergy_independent=independent - union,
        difference=information - independent,
        samples=permuted - union,
        mean=mean - union,
        lower=lower,
        upper=upper,
        p_value=_p_value(information, permuted),
        corrected_difference=information - mean,
        gap=gap,
        num_samples=x1.shape[0],
    )


def label_permutation_null(
    key: Array,
    x1: Array,
    x2: Array,
    y: Array,
    *,
    sizes: Sizes,
    num_permutations: int = 200,
    level: float = 0.95,
    base: float = 2.0,
) -> LabelPermutationNull:
    """Compare a sample's decomposition with those of modalities that tell nothing about the label.

    Permuting y keeps p(x1,x2) and p(y) and makes (X1,X2) independent of Y, where all of R, U1, U2 and S are 0: what is
    left of them is bias. The p-value of `information` tests for any information at all; those of the terms are to be
    read under the same hypothesis, not one by one (`conditional_independence_null` is about synergy alone).

    Args:
      key: PRNG key.
      x1: cells of the first modality, integers of shape (n,) in [0, n1).
      x2: cells of the second modality, integers of shape (n,) in [0, n2).
      y: labels, integers of shape (n,) in [0, ny).
      sizes: (n1, n2, ny), static.
      num_permutations: number of permutations, static; each costs a decomposition.
      level: share of the permutations in the interval, static.
      base: of the logarithm; 2 for bits.

    Returns:
      the comparison, about the quantised data; NaN where an id is out of range.

    Raises:
      ValueError: if `level` is not between 0 and 1, or `num_permutations` below 1.

    Ids have no derivative.
    """
    check_options(level, num_permutations=num_permutations)
    tables = _label_permuted_tables(key, x1, x2, y, sizes, num_permutations)
    table = joint_table(x1, x2, y, sizes=sizes)
    parts, gap = decompose(jnp.concatenate([table[None], tables]), base)
    observed, samples = (jax.tree.map(lambda x, part=part: x[part], parts) for part in (0, slice(1, None)))
    ends = [interval(x, level) for x in samples]
    mean = jax.tree.map(jnp.mean, samples)
    return LabelPermutationNull(
        observed=observed,
        samples=samples,
        mean=mean,
        lower=Decomposition(*(lower for lower, _ in ends)),
        upper=Decomposition(*(upper for _, upper in ends)),
        p_value=jax.tree.map(lambda x, permuted: _p_value(x, permuted, gap), observed, samples),
        corrected=jax.tree.map(jnp.subtract, observed, mean),
        gap=gap,
        num_samples=x1.shape[0],
    )


def within_class_permutation(key: Array, y: Array) -> tuple[Array, Array]:
    """Return two orders of the samples, in both of which classes follow each other; the second is random in each.

    Pairing x1 and y in the first order with x2 in the second permutes x2 within classes.
    """
    chance = jax.random.bits(key, y.shape)
    return jnp.argsort(y), jnp.lexsort((chance, y))


@functools.partial(jax.jit, static_argnames="base")
def _informations(table: Array, base: float) -> tuple[Array, Array, Array, Array]:
    """Return I of the table and of its conditionally independent version, I_Q of both, and its certified error."""
    independent, union, gap = informations_from_marginals(table, base)
    return joint_mutual_information(table, base=base), independent, union, gap


def informations_from_marginals(table: Array, base: float) -> tuple[Array, Array, Array]:
    """Return I of the conditionally independent version of a table, I_Q, and its certified error."""
    _, p1y, p2y = pairwise_marginals(table)
    parts = pid.broja_from_marginals(p1y, p2y, base=base)
    given_label = divide_or_zero(p2y, jnp.broadcast_to(jnp.sum(p2y, axis=0, keepdims=True), p2y.shape))
    independent = joint_mutual_information(p1y[:, None] * given_label[None], base=base)
    return independent, (parts.union_lower + parts.union_upper) / 2, parts.gap


@functools.partial(jax.jit, static_argnames=("sizes", "num_permutations", "base"))
def permuted_informations(
    key: Array, x1: Array, x2: Array, y: Array, sizes: Sizes, num_permutations: int, base: float
) -> Array:
    """Return I(X1,X2;Y) of a sample with x2 permuted within classes, (num_permutations,)."""
    chex.assert_equal_shape([x1, x2, y])

    def permuted(key: Array) -> Array:
        first, second = within_class_permutation(key, y)
        return joint_mutual_information(joint_table(x1[first], x2[second], y[first], sizes=sizes), base=base)

    return map_keys(permuted, key, num_permutations, num_cells(sizes, y.size))


@functools.partial(jax.jit, static_argnames=("sizes", "num_permutations"))
def _label_permuted_tables(key: Array, x1: Array, x2: Array, y: Array, sizes: Sizes, num_permutations: int) -> Array:
    chex.assert_equal_shape([x1, x2, y])
    return map_keys(
        lambda key: joint_table(x1, x2, jax.random.permutation(key, y), sizes=sizes),
        key,
        num_permutations,
        num_cells(sizes, y.size),
    )


def _p_value(observed: Array, samples: Array, error: Array | float = 0.0) -> Array:
    """Share of samples, the observed one among them, that reach the observed one up to its error (one-sided)."""
    rounding = 256 * jnp.finfo(samples.dtype).eps
    share = (1 + jnp.sum(samples >= observed - error - rounding)) / (1 + samples.size)
    return nan_unless(jnp.isfinite(observed), share.astype(samples.dtype))
