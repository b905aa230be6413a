"""Room competition: where a fused model is right, by which unimodal models are."""

from typing import NamedTuple

import chex
import jax.numpy as jnp
from jax import Array

from mmjax.numerics import divide_or_zero, nan_unless


class ErrorGroups(NamedTuple):
    """Samples by the set of unimodal models that are right: entry s is the group of the set of the bits of s."""

    share: Array
    """(2^M,), of the samples' weight; sums to 1, or is 0 throughout where no sample counts."""
    accuracy: Array
    """(2^M,), of the fused model in the group; NaN for a group without samples."""


def error_groups(fused: Array, unimodal: Array, weight: Array) -> ErrorGroups:
    """Group samples by which unimodal models are right, and measure the fused model in each group.

    The groups of Kontras et al. (2024, arXiv 2411.07335, figure 4): for two modalities none (0), the first only (1),
    the second only (2), both (3). The fused model of an ensemble is right in group 3 and wrong in group 0 nearly
    always; what joint training gains by synergy shows in group 0, what it loses by competition in groups 1 and 2.

    Args:
      fused: (n,), how right the fused model is, in [0, 1]: a task's `accuracy`.
      unimodal: (M, n), True where the unimodal model of a modality is right.
      weight: (n,), 0 for samples that do not count.

    Returns:
      the groups, in the order of `coalitions`.
    """
    chex.assert_rank([fused, unimodal, weight], [1, 2, 1])
    chex.assert_equal_shape([fused, unimodal[0], weight])
    num_modalities = unimodal.shape[0]
    group = jnp.sum(jnp.where(unimodal, 2 ** jnp.arange(num_modalities)[:, None], 0), axis=0)
    mass, right = (jnp.zeros(2**num_modalities, x.dtype).at[group].add(x) for x in (weight, weight * fused))
    return ErrorGroups(divide_or_zero(mass, jnp.sum(mass)), nan_unless(mass > 0, divide_or_zero(right, mass)))
