"""Room synergy: the largest H(Y|X1,X2) of a joint table with three given pairwise marginals.

The dual of maximum entropy is the smooth convex minimum over additive logits B(x1,y) + C(x2,y) of
  L(B, C) = E_p12[log sum_y exp(B + C)] - E_p1y[B] - E_p2y[C]  >=  H_r(Y|X1,X2) for every joint r (ours; the primal is
the log-linear model without three-way interaction, what iterative proportional fitting converges to). Every (B, C)
gives a rigorous bound, so nothing rests on convergence. A few sweeps of proportional fitting are ended by Newton's
method with a search that also looks beyond the full step: where the optimum has zeros the logits run to infinity,
and plain sweeps stall. Arrays have lanes last.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.lane_systems import factor_bipartite, solve_bipartite
from mmjax.lanes import batch_native, fitting_chunk, largest, map_chunks, total
from mmjax.numerics import attach_gradient, log_or_zero

NUM_SWEEPS = 8
"""Sweeps of iterative proportional fitting before Newton's method."""
MAX_NEWTON = 60
"""Limit of Newton steps."""
STEP_FRACTIONS = (1.0, 8.0, 3.0, 0.3, 0.05)
"""Fractions of the Newton step that are tried; the lowest value is kept."""
LONGEST_RISE = 8.0
"""Largest change of a logit in a step of fraction 1, in nats."""


class _Problem(NamedTuple):
    p12: Array  # (I, J, lanes)
    first: Array  # (I, Y, lanes)
    second: Array  # (J, Y, lanes)
    support: Array  # (I, J, Y, lanes), bool


class _Point(NamedTuple):
    first: Array  # (I, Y, lanes), B
    second: Array  # (J, Y, lanes), C
    value: Array  # (lanes,), L
    decrement: Array  # (lanes,), what a Newton step is predicted to gain
    ridge: Array  # (lanes,)
    steps: Array  # (lanes,)


def conditional_entropy_ceiling(p12: Array, p1y: Array, p2y: Array) -> Array:
    """Return the largest H(Y|X1,X2) in nats over joints with these marginals, from above at any accuracy.

    Differentiable once: the gradient with respect to p12, p1y and p2y is log sum_y exp(B + C), -B and -C.
    """
    p12_, p1y_, p2y_ = jax.lax.stop_gradient((p12, p1y, p2y))
    value, log_sums, first, second = least_cross_entropy(p12_, p1y_, p2y_)
    return attach_gradient(value, (p12, p1y, p2y), (log_sums, -first, -second))


@batch_native((2, 2, 2), cpu_chunk=16384, chunk=2**20)
def least_cross_entropy(p12: Array, first: Array, second: Array) -> tuple[Array, Array, Array, Array]:
    if first.shape[0] < second.shape[0]:  # the larger alphabet is the cheaper one to eliminate
        value, log_sums, second, first = _of_lanes(jnp.swapaxes(p12, 0, 1), second, first)
        return value, jnp.swapaxes(log_sums, 0, 1), first, second
    return _of_lanes(p12, first, second)


def _of_lanes(p12: Array, first: Array, second: Array) -> tuple[Array, Array, Array, Array]:
    size1, length, _ = first.shape
    chunk = fitting_chunk(size1 * second.shape[0] * length * length)
    return map_chunks(_minimise, [p12, first, second], chunk)


def _minimise(p12: Array, first: Array, second: Array) -> tuple[Array, Array, Array, Array]:
    support = (first[:, None] > 0) & (second[None] > 0) & (p12[:, :, None] > 0)
    problem = _Problem(p12, first, second, support)
    point = _start(problem)

    def unfinished(point: _Point) -> Array:
        precision = 256 * jnp.finfo(p12.dtype).eps
        return (point.decrement > precision) & (point.steps < MAX_NEWTON) & (point.ridge < 0.1)

    def body(point: _Point) -> _Point:
        active = unfinished(point)
        return jax.tree.map(lambda new, old: jnp.where(active, new, old), _newton(point, problem), point)

    point = jax.lax.while_loop(lambda point: jnp.any(unfinished(point)), body, point)
    log_sums, _ = _log_partition(point.first, point.second, problem)
    return point.value, log_sums, point.first, point.second


def _log_partition(first: Array, second: Array, problem: _Problem) -> tuple[Array, Array]:
    """Return log sum_y exp(B + C) (I, J, lanes), 0 where p12 is, and the softmax (I, J, Y, lanes)."""
    logits = jnp.where(problem.support, first[:, None] + second[None], -jnp.inf)
    highest = largest(logits, 2)
    highest = jnp.where(highest > -jnp.inf, highest, 0)
    exponentials = jnp.exp(logits - highest[:, :, None])
    mass = total(exponentials, 2)
    mass = jnp.where(mass > 0, mass, 1)
    return highest + jnp.log(mass), exponentials / mass[:, :, None]


def _cross_entropy(first: Array, second: Array, problem: _Problem) -> Array:
    log_sums, _ = _log_partition(first, second, problem)
    labelled = total(problem.first * first, 0, 1) + total(problem.second * second, 0, 1)
    return total(problem.p12 * log_sums, 0, 1) - labelled


def _start(problem: _Problem) -> _Point:
    """Sweep from conditionally independent modalities."""

    def sweep(logits: tuple[Array, Array], nothing: None) -> tuple[tuple[Array, Array], None]:
        first, second = logits
        _, conditional = _log_partition(first, second, problem)
        reached = total(problem.p12[:, :, None] * conditional, 1)
        first = first + log_or_zero(problem.first) - log_or_zero(jnp.where(problem.first > 0, reached, 0))
        _, conditional = _log_partition(first, second, problem)
        reached = total(problem.p12[:, :, None] * conditional, 0)
        second = second + log_or_zero(problem.second) - log_or_zero(jnp.where(problem.second > 0, reached, 0))
        return (first, second), None

    label = log_or_zero(total(problem.first, 0))
    second = jnp.where(problem.second > 0, log_or_zero(problem.second) - label, 0)
    logits = (log_or_zero(problem.first), second)
    (first, second), _ = jax.lax.scan(sweep, logits, None, length=NUM_SWEEPS)
    value = _cross_entropy(first, second, problem)
    least = jnp.full_like(value, _least_ridge(value.dtype))
    # A lane that is not finite has nothing to gain.
    gain = jnp.where(jnp.isfinite(value), jnp.inf, 0).astype(value.dtype)
    return _Point(first, second, value, gain, least, jnp.zeros_like(value, jnp.int32))


def _least_ridge(dtype: jnp.dtype) -> Array:
    return jnp.asarray(64 * jnp.finfo(dtype).eps, dtype)


def _newton(point: _Point, problem: _Problem) -> _Point:
    """Make one Newton step; a lane whose equations break down stays, with a larger ridge."""
    dtype = point.value.dtype
    _, conditional = _log_partition(point.first, point.second, problem)
    joint = problem.p12[:, :, None] * conditional
    identity = jnp.eye(joint.shape[2], dtype=dtype)[:, :, None]
    blocks = joint[:, :, :, None] * (identity - conditional[:, :, None])
    # B + f(x1) and C + g(x2) change nothing: one logit of each value is kept.
    floor = 512 * float(jnp.finfo(dtype).eps)  # else logits that change nothing run away on rounding errors
    factor = factor_bipartite(blocks, _free(problem.first), _free(problem.second), point.ridge, floor=floor)
    residual1, residual2 = problem.first - total(joint, 1), problem.second - total(joint, 0)
    dfirst, dsecond = solve_bipartite(factor, residual1, residual2)
    decrement = total(residual1 * dfirst, 0, 1) + total(residual2 * dsecond, 0, 1)
    rise = jnp.where(problem.support, jnp.abs(dfirst[:, None] + dsecond[None]), 0)
    longest = jnp.minimum(1, LONGEST_RISE / jnp.maximum(largest(rise, 0, 1, 2), 1))

    best, step = point.value, jnp.zeros_like(point.value)
    for fraction in STEP_FRACTIONS:
        length = fraction * longest
        value = _cross_entropy(point.first + length * dfirst, point.second + length * dsecond, problem)
        step, best = jnp.where(value < best, length, step), jnp.where(value < best, value, best)
    sound = jnp.isfinite(decrement) & (decrement >= 0)
    moved = sound & (step > 0)
    step = jnp.where(moved, step, 0)
    settled = sound & (step == 0)
    return _Point(
        jnp.where(moved, point.first + step * dfirst, point.first),
        jnp.where(moved, point.second + step * dsecond, point.second),
        jnp.where(moved, best, point.value),
        jnp.where(settled, 0, jnp.where(sound, decrement, jnp.inf)),
        jnp.where(sound, jnp.maximum(0.1 * point.ridge, _least_ridge(dtype)), 1e3 * point.ridge),
        point.steps + 1,
    )


def _free(mass: Array) -> Array:
    """Mark the logits (k, Y, lanes) to solve for: those of positive mass but the heaviest of each value."""
    heaviest = jnp.arange(mass.shape[1])[:, None] == jnp.argmax(mass, axis=1)[:, None]
    return ((mass > 0) & ~heaviest).astype(mass.dtype)
