"""Room pid: both certified ends of the BROJA optimum, from any primal and any dual point.

The optimum is V(a, b) = min_q sum q log q(y|x1,x2) over q >= 0 with q(x1,y) = a, q(x2,y) = b (nats; -H(Y|X1,X2)).
Its dual is the maximum of <a, alpha> + <b, beta> over potentials with sum_y exp(alpha(x1,y) + beta(x2,y)) <= 1 for
every (x1, x2). A q that is moved onto the marginals bounds V from above, potentials that are shifted until they
are feasible bound it from below (ours). Arrays have lanes last: a (I, Y, lanes), b (J, Y, lanes).
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from mmjax.lanes import largest, total
from mmjax.numerics import divide_or_zero, xlogx


class Marginals(NamedTuple):
    """The two labelled marginals of a problem and the cells of a joint that they allow."""

    first: Array  # (I, Y, lanes)
    second: Array  # (J, Y, lanes)
    support: Array  # (I, J, Y, lanes), bool

    @classmethod
    def of(cls, first: Array, second: Array) -> "Marginals":
        """Derive the support from the marginals."""
        return cls(first, second, (first[:, None] > 0) & (second[None] > 0))


class Potentials(NamedTuple):
    """Dual variables: alpha (I, Y, lanes) and beta (J, Y, lanes)."""

    first: Array
    second: Array


def log_partition(potentials: Potentials, support: Array) -> tuple[Array, Array]:
    """Return log sum_y exp(alpha + beta) (I, J, lanes) over the support, -inf where it is empty, and the softmax."""
    logs = jnp.where(support, potentials.first[:, None] + potentials.second[None], -jnp.inf)
    highest = largest(logs, 2)
    highest = jnp.where(highest > -jnp.inf, highest, 0)
    exponentials = jnp.exp(logs - highest[:, :, None])
    mass = total(exponentials, 2)
    return highest + jnp.log(mass), exponentials / jnp.where(mass > 0, mass, 1)[:, :, None]


def upper_end(q: Array, marginals: Marginals) -> Array:
    """Return -H(Y|X1,X2) in nats (lanes,) of a joint q (I, J, Y, lanes) moved onto the marginals."""
    first, second, _ = marginals
    q = q * jnp.minimum(1, divide_or_zero(first, total(q, 1)))[:, None]
    q = q * jnp.minimum(1, divide_or_zero(second, total(q, 0)))[None]
    missing1 = jnp.maximum(first - total(q, 1), 0)
    missing2 = jnp.maximum(second - total(q, 0), 0)
    # At most 1, because the compiler may compute a missing mass twice and round it differently.
    share2 = jnp.minimum(1, divide_or_zero(missing2, jnp.maximum(total(missing1, 0), total(missing2, 0))))
    q = q + missing1[:, None] * share2[None]
    return total(xlogx(q), 0, 1, 2) - total(xlogx(total(q, 2)), 0, 1)


def lower_end(potentials: Potentials, marginals: Marginals) -> tuple[Array, Potentials]:
    """Return the dual value in nats (lanes,) of potentials made feasible, and the feasible potentials.

    The shifts u(x1) + v(x2) >= log sum_y exp(alpha + beta) are taken as small as they get for one family and
    then for the other, in either order; the better order is kept.
    """
    violation, _ = log_partition(potentials, marginals.support)
    mass1, mass2 = total(marginals.first, 1), total(marginals.second, 1)

    def least_shift(violation: Array, axis: int, mass: Array) -> Array:
        return jnp.where(mass > 0, largest(violation, axis), 0)

    rows = least_shift(violation, 1, mass1)
    then_columns = least_shift(violation - rows[:, None], 0, mass2)
    columns = least_shift(violation, 0, mass2)
    then_rows = least_shift(violation - columns[None], 1, mass1)
    cost_rows = total(rows * mass1, 0) + total(then_columns * mass2, 0)
    cost_columns = total(then_rows * mass1, 0) + total(columns * mass2, 0)
    rows_first = cost_rows <= cost_columns
    feasible = Potentials(
        potentials.first - jnp.where(rows_first, rows, then_rows)[:, None],
        potentials.second - jnp.where(rows_first, then_columns, columns)[:, None],
    )
    value = total(feasible.first * marginals.first, 0, 1)
    return value + total(feasible.second * marginals.second, 0, 1), feasible


def extend_potentials(potentials: Potentials, solved: Marginals, marginals: Marginals) -> Potentials:
    """Give potentials to the entries that were too small to be solved for.

    They are set so low that exp(alpha + beta) drowns in the rounding of the other terms: their cost is their
    tiny mass times some forty nats. Entries of mass 0 get potential 0, which no value or gradient sees.
    """
    depth = 1 - math.log(jnp.finfo(potentials.first.dtype).eps)

    def lowest(own: Array, other: Array, other_mass: Array) -> Array:
        highest = largest(jnp.where(other_mass > 0, other, -jnp.inf), 0)
        return jnp.broadcast_to(-jnp.where(highest > -jnp.inf, highest, 0)[None] - depth, own.shape)

    first, second = potentials
    first = jnp.where(solved.first > 0, first, lowest(first, second, solved.second))
    second = jnp.where(solved.second > 0, second, lowest(second, first, marginals.first))
    return Potentials(jnp.where(marginals.first > 0, first, 0), jnp.where(marginals.second > 0, second, 0))
