"""Room coupling: the quantile coupling, which couples atoms of the same rank."""

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.coupling._marginals import Coupling, normalised
from mmjax.numerics import nan_unless


@jax.jit
def quantile(marginals: Array) -> Coupling:
    """Couple the quantiles of marginals whose atoms are sorted from large to small.

    The north-west corner rule on sorted marginals: the unit interval is cut at every boundary between atoms
    of some marginal, and each piece couples the atoms that it lies in. Without a loop; its entropy is above
    that of `greedy` on average (0.07 bits for two marginals, over 1 bit for eight), in single cases below.

    Args:
      marginals: (k, n), one distribution a row, shorter ones padded with zeros; each row is divided by its sum.

    Returns:
      a coupling of K = k (n-1) + 1 cells in the order of the interval, some with mass 0; its masses are NaN if
      a row is no distribution.

    Differentiable where no two boundaries and no two atoms of a marginal coincide; finite elsewhere.
    """
    chex.assert_rank(marginals, 2)
    p, _, valid = normalised(marginals)
    order = jnp.argsort(p, axis=1, descending=True)
    boundaries = jnp.cumsum(jnp.take_along_axis(p, order, axis=1), axis=1)[:, :-1]
    cuts = jnp.sort(jnp.minimum(boundaries, 1), axis=None)
    right = jnp.append(cuts, jnp.ones((), p.dtype))
    left = jnp.insert(cuts, 0, jnp.zeros((), p.dtype))
    middle = jax.lax.stop_gradient((left + right) / 2)
    ranks = jax.vmap(lambda row: jnp.searchsorted(row, middle, side="right"))(jax.lax.stop_gradient(boundaries))
    indices = jnp.take_along_axis(order, ranks, axis=1).T.astype(jnp.int32)
    return Coupling(indices, nan_unless(valid, right - left))
