"""Room synergy: linear costs over all joint tables with given pairwise marginals and bounded entries, lanes last.

min c.r over lower <= r <= upper with marginals p12, p13, p23. An entry is lower + share (upper - lower); the dual has
a price for each pair and a level for each entry, all of which but the prices of pairs (1,3) and (2,3) are
eliminated by hand.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.synergy._frechet import entry_doubt, frechet_box
from mmjax.synergy._linear_program import Program, pack, solve, unpack
from mmjax.synergy._pair_system import factor_pairs

_START_SLACK = 0.1


class Polytope(NamedTuple):
    """The joint tables with given pairwise marginals (., ., lanes): bounds and doubts (n1, n2, n3, lanes)."""

    p12: Array
    p13: Array
    p23: Array
    lower: Array
    upper: Array
    doubt: Array


class PairPrices(NamedTuple):
    """Prices of pairs (1,2), (1,3) and (2,3), each of the shape of its marginal."""

    p12: Array
    p13: Array
    p23: Array

    def of_entries(self) -> Array:
        """Return what each entry pays for its three pairs, (n1, n2, n3, lanes)."""
        return self.p12[:, :, None] + self.p13[:, None] + self.p23

    def of_marginals(self, p12: Array, p13: Array, p23: Array) -> Array:
        """Return the price of three marginals, (lanes,)."""
        paid = [jnp.sum(price * p, axis=(0, 1)) for price, p in zip(self, (p12, p13, p23), strict=True)]
        return paid[0] + paid[1] + paid[2]


class BoxSolution(NamedTuple):
    """A solution of the program.

    Attributes:
      share: (n1, n2, n3, lanes) in [0, 1], how far each entry is from its lower to its upper bound.
      table: (n1, n2, n3, lanes), the entries.
      prices: the dual solution.
      bound: (lanes,), rigorous lower bound on the least sum of rise * share.
    """

    share: Array
    table: Array
    prices: PairPrices
    bound: Array


class _Rows(NamedTuple):
    prices: PairPrices
    level: Array


def polytope(p12: Array, p13: Array, p23: Array) -> Polytope:
    """Return the polytope of joint tables of each lane."""
    lower, upper = jax.vmap(frechet_box, in_axes=-1, out_axes=-1)(p12, p13, p23)
    doubt = jax.vmap(entry_doubt, in_axes=-1, out_axes=-1)(upper, p12, p13, p23)
    return Polytope(p12, p13, p23, lower, upper, doubt)


def solve_box_program(joint: Polytope, rise: Array, *, tolerance: float) -> BoxSolution:
    """Minimise sum rise * share over tables lower + share * (upper - lower) with the given marginals.

    Args:
      joint: bounds and marginals.
      rise: (n1, n2, n3, lanes), the cost of an entry at its upper bound minus that at its lower bound.
      tolerance: of the duality gap.
    """
    width = joint.upper - joint.lower
    program = _program(joint, width, rise)
    prices = PairPrices(*(jnp.zeros_like(p) for p in joint[:3]))
    y = _Rows(prices, jnp.minimum(rise, 0) - _START_SLACK)
    solution = solve(program, jnp.full_like(program.costs, 0.5), pack(y), tolerance=tolerance)
    upper, lower = unpack(solution.weights, (rise, rise))
    share = upper / (upper + lower)
    prices = unpack(solution.multipliers, y).prices
    return BoxSolution(share, joint.lower + share * width, prices, solution.bound)


def _program(joint: Polytope, width: Array, rise: Array) -> Program:
    """The program over shares of (upper, lower)."""
    above = [p - jnp.sum(joint.lower, axis=2 - k) for k, p in enumerate(joint[:3])]
    rows = _Rows(PairPrices(*above), jnp.ones_like(rise))
    costs = pack((rise, jnp.zeros_like(rise)))

    def transpose(y: Array) -> Array:
        prices, level = unpack(y, rows)
        return pack((level + width * prices.of_entries(), level))

    def bound(y: Array) -> Array:
        prices = unpack(y, rows).prices
        paid = prices.of_entries()
        least = jnp.sum(jnp.minimum(rise - width * paid, 0) - jnp.abs(paid) * joint.doubt, axis=(0, 1, 2))
        return least + prices.of_marginals(*above)

    def factor(d: Array) -> Callable[[Array], Array]:
        solve_rows = _factor(width, *unpack(d, (rise, rise)))
        return lambda r: pack(solve_rows(unpack(r, rows)))

    return Program(costs, pack(rows), jnp.ones(costs.shape, bool), transpose, factor, bound)


def _factor(width: Array, d_upper: Array, d_lower: Array) -> Callable[[_Rows], _Rows]:
    """Return the solver of the normal equations."""
    both = d_upper + d_lower
    share = d_upper / both * width
    stiffness = share * d_lower * width
    eps = float(jnp.finfo(width.dtype).eps)
    total = jnp.sum(stiffness, axis=2) * (1 + 8 * eps) + eps
    part = stiffness / total[:, :, None]
    identity = jnp.eye(width.shape[2], dtype=width.dtype)[:, :, None]
    solve_pairs = factor_pairs(identity * stiffness[:, :, :, None] - part[:, :, :, None] * stiffness[:, :, None])

    def solve_rows(rows: _Rows) -> _Rows:
        moved = share * rows.level
        first = rows.prices.p12 - jnp.sum(moved, axis=2)
        left = part * first[:, :, None] + moved
        p13, p23 = solve_pairs(rows.prices.p13 - jnp.sum(left, axis=1), rows.prices.p23 - jnp.sum(left, axis=0))
        p12 = first / total - jnp.sum(part * (p13[:, None] + p23), axis=2)
        prices = PairPrices(p12, p13, p23)
        return _Rows(prices, rows.level / both - share * prices.of_entries())

    return solve_rows
