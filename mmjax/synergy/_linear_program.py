"""Room synergy: many small structured linear programs at once, by a primal-dual interior point method.

min c.x over F x = b, x >= 0, and its dual max b.y over F^T y + s = c, s >= 0, are followed along the central
path by predictor and corrector steps (Mehrotra 1992, SIAM J. Optimization 2(4)). The matrix F is never formed:
a program brings F^T as a function and a solver of F diag(d) F^T that knows the structure. Every program also
brings a bound that holds for all y, so that what is returned is rigorous however far the iteration came.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

MAX_ITERATIONS = 40
_TO_BOUNDARY = 0.995
_SHORTEST_STEP = 1e-6
_FEASIBLE = 10
_ROUNDINGS = 8


class Program(NamedTuple):
    """Linear programs of one structure, problems ("lanes") on the last axis of every array.

    Attributes:
      costs: c, (columns, lanes).
      targets: b, (rows, lanes).
      valid: booleans (columns, lanes); the other columns are absent from the program.
      transpose: y (rows, lanes) -> F^T y (columns, lanes), linear.
      factor: d (columns, lanes) -> (r -> y with F diag(d) F^T y = r).
      bound: y -> lower bound (lanes,) on the optimal value, rigorous for every y.
    """

    costs: Array
    targets: Array
    valid: Array
    transpose: Callable[[Array], Array]
    factor: Callable[[Array], Callable[[Array], Array]]
    bound: Callable[[Array], Array]


class Solution(NamedTuple):
    """The iterate of each lane that had the best bound.

    Attributes:
      weights: x, (columns, lanes), nonnegative; F x = b nearly holds.
      multipliers: y, (rows, lanes).
      bound: the program's bound at `multipliers`, (lanes,).
    """

    weights: Array
    multipliers: Array
    bound: Array


class _State(NamedTuple):
    x: Array
    y: Array
    s: Array
    best: Solution
    done: Array
    steps: Array


def solve(program: Program, x: Array, y: Array, *, tolerance: float) -> Solution:
    """Solve all lanes from the start x, y.

    Args:
      program: the programs.
      x: (columns, lanes), positive where valid.
      y: (rows, lanes), strictly dual feasible: F^T y < c where valid.
      tolerance: of x.s, which is the duality gap of a feasible iterate.

    Returns:
      the best iterates. A lane stops when it is within the tolerance, breaks down, or has made
      `MAX_ITERATIONS` steps.
    """
    x = jnp.where(program.valid, x, 0)
    s = jnp.where(program.valid, program.costs - program.transpose(y), 1)
    bound = program.bound(y)
    start = _State(x, y, s, Solution(x, y, bound), jnp.zeros_like(bound, dtype=bool), jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(
        lambda state: (state.steps < MAX_ITERATIONS) & ~jnp.all(state.done),
        lambda state: _iterate(program, state, tolerance),
        start,
    ).best


def regularised(matrix: Array) -> Array:
    """Add to the diagonals of normal equations (rows, rows, *lanes) what their rounding can take away."""
    eps = float(jnp.finfo(matrix.dtype).eps)
    identity = jnp.eye(matrix.shape[0], dtype=matrix.dtype)
    identity = jnp.expand_dims(identity, tuple(range(2, matrix.ndim)))
    return matrix + identity * (_ROUNDINGS * eps * matrix + eps)


def pack(tree: Any) -> Array:
    """Join the leaves of a tree, each (..., lanes), into one array (numbers, lanes)."""
    return jnp.concatenate([x.reshape(x.size // x.shape[-1], x.shape[-1]) for x in jax.tree.leaves(tree)])


def unpack(packed: Array, like: Any) -> Any:
    """Undo `pack` for a tree with leaves of these shapes."""
    leaves, structure = jax.tree.flatten(like)
    ends = [0]
    for leaf in leaves:
        ends.append(ends[-1] + leaf.size // leaf.shape[-1])
    parts = [packed[start:end].reshape(x.shape) for x, start, end in zip(leaves, ends[:-1], ends[1:], strict=True)]
    return jax.tree.unflatten(structure, parts)


def _iterate(program: Program, state: _State, tolerance: float) -> _State:
    dx, dy, ds = _mehrotra_direction(program, state)
    along_x = jnp.minimum(1, _TO_BOUNDARY * _to_boundary(state.x, dx))
    along_s = jnp.minimum(1, _TO_BOUNDARY * _to_boundary(state.s, ds))
    moved = state.x + along_x * dx, state.y + along_s * dy, state.s + along_s * ds
    finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(z), axis=0) for z in moved]), axis=0)
    running = ~state.done & finite
    x, y, s = (jnp.where(running, new, old) for new, old in zip(moved, state[:3], strict=True))

    bound = program.bound(y)
    # Of iterates whose bounds are equal for all purposes, the later ones have the better weights.
    better = running & (bound >= state.best.bound - tolerance / 10)
    new = Solution(x, y, bound)
    best = Solution(*(jnp.where(better, a, b) for a, b in zip(new, state.best, strict=True)))
    gap = jnp.sum(jnp.where(program.valid, x * s, 0), axis=0)
    lacking = jnp.max(jnp.abs(program.targets - _adjoint(program.transpose, y)(x)), axis=0)
    solved = (gap <= tolerance) & (lacking <= _FEASIBLE * tolerance) | (gap <= tolerance / 100)
    stuck = jnp.maximum(along_x, along_s) < _SHORTEST_STEP
    return _State(x, y, s, best, state.done | ~finite | solved | stuck, state.steps + 1)


def _mehrotra_direction(program: Program, state: _State) -> tuple[Array, Array, Array]:
    """The predictor's step, and from what it leaves undone the corrector's. Dual feasible iterates stay so."""
    x, y, s = state.x, state.y, state.s
    apply = _adjoint(program.transpose, y)
    lacking = program.targets - apply(x)
    d = x / s
    solve_rows = program.factor(d)
    products = jnp.where(program.valid, x * s, 0)
    gap = jnp.sum(products, axis=0)

    def centring(dx: Array, ds: Array) -> Array:
        ahead = (x + jnp.minimum(1, _to_boundary(x, dx)) * dx) * (s + jnp.minimum(1, _to_boundary(s, ds)) * ds)
        left = jnp.sum(jnp.where(program.valid, ahead, 0), axis=0)
        return (left / gap) ** 3 * gap / jnp.sum(program.valid, axis=0, dtype=gap.dtype)

    def direction(is_corrector: Array, previous: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        dx, _, ds = previous
        excess = products + jnp.where(is_corrector == 1, dx * ds - centring(dx, ds), 0)
        excess = jnp.where(program.valid, excess, 0)
        dy = solve_rows(lacking + apply(excess / s))
        ds = jnp.where(program.valid, -program.transpose(dy), 0)
        return -excess / s - d * ds, dy, ds

    nothing = jnp.zeros_like(x), jnp.zeros_like(y), jnp.zeros_like(s)
    return jax.lax.fori_loop(0, 2, direction, nothing)


def _adjoint(transpose: Callable[[Array], Array], y: Array) -> Callable[[Array], Array]:
    transposed = jax.linear_transpose(transpose, y)
    return lambda x: transposed(x)[0]


def _to_boundary(z: Array, dz: Array) -> Array:
    """Return the largest step along dz that keeps z >= 0, infinite where there is none."""
    return jnp.min(jnp.where(dz < 0, -z / jnp.where(dz < 0, dz, -1), jnp.inf), axis=0)
