"""Room pid: the certified optimum for tables of hundreds of rows, by over-relaxed alternation.

The interior point solves small tables to rounding; its work grows with the cube of the number of rows and labels. A
step of the alternating scheme of `_alternating` is three products of matrices. Here its update of r is over-relaxed
(ours; exponents below 2 were stable on all problems tried, and save half of the steps), and the certificate is read
every `STEPS_A_ROUND` steps.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.numerics import divide_or_zero, log_or_zero
from mmjax.pid._broja import MAX_ITERATIONS, certifiable, solve
from mmjax.pid._cells import logs_or_forbidden
from mmjax.pid._certificate import Potentials
from mmjax.pid._sinkhorn import move_onto, negative_conditional_entropy
from mmjax.pid._union_information import Optimum

INTERIOR_SIZE = 128
"""Largest number of rows times labels that the interior point is used for."""
RELAXATION = 1.9
STEPS_A_ROUND = 50
MAX_ROUNDS = 20


class _State(NamedTuple):
    r: Array
    factors: tuple[Array, Array]
    best: Optimum


def cell_optimum(first: Array, second: Array, tolerance: Array) -> Optimum:
    """Return both ends of min -H(Y|X1,X2) in nats for tables (k1, ny), (k2, ny), and potentials.

    The potentials satisfy sum_y exp(alpha(k,y) + beta(l,y)) <= 1 for all pairs of cells, empty ones included, with
    `FORBIDDEN` for log 0: any row may use the potentials of any cell. (Small tables are solved to rounding, others to
    `tolerance` nats or the limit of steps.)
    """
    if max(first.shape[0], second.shape[0]) * first.shape[1] <= INTERIOR_SIZE:
        best = solve(first, second, certifiable(None, first.dtype, 2.0), MAX_ITERATIONS)
        alpha, beta = best.potentials
        return best._replace(
            potentials=Potentials(
                jnp.where(first > 0, alpha, logs_or_forbidden(jnp.zeros_like(alpha))),
                jnp.where(second > 0, beta, logs_or_forbidden(jnp.zeros_like(beta))),
            )
        )
    return _alternate(first, second, tolerance)


def _alternate(first: Array, second: Array, tolerance: Array) -> Optimum:
    label = jnp.sum(first, axis=0)
    conditional = divide_or_zero(second, jnp.broadcast_to(label, second.shape))

    def factors(r: Array, v: Array) -> tuple[Array, Array]:
        u = divide_or_zero(first, r @ v)
        return u, divide_or_zero(second, r.T @ u)

    def step(_: int, state: tuple[Array, Array]) -> tuple[Array, Array]:
        r, v = state
        u, v = factors(r, v)
        return r * (u @ v.T) ** RELAXATION, v

    def one_round(state: _State) -> _State:
        r, v = jax.lax.fori_loop(0, STEPS_A_ROUND, step, (state.r, state.factors[1]))
        u, v = factors(r, v)
        new = _ends(r, u, v, first, second)
        better = new.lower > state.best.lower
        best = Optimum(
            jnp.where(better, new.lower, state.best.lower),
            jnp.minimum(new.upper, state.best.upper),
            Potentials(*(jnp.where(better, x, y) for x, y in zip(new.potentials, state.best.potentials, strict=True))),
            state.best.iterations + STEPS_A_ROUND,
        )
        return _State(r, (u, v), best)

    def unfinished(state: _State) -> Array:
        gap = state.best.upper - state.best.lower
        return (gap > tolerance) & (state.best.iterations < MAX_ROUNDS * STEPS_A_ROUND)

    r = first @ conditional.T
    start = _State(r, (first, conditional), _ends(r, *factors(r, conditional), first, second))
    return jax.lax.while_loop(unfinished, one_round, start).best


def _ends(r: Array, u: Array, v: Array, first: Array, second: Array) -> Optimum:
    q = move_onto(r[:, :, None] * u[:, None] * v[None], first, second)
    # What underflowed in a factor is lifted to the least positive number, so that its potential is finite.
    tiny = jnp.finfo(u.dtype).tiny ** 0.25
    u = jnp.where(first > 0, jnp.maximum(u, tiny), 0)
    v = jnp.where(second > 0, jnp.maximum(v, tiny), 0)
    violation = jnp.log(u @ v.T)
    mass1, mass2 = jnp.sum(first, axis=1), jnp.sum(second, axis=1)
    rows, then_columns = _shifts(violation)
    columns, then_rows = _shifts(violation.T)
    cost_rows = jnp.sum(rows * mass1) + jnp.sum(then_columns * mass2)
    cost_columns = jnp.sum(then_rows * mass1) + jnp.sum(columns * mass2)
    rows_first = cost_rows <= cost_columns
    alpha = logs_or_forbidden(u) - jnp.where(rows_first, rows, then_rows)[:, None]
    beta = logs_or_forbidden(v) - jnp.where(rows_first, then_columns, columns)[:, None]
    value = jnp.sum(first * (log_or_zero(u) - jnp.where(rows_first, rows, then_rows)[:, None]))
    value = value + jnp.sum(second * (log_or_zero(v) - jnp.where(rows_first, then_columns, columns)[:, None]))
    return Optimum(value, negative_conditional_entropy(q), Potentials(alpha, beta), jnp.int32(0))


def _shifts(violation: Array) -> tuple[Array, Array]:
    """Least shifts of the rows (k,) and then of the columns (l,) that make violations (k, l) nonpositive."""
    rows = _largest(violation, 1)
    return rows, _largest(violation - rows[:, None], 0)


def _largest(violation: Array, axis: int) -> Array:
    highest = jnp.max(violation, axis=axis)
    return jnp.where(highest > -jnp.inf, highest, 0)
