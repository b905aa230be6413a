"""Positive-definite systems over lanes: matrices on the leading axes, problems ("lanes") on the last ones.

Small systems are eliminated in unrolled form, each step of which is one vector operation over all lanes;
large ones are handed to the batched LAPACK routines. Made for the kernels of `mmjax.lanes`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.lanes import total

UNROLLED_ORDER = 8
"""Systems up to this order are eliminated in unrolled form: beyond it LAPACK is as fast and compiles at once."""
BLOCKED_ORDER = 64
"""Beyond this order a factorisation is split, because LAPACK's threads cost more than they bring."""


def cholesky(matrix: Array) -> Array:
    """Factorise symmetric positive-definite matrices (order, order, *lanes) as L L^T.

    Returns:
      L, of the same shape, zero above the diagonal; not finite in a lane whose matrix is not positive definite.
    """
    order = matrix.shape[0]
    if order > UNROLLED_ORDER:
        return _lanes_last(_blocked_cholesky(_lanes_first(matrix)))
    columns = []
    rest = matrix
    for k in range(order):
        column = rest[:, 0] * jax.lax.rsqrt(rest[0, 0])
        columns.append(jnp.pad(column, [(k, 0)] + [(0, 0)] * (matrix.ndim - 2)))
        rest = rest[1:, 1:] - column[1:, None] * column[None, 1:]
    return jnp.stack(columns, axis=1)


def solve_lower(factor: Array, rhs: Array) -> Array:
    """Solve L x = rhs for L (order, order, *lanes) lower triangular and rhs (order, columns, *lanes)."""
    order = factor.shape[0]
    if order > UNROLLED_ORDER:
        return _lapack_triangular(factor, rhs, transpose=False)
    solved = []
    for k in range(order):
        solved.append(rhs[0] / factor[k, k])
        rhs = rhs[1:] - factor[k + 1 :, k, None] * solved[k]
    return jnp.stack(solved)


def solve_lower_transposed(factor: Array, rhs: Array) -> Array:
    """Solve L^T x = rhs for L (order, order, *lanes) lower triangular and rhs (order, columns, *lanes)."""
    order = factor.shape[0]
    if order > UNROLLED_ORDER:
        return _lapack_triangular(factor, rhs, transpose=True)
    solved = []
    for k in reversed(range(order)):
        solved.append(rhs[-1] / factor[k, k])
        rhs = rhs[:-1] - factor[k, :k, None] * solved[-1]
    return jnp.stack(solved[::-1])


def gram(x: Array) -> Array:
    """Return sum_k x_k x_k^T (order, order, *lanes) of x (terms, order, *lanes)."""
    return jnp.einsum("ki...,kj...->ij...", x, x)


def _blocked_cholesky(matrix: Array) -> Array:
    order = matrix.shape[-1]
    if order <= BLOCKED_ORDER:
        return jnp.linalg.cholesky(matrix, symmetrize_input=False)
    half = order // 2
    corner = _blocked_cholesky(matrix[..., :half, :half])
    below = jax.lax.linalg.triangular_solve(
        corner, matrix[..., half:, :half], left_side=False, lower=True, transpose_a=True
    )
    rest = _blocked_cholesky(matrix[..., half:, half:] - below @ jnp.swapaxes(below, -1, -2))
    upper = jnp.concatenate([corner, jnp.zeros_like(jnp.swapaxes(below, -1, -2))], axis=-1)
    return jnp.concatenate([upper, jnp.concatenate([below, rest], axis=-1)], axis=-2)


def _lapack_triangular(factor: Array, rhs: Array, *, transpose: bool) -> Array:
    solved = jax.lax.linalg.triangular_solve(
        _lanes_first(factor), _lanes_first(rhs), left_side=True, lower=True, transpose_a=transpose
    )
    return _lanes_last(solved)


def _lanes_first(x: Array) -> Array:
    return jnp.moveaxis(x, (0, 1), (-2, -1))


def _lanes_last(x: Array) -> Array:
    return jnp.moveaxis(x, (-2, -1), (0, 1))


class BipartiteFactor(NamedTuple):
    """The factorised equations of two families of short vectors, for `solve_bipartite`."""

    own: Array  # (m, m, I, lanes), Cholesky factors of the first family's blocks
    coupling: Array  # (m, J m, I, lanes), own^-1 times the blocks between the families
    scale: Array  # (J m, lanes), Jacobi scaling of the Schur complement
    schur: Array  # (J m, J m, lanes), Cholesky factor of the scaled Schur complement
    free1: Array  # (I, m, lanes), 1 for a free variable, 0 for a fixed one
    free2: Array  # (J, m, lanes)


def factor_bipartite(blocks: Array, free1: Array, free2: Array, ridge: Array, *, floor: float = 0.0) -> BipartiteFactor:
    """Factorise the quadratic form sum_ij (x_i + z_j)^T W_ij (x_i + z_j) of vectors x_i, z_j of length m.

    The first family is eliminated; the Schur complement of the second is scaled to unit diagonal, and
    its diagonal kept from drowning in the cancellation that made it.

    Args:
      blocks: W, (I, J, m, m, lanes), positive semidefinite; the larger family should come first.
      free1: (I, m, lanes), 1 for a free variable, 0 for one that is fixed at 0.
      free2: (J, m, lanes), likewise.
      ridge: (lanes,), relative regularisation of both factors.
      floor: absolute regularisation, which holds directions that the form does not see.
    """
    num1, num2, length, _, num_lanes = blocks.shape
    order = num2 * length
    identity = jnp.eye(length, dtype=blocks.dtype)[:, :, None]
    within1 = total(blocks, 1) * (free1[:, :, None] * free1[:, None])
    within1 = within1 * (1 + ridge * identity) + (1 - free1 + floor)[:, None] * identity
    own = cholesky(jnp.moveaxis(within1, 0, 2))
    between = blocks * (free1[:, None, :, None] * free2[None, :, None])
    between = jnp.moveaxis(between, (2, 1, 3, 0), (0, 1, 2, 3)).reshape(length, order, num1, num_lanes)
    coupling = solve_lower(own, between)

    within2 = total(blocks, 0) * (free2[:, :, None] * free2[:, None]) + (1 - free2 + floor)[:, None] * identity
    diagonal2 = total(within2 * identity, 2).reshape(order, num_lanes)
    spread = jnp.eye(num2, dtype=blocks.dtype)[:, None, :, None, None]
    schur = (spread * within2[:, :, None]).reshape(order, order, num_lanes)
    schur = schur - gram(jnp.moveaxis(coupling, 2, 0).reshape(num1 * length, order, num_lanes))
    identity = jnp.eye(order, dtype=blocks.dtype)[:, :, None]
    diagonal = schur[jnp.arange(order), jnp.arange(order)]
    floored = jnp.maximum(diagonal, ridge * diagonal2)
    scale = jax.lax.rsqrt(floored)
    schur = (schur + identity * (floored - diagonal)) * (scale[:, None] * scale) + ridge * identity
    return BipartiteFactor(own, coupling, scale, cholesky(schur), free1, free2)


def solve_bipartite(factor: BipartiteFactor, gradient1: Array, gradient2: Array) -> tuple[Array, Array]:
    """Solve for the x (I, m, lanes), z (J, m, lanes) at which the factorised form has the given half-gradient."""
    own, coupling, scale, schur, free1, free2 = factor
    first = solve_lower(own, jnp.swapaxes(gradient1 * free1, 0, 1)[:, None])[:, 0]
    reduced = (gradient2 * free2).reshape(scale.shape) - jnp.einsum("ynib,yib->nb", coupling, first)
    z = solve_lower_transposed(schur, solve_lower(schur, (scale * reduced)[:, None]))[:, 0] * scale
    first = first - jnp.einsum("ynib,nb->yib", coupling, z)
    x = solve_lower_transposed(own, first[:, None])[:, 0]
    return jnp.swapaxes(x, 0, 1) * free1, z.reshape(free2.shape) * free2
