"""Room synergy: the range that three pairwise marginals leave to every entry of a joint table (Frechet boxes)."""

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.information import marginal_disagreement

_SWEEPS = 3
_ROUNDINGS = 8


@jax.jit
def frechet_box(p12: Array, p13: Array, p23: Array) -> tuple[Array, Array]:
    """Return bounds lower <= r <= upper on every joint table r with the given pairwise marginals.

    From one marginal, r_ijk <= p12_ij, p13_ik, p23_jk; from two, r_ijk >= p12_ij + p13_ik - p1_i and the like
    (Frechet 1951); from three, r_ijk <= 1 - p1_i - p2_j - p3_k + p12_ij + p13_ik + p23_jk (inclusion and
    exclusion). A line's mass minus the bounds of its other entries bounds the remaining one: sweeps of this
    tighten the boxes, in our experiments to the exact range of each entry.

    Args:
      p12: (n1, n2), pairwise marginal of axes 1 and 2.
      p13: (n1, n3).
      p23: (n2, n3).

    Returns:
      lower, upper, each (n1, n2, n3). Wider than exact by a few roundings and by what the marginals disagree about
      the variables they share; where lower > upper by more than this, no joint table exists.

    Differentiable (in the tables, not in the width for rounding) where extremes are attained once.
    """
    p1, p2, p3 = jnp.sum(p12, axis=1), jnp.sum(p12, axis=0), jnp.sum(p13, axis=0)
    xy, xz, yz = p12[:, :, None], p13[:, None, :], p23[None, :, :]
    x, y, z = p1[:, None, None], p2[None, :, None], p3[None, None, :]
    disagreement = _disagreement(p12, p13, p23)
    rounding = _ROUNDINGS * float(jnp.finfo(p12.dtype).eps)

    def doubt(scale: Array) -> Array:
        return rounding * jax.lax.stop_gradient(scale) + disagreement

    upper = jnp.minimum(jnp.minimum(xy, xz), yz) + disagreement
    upper = jnp.minimum(upper, jnp.sum(p1) - x - y - z + xy + xz + yz + doubt(jnp.sum(p1)))
    lower = jnp.maximum(jnp.maximum(xy + xz - x - doubt(x), xy + yz - y - doubt(y)), xz + yz - z - doubt(z))

    def sweep(bounds: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        lower, upper = bounds
        for axis, mass in ((2, xy), (1, xz), (0, yz)):
            least = mass - (jnp.sum(upper, axis=axis, keepdims=True) - upper) - doubt(mass)
            most = mass - (jnp.sum(lower, axis=axis, keepdims=True) - lower) + doubt(mass)
            lower, upper = jnp.maximum(lower, least), jnp.minimum(upper, most)
        return (lower, upper), None

    start = jnp.maximum(lower, 0), jnp.maximum(upper, 0)
    (lower, upper), _ = jax.lax.scan(sweep, start, length=_SWEEPS)
    return lower, upper


def entry_doubt(upper: Array, p12: Array, p13: Array, p23: Array) -> Array:
    """Return the error to be allowed for in each entry: some roundings, and how far the marginals disagree.

    Args:
      upper: (n1, n2, n3), upper bounds of the entries.
      p12: (n1, n2), pairwise marginal of axes 1 and 2.
      p13: (n1, n3).
      p23: (n2, n3).
    """
    rounding = _ROUNDINGS * float(jnp.finfo(upper.dtype).eps)
    return jax.lax.stop_gradient(rounding * upper + _disagreement(p12, p13, p23))


def _disagreement(p12: Array, p13: Array, p23: Array) -> Array:
    """Twice the total variation between shared marginals, which bounds every entry's; 0 if it is rounding."""
    distance = 2 * jax.lax.stop_gradient(marginal_disagreement(p12, p13, p23))
    rounding = _ROUNDINGS**2 * jnp.finfo(p12.dtype).eps
    return jax.lax.optimization_barrier(jnp.where(distance <= rounding, 0, distance))
