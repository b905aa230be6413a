"""Room synergy: the chord bound on the entropy of a joint table with given pairwise marginals, lanes last.

On its Frechet box an entry's h(q) = -q log q is at least its chord, so the least sum of chords over all joint
tables, a linear program, bounds the least entropy. For prices L = A(x1,x2) + B(x1,x3) + C(x2,x3) its dual

  <A, p12> + <B, p13> + <C, p23> + sum over entries of min(h(lower) - L lower, h(upper) - L upper)

is a bound whatever the prices are (ours). Weaker than `_cell_envelope`, for tables whose lines are too long for that.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.numerics import xlogx
from mmjax.synergy._box_program import Polytope, polytope, solve_box_program


class LinearBound(NamedTuple):
    """A lower bound on the least entropy, in nats, lanes last.

    Attributes:
      bound: (lanes,).
      gradients: derivatives of `bound` by the three marginals.
      table: (n1, n2, n3, lanes), where the program attains it: nearly a joint table with these marginals.
    """

    bound: Array
    gradients: tuple[Array, Array, Array]
    table: Array


def chord_bound(joint: Polytope, *, tolerance: float) -> LinearBound:
    """Bound the entropy of every joint table of the polytope.

    Args:
      joint: the polytope.
      tolerance: of the program's duality gap, in nats.

    Returns:
      the bound; its gradient is the Lagrangian's at the solution (envelope theorem).
    """
    at_lower, at_upper = -xlogx(joint.lower), -xlogx(joint.upper)
    share, table, prices, bound = solve_box_program(joint, at_upper - at_lower, tolerance=tolerance)

    def lagrangian(marginals: tuple[Array, Array, Array]) -> Array:
        _, _, _, lower, upper, _ = polytope(*marginals)
        paid = prices.of_entries() * (share * upper + (1 - share) * lower)
        entropy = -share * xlogx(upper) - (1 - share) * xlogx(lower)
        return jnp.sum(entropy - paid) + jnp.sum(prices.of_marginals(*marginals))

    gradients = jax.grad(lagrangian)(joint[:3])
    return LinearBound(bound + jnp.sum(at_lower, axis=(0, 1, 2)), gradients, table)
