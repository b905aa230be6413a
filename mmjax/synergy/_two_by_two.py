"""Room synergy: the exact least entropy of a 2 x 2 x 2 table with given pairwise marginals."""

import jax.numpy as jnp
from jax import Array

from mmjax.numerics import nan_unless, xlogx

_ROUNDINGS = 64


def least_entropy_2x2x2(p12: Array, p1y: Array, p2y: Array) -> Array:
    """Return the least entropy of a joint table of three binary variables, in nats.

    The joint tables with given pairwise marginals are a segment: r_000 = q fixes all entries,
    r_ijk = constant + (-1)^(i+j+k) q. Entropy is concave, so that it is least at an end of the segment (ours).

    Args:
      p12: (2, 2), p(x1,x2).
      p1y: (2, 2), p(x1,y).
      p2y: (2, 2), p(x2,y).

    Returns:
      a scalar; NaN where no joint table exists, up to rounding.

    Differentiable where the two ends differ in entropy and no entry but one vanishes there by coincidence.
    """
    rising = jnp.stack([p12[0, 1] - p1y[0, 0], p12[1, 0] - p2y[0, 0], p1y[1, 0] - p2y[0, 0]])
    falling = jnp.stack([p12[0, 0], p1y[0, 0], p2y[0, 0], p12[1, 1] - p1y[1, 0] + p2y[0, 0]])
    least, most = jnp.maximum(jnp.max(-rising), 0), jnp.min(falling)

    def entropy(q: Array) -> Array:
        entries = jnp.concatenate([jnp.stack([q]), rising + q, falling - q])
        return -jnp.sum(xlogx(jnp.maximum(entries, 0)))

    tolerance = _ROUNDINGS * float(jnp.finfo(p12.dtype).eps)
    return nan_unless(least <= most + tolerance, jnp.minimum(entropy(least), entropy(most)))
