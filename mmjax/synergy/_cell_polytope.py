"""Room synergy: the vertices of a box cut by a hyperplane, {q : lower <= q <= upper, sum q = mass}.

A line of a joint table (all values of one variable, the others fixed) lives in such a polytope: its entries have
bounds and its sum is an entry of a pairwise marginal.
"""

import functools
import itertools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


class Edges(NamedTuple):
    """The edges of a box that cross a hyperplane, on each of which is one vertex.

    Attributes:
      is_free: (num_vertices(m), m), one-hot, the coordinate that runs along the edge.
      at_upper: (num_vertices(m), m), which of the other coordinates are at their upper bounds.
      valid: (num_vertices(m),), which edges there are; the others are anything.
    """

    is_free: Array
    at_upper: Array
    valid: Array


def num_vertices(length: int) -> int:
    """Return the most vertices that the polytope of a line of this length can have.

    A half-space cuts most edges of a cube when it cuts between two middle levels: 2, 6, 12, 30, 60 for lengths 2 to
    6 (the total influence of a monotone function is largest for the majority).
    """
    return max(math.comb(length, level) * (length - level) for level in range(length))


def crossing_edges(lower: Array, upper: Array, mass: Array) -> Edges:
    """Return the edges of the box on which the vertices of {q : lower <= q <= upper, sum q = mass} are.

    They are found from the sides of the hyperplane on which the box's corners are, each decided once: where a
    corner lies on it up to rounding, either decision leaves a vertex within rounding of the corner. Of a polytope
    that rounding has emptied the nearest corner remains.

    Args:
      lower: (m,).
      upper: (m,), not less than `lower`.
      mass: a scalar.
    """
    length = lower.shape[0]
    corners, low_ends, high_ends, free = _cube_edges(length)
    bounds = jnp.where(corners, upper[None, :], lower[None, :])
    # One order of addition for all corners: rounded addition is monotone, and with it the sides are.
    sums = functools.reduce(jnp.add, [bounds[:, i] for i in range(length)])
    above = (sums > mass).at[0].set(False).at[-1].set(True)
    crosses = ~above[low_ends] & above[high_ends]
    chosen = jnp.argsort(~crosses, stable=True)[: num_vertices(length)]
    return Edges(jnp.asarray(free)[chosen], jnp.asarray(corners[low_ends])[chosen], crosses[chosen])


def polytope_vertices(edges: Edges, lower: Array, upper: Array, mass: Array) -> Array:
    """Return the vertices on the given edges, (num_vertices(m), m).

    All coordinates but one are at a bound, the remainder is in the free one (clipped to its bounds, against
    rounding). Differentiable in the bounds and the mass.
    """
    fixed = jnp.where(edges.is_free, 0, jnp.where(edges.at_upper, upper[None, :], lower[None, :]))
    remainder = (mass - jnp.sum(fixed, axis=1))[:, None]
    outside = jnp.clip(remainder, lower[None, :], upper[None, :]) - remainder
    return jnp.where(edges.is_free, remainder + jax.lax.stop_gradient(outside), fixed)


@functools.cache
def _cube_edges(length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Corners of the unit cube (2^m, m), and of each edge: its lower corner, its upper one, its direction.

    Places are int32: JAX keeps the index arrays of a process, and one of 64 bits has another dtype without x64.
    """
    corners = np.array(list(itertools.product((False, True), repeat=length)))
    low_ends, free = (x.astype(np.int32) for x in np.nonzero(~corners))
    high_ends = low_ends + (1 << (length - 1 - free))
    return corners, low_ends, high_ends, np.eye(length, dtype=bool)[free]
