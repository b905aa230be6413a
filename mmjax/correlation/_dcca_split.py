"""Room correlation: canonical variates as sums of what is common to a pair and what is distinctive."""

from typing import NamedTuple

import chex
import jax.numpy as jnp
from jax import Array


class CommonDistinctive(NamedTuple):
    """Parts of canonical variates: common + distinctive1 are those of the first view, and so of the second."""

    common: Array
    """(n, k), in the span of both variates."""
    distinctive1: Array
    """(n, k), of the first view."""
    distinctive2: Array
    """(n, k), of the second; uncorrelated with all of `distinctive1`."""


def dcca_split(variates1: Array, variates2: Array, correlations: Array) -> CommonDistinctive:
    """Split each pair of canonical variates into a common part and two that are uncorrelated with each other.

    c_j = (1 - t_j) (a_j + b_j) / 2 with t_j = sqrt((1 - rho_j) / (1 + rho_j)), the tangent of half the angle between a
    and b (D-CCA: Shu, Wang, Zhu 2020, doi 10.1080/01621459.2018.1543599). For any multiple s (a + b), of variance 1 and
    correlation rho, Cov(a - c, b - c) = rho - 2 (1 + rho) s (1 - s), which is 0 at this s; the smaller one of two.
    Distinctive parts still correlate with the common one.

    Args:
      variates1: a (n, k), of `variates`, fitted by `cca` on these samples without ridge and shrinkage; otherwise, what
        is said of covariances holds nearly.
      variates2: b (n, k).
      correlations: rho (k,), in [0, 1].

    Returns:
      the parts: for rho = 1 the common one is the mean of both variates, for rho = 0 it is 0. Differentiable; at
      rho = 1, where the derivative with regard to rho is infinite, 0 stands for it.
    """
    chex.assert_rank(variates1, 2)
    chex.assert_equal_shape((variates1, variates2))
    chex.assert_shape(correlations, variates1.shape[1:])
    squared = jnp.maximum(1 - correlations, 0) / (1 + correlations)
    same = squared == 0
    tangent = jnp.where(same, 0, jnp.sqrt(jnp.where(same, 1, squared)))
    common = (1 - tangent)[None] * (variates1 + variates2) / 2
    return CommonDistinctive(common, variates1 - common, variates2 - common)
