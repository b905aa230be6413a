"""Room correlation: how much common and individual structure a sample has (ours; arXiv 2305.03125 has scores as well).

Each is a smooth function of variates, and through them of the input: `saliency` shows where in it.
"""

import chex
import jax.numpy as jnp
from jax import Array


def agreement(variates1: Array, variates2: Array) -> Array:
    """Return how much two views of each sample agree: sum_j a_1j a_2j.

    Over the samples that the variates were fitted to, the sum divided by n - 1 is the sum of their correlations. Of
    more than two views, take the mean over their pairs.

    Args:
      variates1: common variates of the one view (n, num_common).
      variates2: of the other one.

    Returns:
      (n,), positive where the views deviate from their means in the same way.
    """
    chex.assert_rank([variates1, variates2], 2)
    chex.assert_equal_shape([variates1, variates2])
    return jnp.sum(variates1 * variates2, axis=1)


def common_energy(variates: Array, correlations: Array) -> Array:
    """Return the size of what one view of each sample has in common with the others: 1/2 sum_j rho_j a_j^2.

    Args:
      variates: common variates (n, num_common).
      correlations: rho (num_common,).

    Returns:
      (n,), at least 0.
    """
    chex.assert_rank([variates, correlations], [2, 1])
    chex.assert_equal_shape([variates[0], correlations])
    return jnp.sum(correlations[None] * variates**2, axis=1) / 2


def individual_energy(variates: Array) -> Array:
    """Return the size of what one view of each sample has alone: 1/2 sum_j b_j^2.

    Args:
      variates: individual variates (n, num_individual).

    Returns:
      (n,), at least 0.
    """
    chex.assert_rank(variates, 2)
    return jnp.sum(variates**2, axis=1) / 2
