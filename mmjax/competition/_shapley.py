"""Room competition: how much each modality adds to a model, shared out fairly: Shapley values."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmjax.competition._coalitions import coalitions, num_modalities_of


def shapley_values(values: Array) -> Array:
    """Share the value of all modalities out among them.

    phi_m = sum over S without m of |S|! (M - |S| - 1)! / M! (v(S and m) - v(S)) (Shapley 1953): the mean, over all
    orders in which the modalities may arrive, of what m adds when it does. It is the one rule that is linear in v,
    gives equal modalities equal shares, gives 0 to one that never adds anything, and shares out v(all) - v(none).
    A share is negative where a modality does harm, and two modalities of an XOR share what neither has alone.

    Args:
      values: (2^M, ...), v(S) in the order of `coalitions`; any further axes, such as samples, are kept.

    Returns:
      (M, ...), in the unit of the values. Linear in them.

    Raises:
      ValueError: if the first axis has no length 2^M.
    """
    weights = jnp.asarray(_weights(num_modalities_of(values)), values.dtype)
    return jnp.tensordot(weights, values, axes=1, precision=jax.lax.Precision.HIGHEST)


def shapley_imbalance(shares: Array) -> Array:
    """Return by how much the largest of shares (M, ...) exceeds the smallest: 0 where all modalities add alike."""
    return jnp.max(shares, axis=0) - jnp.min(shares, axis=0)


def _weights(num_modalities: int) -> np.ndarray:
    """(M, 2^M), by which the values are multiplied."""
    member = coalitions(num_modalities).T
    others = member.sum(axis=0)[None] - member
    orders = [math.factorial(k) * math.factorial(num_modalities - 1 - k) for k in range(num_modalities)]
    share = np.array([*orders, 0])[others] / math.factorial(num_modalities)
    return np.where(member, share, -share)
