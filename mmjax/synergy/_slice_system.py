"""Room synergy: equations for prices of all entries of a three-way table and weights of its axes, lanes last.

Entry (i, j, k) has a price u_ijk, which is paid along axis 2 and charged along axis 1, and a price v, paid along axis 2
and charged along axis 0: v_ijk if the lines of that axis have matrices, else v_jk. With weights w1 and w0 the form is

  sum_ij (u_ij + v_ij, w1 + w0)^T M2_ij (...) + sum_ik (u_i.k, w1)^T M1_ik (...) + sum_jk (v_.jk, w0)^T M0_jk (...),

the last sum only with matrices of axis 0. The slices i share nothing but v and w: each is eliminated by itself.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from mmjax import lane_systems
from mmjax.synergy._linear_program import regularised
from mmjax.synergy._pair_system import block_diagonal


class Prices(NamedTuple):
    """Prices and weights.

    Attributes:
      table: {1: u, 0: v}.
      weight: (number of weights, lanes), w1 before w0.
    """

    table: dict[int, Array]
    weight: Array


def factor_slices(covariance: dict[int, Array], simplex: Array) -> Callable[[Prices], Prices]:
    """Factorise the form above plus simplex_0 w1^2 + simplex_1 w0^2 + simplex_-1 (w1 + w0)^2.

    Args:
      covariance: axis -> M (na, nb, length + 1, length + 1, lanes), positive semidefinite, for axes 2, 1 and
        perhaps 0; the last coordinate is that of the weight.
      simplex: (number of weights + 1, lanes).

    Returns:
      a function from half-gradients to solutions. Directions without curvature are damped.
    """
    weights, num1 = _weights(covariance), covariance[2].shape[0]
    slices = _slices(covariance)
    size = (slices.shape[0] - len(weights)) // 2
    own, across, rest = _eliminate(regularised(slices), size)
    factor = lane_systems.cholesky(regularised(_remainder(rest, covariance, simplex)))

    def solve_slices(rows: Prices) -> Prices:
        u, v = rows.table[1], rows.table[0]
        first = lane_systems.solve_lower(own, _by_slice(u)[:, None])[:, 0]
        moved = jnp.sum(across * first[None], axis=1)
        moved_v = moved[:size].reshape(size * num1, -1) if 0 in weights else jnp.sum(moved[:size], axis=1)
        left_v = _flat(v, 0 in weights) - moved_v
        left_w = rows.weight - jnp.sum(moved[size:], axis=1)
        left = jnp.concatenate([left_v, left_w])[:, None]
        solved = lane_systems.solve_lower_transposed(factor, lane_systems.solve_lower(factor, left))[:, 0]
        solved_v, w = solved[: left_v.shape[0]], solved[left_v.shape[0] :]
        by_slice = solved_v.reshape(size, -1, w.shape[1])
        seen = [jnp.broadcast_to(x, (x.shape[0], num1, x.shape[2])) for x in (by_slice, w[:, None])]
        first = first - jnp.sum(across * jnp.concatenate(seen)[:, None], axis=0)
        solved_u = lane_systems.solve_lower_transposed(own, first[:, None])[:, 0]
        table = {1: jnp.moveaxis(solved_u, 1, 0).reshape(u.shape)}
        table[0] = (jnp.moveaxis(by_slice, 1, 0) if 0 in weights else solved_v).reshape(v.shape)
        return Prices(table, w)

    return solve_slices


def _flat(v: Array, of_entries: bool) -> Array:
    by_slice = _by_slice(v) if of_entries else v
    return by_slice.reshape(-1, v.shape[-1])


def _weights(covariance: dict[int, Array]) -> tuple[int, ...]:
    return tuple(axis for axis in (1, 0) if axis in covariance)


def _by_slice(table: Array) -> Array:
    """Reorder (n1, n2, n3, lanes) to (n2 n3, n1, lanes)."""
    return jnp.moveaxis(table.reshape(table.shape[0], -1, table.shape[-1]), 0, 1)


def _slices(covariance: dict[int, Array]) -> Array:
    """The form of each slice in (u, v, w), (rows, rows, n1, lanes), without what axis 0 adds."""
    paid, charged, weights = covariance[2], covariance[1], _weights(covariance)
    num1, num2, num3 = paid.shape[0], paid.shape[1], paid.shape[2] - 1

    def matrices(expanded: Array) -> Array:  # from (n1, n2, n3, n2, n3, lanes)
        return jnp.moveaxis(expanded.reshape(num1, num2 * num3, num2 * num3, -1), 0, 2)

    same2 = jnp.eye(num2, dtype=paid.dtype)[:, None, :, None, None]
    same3 = jnp.eye(num3, dtype=paid.dtype)[:, None, :, None]
    along2 = matrices(paid[:, :, :num3, None, :num3] * same2)
    along1 = matrices(jnp.swapaxes(charged[:, :, :num2, :num2], 1, 2)[:, :, :, :, None] * same3)
    tables = jnp.concatenate(
        [jnp.concatenate([along2 + along1, along2], axis=1), jnp.concatenate([along2, along2], axis=1)]
    )
    edge2 = _by_slice(paid[:, :, :num3, num3])
    edge1 = _by_slice(jnp.swapaxes(charged[:, :, :num2, num2], 1, 2))
    of_u = jnp.stack([edge2 + edge1 if axis == 1 else edge2 for axis in weights], axis=1)
    of_v = jnp.stack([edge2 for _ in weights], axis=1)
    corner2 = jnp.sum(paid[:, :, num3, num3], axis=1)
    corner1 = jnp.sum(charged[:, :, num2, num2], axis=1)
    corner = [[corner2 + corner1 if a == b == 1 else corner2 for a in weights] for b in weights]
    return _bordered(tables, jnp.concatenate([of_u, of_v]), _matrix(corner))


def _remainder(rest: Array, covariance: dict[int, Array], simplex: Array) -> Array:
    """The form in (v, w) left by all slices, with what axis 0 and the simplex add, (rows, rows, lanes)."""
    weights = _weights(covariance)
    size = rest.shape[0] - len(weights)
    tables, edges, corner = rest[:size, :size], rest[:size, size:], jnp.sum(rest[size:, size:], axis=2)
    identity = jnp.eye(len(weights), dtype=rest.dtype)[:, :, None]
    corner = corner + identity * simplex[:-1] + simplex[-1]
    if 0 not in covariance:
        return _bordered(jnp.sum(tables, axis=2), jnp.sum(edges, axis=2), corner)
    num1 = rest.shape[2]
    charged = covariance[0].reshape(size, num1 + 1, num1 + 1, -1)
    same1 = jnp.eye(num1, dtype=rest.dtype)[:, None, :, None]
    tables = (jnp.swapaxes(tables, 1, 2)[:, :, :, None] * same1).reshape(size * num1, size * num1, -1)
    of_1, of_0 = jnp.unstack(jnp.swapaxes(edges, 1, 2).reshape(size * num1, 2, -1), axis=1)
    edges = jnp.stack([of_1, of_0 + charged[:, :num1, num1].reshape(of_0.shape)], axis=1)
    corner = corner.at[1, 1].add(jnp.sum(charged[:, num1, num1], axis=0))
    return _bordered(tables + block_diagonal(charged[:, :num1, :num1]), edges, corner)


def _matrix(rows: list[list[Array]]) -> Array:
    return jnp.stack([jnp.stack(row) for row in rows])


def _bordered(matrix: Array, edges: Array, corner: Array) -> Array:
    top = jnp.concatenate([matrix, edges], axis=1)
    return jnp.concatenate([top, jnp.concatenate([jnp.swapaxes(edges, 0, 1), corner], axis=1)])


def _eliminate(matrix: Array, count: int) -> tuple[Array, Array, Array]:
    """Eliminate the first rows.

    Args:
      matrix: (rows, rows, *lanes), positive definite.
      count: number of rows to eliminate.

    Returns:
      the first columns of the Cholesky factor, (count, count, *lanes) and (rows - count, count, *lanes), and the
      Schur complement of the other rows.
    """
    # The factor's first columns do not depend on the last block, which is made so large that none breaks down.
    trace = jnp.sum(jnp.diagonal(matrix), axis=-1)
    later = jnp.arange(matrix.shape[0]) >= count
    shift = jnp.expand_dims(jnp.diag(later.astype(matrix.dtype)), tuple(range(2, matrix.ndim)))
    factor = lane_systems.cholesky(matrix + shift * trace)
    own, across = factor[:count, :count], factor[count:, :count]
    return own, across, matrix[count:, count:] - jnp.sum(across[:, None] * across[None], axis=2)
