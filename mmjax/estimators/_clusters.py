"""Room estimators: permutations that keep clusters, for the conditional versions of the estimators."""

import chex
import jax
import jax.numpy as jnp
from jax import Array


@jax.jit
def permute_within(key: Array, clusters: Array) -> Array:
    """Draw a permutation of the samples, uniform among those that keep every sample's cluster.

    y[permute_within(key, z)] is a draw of y from p(y|z) beside the x of the same sample: pairs (x, y') of the
    product p(x|z) p(y|z), which turn an estimator of I(X;Y) into one of I(X;Y|Z) where z is discrete, or
    approximately where z is a cluster of similar samples. A cluster of one sample stays with its own y, which
    lowers the estimate.

    Args:
      key: a typed PRNG key.
      clusters: integer ids (n,), any values.

    Returns:
      indices (n,) with clusters[indices] == clusters. Not differentiable.
    """
    chex.assert_rank(clusters, 1)
    shuffled = jax.random.permutation(key, clusters.shape[0])
    by_cluster = jnp.argsort(clusters, stable=True)
    shuffled_by_cluster = shuffled[jnp.argsort(clusters[shuffled], stable=True)]
    return jnp.zeros_like(shuffled).at[by_cluster].set(shuffled_by_cluster)
