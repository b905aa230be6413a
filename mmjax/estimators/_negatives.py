"""Room estimators: which pairs of a score matrix stand for the product of marginals.

The diagonal of `scores` holds the joint pairs. Off-diagonal pairs are independent draws of x and y; where only pairs
of one cluster c may serve as negatives, they are draws of p(x|c) p(y|c), and every estimator of the room becomes one
of the conditional information I(X;Y|C).
"""

from typing import NamedTuple

import chex
import jax.numpy as jnp
from jax import Array


class Negatives(NamedTuple):
    """The off-diagonal pairs that serve as negatives, and how much each counts."""

    present: Array
    """Boolean (b,): which rows have a negative."""
    share: Array
    """The fraction of such rows."""
    allowed: Array
    """Boolean (b, b), a row's negatives; where it has none its own joint pair, so that logarithms stay finite."""
    joint_weights: Array
    """(b,), equal on rows that have a negative and 0 on others, of sum 1; 1 / b where no row has one."""
    weights: Array
    """(b, b), for each row its joint weight in equal parts on what is allowed."""


def same_cluster(ids: Array) -> Array:
    """Return the mask of pairs of one cluster, for `negatives` of the conditional estimators.

    With it, I(X;Y|C) = sum_c p(c) I(X;Y|C=c) is estimated from pairs (x_i, y_j) with c_i = c_j. The critic may see
    c as part of x.

    Args:
      ids: (b,), of any dtype that compares; continuous variables must be clustered first.

    Returns:
      boolean (b, b), False on the diagonal. A sample alone in its cluster has a row without negative: it adds
      information 0 to lower bounds and to estimates of their form, and is left out of upper bounds and of `nce_club`.
    """
    chex.assert_rank(ids, 1)
    return (ids[:, None] == ids[None, :]) & ~jnp.eye(ids.shape[0], dtype=bool)


def negatives_of(scores: Array, negatives: Array | None) -> Negatives:
    """Say which pairs of a (b, b) matrix are negatives: all off the diagonal, or those of a mask.

    Raises:
      ValueError: if b < 2.
    """
    chex.assert_rank(scores, 2)
    size = scores.shape[0]
    chex.assert_shape(scores, (size, size))
    if size < 2:
        raise ValueError(
            f"expected scores of at least 2 samples, got shape {scores.shape}: a single one has no negative"
        )
    diagonal = jnp.eye(size, dtype=bool)
    mask = ~diagonal
    if negatives is not None:
        chex.assert_shape(negatives, (size, size))
        chex.assert_type(negatives, bool)
        mask = mask & negatives
    present = jnp.any(mask, axis=1)
    allowed = mask | (diagonal & ~present[:, None])
    num_present = jnp.sum(present, dtype=scores.dtype)
    counted = (present | (num_present == 0)).astype(scores.dtype)
    joint_weights = counted / jnp.sum(counted)
    parts = allowed.astype(scores.dtype) / jnp.sum(allowed, axis=1, keepdims=True, dtype=scores.dtype)
    return Negatives(present, num_present / size, allowed, joint_weights, parts * joint_weights[:, None])


def weighted_sum(weights: Array, values: Array) -> Array:
    """Sum values by weights; where the weight is 0, the value may be anything."""
    return jnp.sum(weights * jnp.where(weights > 0, values, 0))
