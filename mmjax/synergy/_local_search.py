"""Room synergy: a joint table of low entropy with given pairwise marginals, lanes last."""

import math

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.numerics import xlogx
from mmjax.synergy._box_program import Polytope, solve_box_program

_SMOOTHINGS = (1.0, 0.3, 0.1)
_FEW_ENTRIES = 512


def vertex_entropy(joint: Polytope, table: Array, *, tolerance: float) -> Array:
    """Return the least entropy met on a way through vertices of the polytope of joint tables.

    A concave function is least at a vertex. From a table r the next one minimises the linear cost
    -sum log(r_i + epsilon), the slope of the entropy smoothed by epsilon (Frank & Wolfe 1956); epsilon falls
    from the average entry, because at epsilon = 0 every vertex is a local minimum.

    Args:
      joint: the polytope.
      table: (n1, n2, n3, lanes), where the way begins.
      tolerance: of the linear programs' duality gaps.

    Returns:
      (lanes,) in nats; infinite where no table on the way has the marginals to within `10 tolerance`.
    """
    size = math.prod(table.shape[:3])
    smoothings = _SMOOTHINGS if size <= _FEW_ENTRIES else _SMOOTHINGS[:1]

    def step(table: Array, smoothing: Array) -> tuple[Array, Array]:
        rise = -jnp.log(table + smoothing / size) * (joint.upper - joint.lower)
        table = solve_box_program(joint, rise, tolerance=tolerance).table
        return table, _entropy_if_joint(joint, table, 10 * tolerance)

    _, entropies = jax.lax.scan(step, table, jnp.asarray(smoothings, table.dtype))
    return jnp.minimum(jnp.min(entropies, axis=0), _entropy_if_joint(joint, table, 10 * tolerance))


def _entropy_if_joint(joint: Polytope, table: Array, tolerance: float) -> Array:
    errors = [
        jnp.max(jnp.abs(jnp.sum(table, axis=axis) - marginal), axis=(0, 1))
        for axis, marginal in ((2, joint.p12), (1, joint.p13), (0, joint.p23))
    ]
    is_joint = jnp.max(jnp.stack(errors), axis=0) <= tolerance
    return jnp.where(is_joint, -jnp.sum(xlogx(table), axis=(0, 1, 2)), jnp.inf)
