"""Room synergy: the linear program over the vertices of all lines of a joint table (see `_cell_envelope`).

Its dual variables are a table of prices for each axis but the base one (prices of pairs only, where that axis has
no envelope), a weight for each of these axes that has an envelope, and a level for each line. The base axis has
the opposite of all prices together and the weight that is left.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.synergy._linear_program import Program, pack, solve, unpack
from mmjax.synergy._pair_system import factor_pairs
from mmjax.synergy._slice_system import Prices, factor_slices

BASE = 2
"""The axis whose lines are always enveloped."""

PRICED_AXES = (1, 0)
"""The axes with prices of their own."""

_START_SLACK = 0.1


class Lines(NamedTuple):
    """The vertices of all lines along the enveloped axes, and the pairwise marginals of the other axes.

    Attributes:
      vertices: axis -> (na, nb, vertices, length + 1, lanes); the last coordinate is minus the entropy.
      valid: axis -> (na, nb, vertices, lanes), which vertices there are.
      marginals: axis -> (na, nb, lanes), for axes without envelope.
      doubt: (n1, n2, n3, lanes), error to be allowed for in each entry.
    """

    vertices: dict[int, Array]
    valid: dict[int, Array]
    marginals: dict[int, Array]
    doubt: Array


class _Rows(NamedTuple):
    prices: Prices
    level: dict[int, Array]  # (na, nb, lanes)


class _Columns(NamedTuple):
    lines: dict[int, Array]  # (na, nb, vertices, lanes)
    simplex: Array  # (axes with weights + 1 or 0, lanes)


class EnvelopeSolution(NamedTuple):
    """A solution of the program.

    Attributes:
      weights: axis -> (na, nb, vertices, lanes), convex combinations of the vertices of each line.
      prices: the dual solution.
      bound: (lanes,), rigorous lower bound on the program's value.
    """

    weights: dict[int, Array]
    prices: Prices
    bound: Array


def solve_envelope_program(lines: Lines, *, tolerance: float) -> EnvelopeSolution:
    """Solve the program from equal weights on all vertices of a line and on all axes.

    Args:
      lines: the vertices.
      tolerance: of the duality gap.
    """
    rows, columns = _rows(lines), _costs(lines)
    program = _program(lines, rows, columns)
    prices = jax.tree.map(jnp.zeros_like, rows.prices)
    prices = prices._replace(weight=prices.weight + 1 / len(lines.vertices))
    level = {axis: x - _START_SLACK for axis, x in _least(lines, prices).items()}
    valid = {axis: x.astype(columns.simplex.dtype) for axis, x in lines.valid.items()}
    x = _Columns(
        {axis: x / jnp.sum(x, axis=2, keepdims=True) for axis, x in valid.items()}, jnp.ones_like(columns.simplex)
    )
    solution = solve(program, pack(x), pack(_Rows(prices, level)), tolerance=tolerance)
    weights = unpack(solution.weights, columns).lines
    weights = {axis: x / jnp.sum(x, axis=2, keepdims=True) for axis, x in weights.items()}
    return EnvelopeSolution(weights, unpack(solution.multipliers, rows).prices, solution.bound)


def reduced_costs(lines: Lines, prices: Prices) -> dict[int, Array]:
    """Return w_g h(v) - <L_g, v> for each vertex."""
    costs = _costs(lines).lines
    return {axis: costs[axis] - _inner(price, lines.vertices[axis]) for axis, price in _by_line(prices).items()}


def pair_value(lines: Lines, prices: Prices) -> Array:
    """Return what the marginals of axes without envelope add, (lanes,)."""
    values = [jnp.sum(prices.table[axis] * p, axis=(0, 1)) for axis, p in lines.marginals.items()]
    return -sum(values, start=jnp.zeros_like(lines.doubt[0, 0, 0]))


def _program(lines: Lines, rows: _Rows, columns: _Columns) -> Program:
    valid = _Columns(lines.valid, jnp.ones(columns.simplex.shape, bool))

    def transpose(y: Array) -> Array:
        prices, level = unpack(y, rows)
        paid = {axis: _inner(price, lines.vertices[axis]) for axis, price in _by_line(prices).items()}
        return pack(_Columns({axis: level[axis][:, :, None] + x for axis, x in paid.items()}, _simplex(prices)))

    def bound(y: Array) -> Array:
        prices = unpack(y, rows).prices
        least = [jnp.sum(x, axis=(0, 1)) for x in _least(lines, prices).values()]
        paid = [jnp.moveaxis(price[:, :, :-1], 2, axis) for axis, price in _by_line(prices).items()]
        doubt = [jnp.sum(jnp.abs(x) * lines.doubt, axis=(0, 1, 2)) for x in paid]
        in_simplex = jnp.all(prices.weight >= 0, axis=0) & (jnp.sum(prices.weight, axis=0) <= 1)
        return jnp.where(in_simplex, sum(least) + pair_value(lines, prices) - sum(doubt), -jnp.inf)

    def factor(d: Array) -> Callable[[Array], Array]:
        solve_rows = _factor(lines, rows, unpack(d, columns))
        return lambda r: pack(solve_rows(unpack(r, rows)))

    return Program(pack(columns), pack(rows), pack(valid), transpose, factor, bound)


def _rows(lines: Lines) -> _Rows:
    """The right sides: all lines' weights sum to 1, and the tables that different axes describe are equal."""
    zeros = jnp.zeros_like(lines.doubt)
    table = {axis: -lines.marginals[axis] if axis in lines.marginals else zeros for axis in PRICED_AXES}
    weight = jnp.broadcast_to(zeros[0, 0, 0], (len(lines.vertices) - 1, zeros.shape[-1]))
    level = {axis: jnp.ones_like(vertices[:, :, 0, 0]) for axis, vertices in lines.vertices.items()}
    return _Rows(Prices(table, weight), level)


def _costs(lines: Lines) -> _Columns:
    minus_entropy = {axis: vertices[:, :, :, -1] for axis, vertices in lines.vertices.items()}
    num_inequalities = len(lines.vertices) if len(lines.vertices) > 1 else 0
    last = jnp.arange(num_inequalities) == num_inequalities - 1
    return _Columns(
        {axis: -x if axis == BASE else jnp.zeros_like(x) for axis, x in minus_entropy.items()},
        jnp.where(last[:, None], jnp.ones_like(lines.doubt[0, 0, 0]), 0),
    )


def _simplex(prices: Prices) -> Array:
    """Left sides of -w_g <= 0 and sum_g w_g <= 1; none without weights."""
    total = jnp.sum(prices.weight, axis=0, keepdims=True)
    return jnp.concatenate([-prices.weight, total]) if prices.weight.size else prices.weight


def _least(lines: Lines, prices: Prices) -> dict[int, Array]:
    """The least over v of w_g h(v) - <L_g, v> for each line."""
    reduced = reduced_costs(lines, prices)
    return {axis: jnp.min(jnp.where(lines.valid[axis], x, jnp.inf), axis=2) for axis, x in reduced.items()}


def _by_line(prices: Prices) -> dict[int, Array]:
    """Prices of the vertices' coordinates, (na, nb, length + 1, lanes), that of minus the entropy last."""
    full = [axis for axis in PRICED_AXES if prices.table[axis].ndim == 4]
    of_entries = [x if axis in full else jnp.expand_dims(x, axis) for axis, x in prices.table.items()]
    own = [_append(jnp.moveaxis(prices.table[axis], axis, 2), w) for axis, w in zip(full, prices.weight, strict=True)]
    base = _append(-(of_entries[0] + of_entries[1]), -jnp.sum(prices.weight, axis=0))
    return {BASE: base, **dict(zip(full, own, strict=True))}


def _append(price: Array, weight: Array) -> Array:
    return jnp.concatenate([price, jnp.broadcast_to(weight, (*price.shape[:2], 1, weight.shape[0]))], axis=2)


def _inner(price: Array, vertices: Array) -> Array:
    return jnp.sum(price[:, :, None] * vertices, axis=3)


def _factor(lines: Lines, like: _Rows, d: _Columns) -> Callable[[_Rows], _Rows]:
    """Return the solver of the normal equations; levels are eliminated line by line."""
    total = {axis: jnp.sum(x, axis=2) for axis, x in d.lines.items()}
    mean, covariance = {}, {}
    for axis, weights in d.lines.items():
        vertices = lines.vertices[axis]
        mean[axis] = jnp.sum(weights[:, :, :, None] * vertices, axis=2) / total[axis][:, :, None]
        centred = vertices - mean[axis][:, :, None]
        weighted = weights[:, :, :, None] * centred
        covariance[axis] = jnp.sum(weighted[:, :, :, :, None] * centred[:, :, :, None], axis=2)
    solve_prices = _factor_prices(covariance, d.simplex)
    collect = jax.linear_transpose(_by_line, like.prices)

    def solve_rows(rows: _Rows) -> _Rows:
        (moved,) = collect({axis: mean[axis] * level[:, :, None] for axis, level in rows.level.items()})
        prices = solve_prices(jax.tree.map(jnp.subtract, rows.prices, moved))
        level = {
            axis: rows.level[axis] / total[axis] - jnp.sum(mean[axis] * price, axis=2)
            for axis, price in _by_line(prices).items()
        }
        return _Rows(prices, level)

    return solve_rows


def _factor_prices(covariance: dict[int, Array], simplex: Array) -> Callable[[Prices], Prices]:
    if len(covariance) > 1:
        return factor_slices(covariance, simplex)
    solve_pairs = factor_pairs(covariance[BASE][:, :, :-1, :-1])

    def solve_prices(rows: Prices) -> Prices:
        one, other = solve_pairs(rows.table[1], rows.table[0])
        return Prices({1: one, 0: other}, rows.weight)

    return solve_prices
