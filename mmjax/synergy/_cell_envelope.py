"""Room synergy: the cell-envelope bound on the entropy of a joint table with given pairwise marginals.

Entropy is a sum over the lines of a table along one axis, and on a line, which lives in the polytope of
`_cell_polytope`, it is concave: convex combinations of the polytope's vertices, each at its own entropy,
underestimate it. This holds along each axis; the linear program (ours)

  min t  over weights lambda >= 0 and tables r,
  t >= sum over lines along axis g, vertices v of lambda_v h(v),   r(line) = sum_v lambda_v v,   sum_v lambda_v = 1

for several g at once bounds the least entropy from below. Its dual, for prices L_g with sum_g L_g = a function of
pairs only and weights w >= 0 with sum_g w_g = 1,

  <pair prices, pair marginals> + sum over g, lines of min_v (w_g h(v) - <L_g, v>),

is a bound for all L and w. It is this that is returned, so that no solver's accuracy matters to its truth.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.numerics import xlogx
from mmjax.synergy._box_program import Polytope, polytope
from mmjax.synergy._cell_polytope import Edges, crossing_edges, polytope_vertices
from mmjax.synergy._chord import LinearBound
from mmjax.synergy._envelope_program import (
    BASE,
    PRICED_AXES,
    Lines,
    pair_value,
    reduced_costs,
    solve_envelope_program,
)


def cell_envelope_bound(joint: Polytope, *, axes: tuple[int, ...], tolerance: float) -> LinearBound:
    """Bound the entropy of every joint table of the polytope.

    Args:
      joint: the polytope.
      axes: along which lines are enveloped, static: 2, and perhaps 1, and then perhaps 0.
      tolerance: of the program's duality gap, in nats.

    Returns:
      the bound; its gradient is the Lagrangian's at the solution (envelope theorem).
    """
    edges = {axis: _of_lines(crossing_edges)(*_bounds_of_lines(joint, axis)) for axis in axes}
    lines = _lines(joint, edges)
    weights, prices, bound = solve_envelope_program(lines, tolerance=tolerance)

    def lagrangian(marginals: tuple[Array, Array, Array]) -> Array:
        lines = _lines(polytope(*marginals), edges)
        values = [jnp.sum(weights[axis] * x) for axis, x in reduced_costs(lines, prices).items()]
        return sum(values, start=jnp.sum(pair_value(lines, prices)))

    table = jnp.sum(weights[BASE][:, :, :, None] * lines.vertices[BASE][:, :, :, :-1], axis=2)
    return LinearBound(bound, jax.grad(lagrangian)(joint[:3]), table)


def _lines(joint: Polytope, edges: dict[int, Edges]) -> Lines:
    vertices = {}
    for axis, ends in edges.items():
        points = _of_lines(polytope_vertices)(ends, *_bounds_of_lines(joint, axis))
        vertices[axis] = jnp.concatenate([points, jnp.sum(xlogx(points), axis=3, keepdims=True)], axis=3)
    valid = {axis: ends.valid for axis, ends in edges.items()}
    marginals = {axis: joint[2 - axis] for axis in PRICED_AXES if axis not in edges}
    return Lines(vertices, valid, marginals, joint.doubt)


def _bounds_of_lines(joint: Polytope, axis: int) -> tuple[Array, Array, Array]:
    """Lower and upper bounds (na, nb, length, lanes) and masses (na, nb, lanes) of the lines along an axis."""
    lower, upper = (jnp.moveaxis(x, axis, 2) for x in (joint.lower, joint.upper))
    return lower, upper, joint[2 - axis]


def _of_lines(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Map a function of one line over (na, nb, ..., lanes)."""
    return jax.vmap(jax.vmap(jax.vmap(fn)), in_axes=-1, out_axes=-1)
