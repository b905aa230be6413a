"""Room pid: a primal-dual interior point on the dual of the BROJA problem.

Variables are the potentials alpha, beta, the masses s(x1,x2) that multiply the constraints
log sum_y exp(alpha + beta) + w = 0, and their slacks w. A step aims at s w = tau omega: the weights omega are the
products s w of the start, so that cells of every scale stay on a path of their own (ours). Slacks are variables,
not functions of the potentials, because the curvature of the constraints would else cut the steps near the
boundary; a step is a Mehrotra predictor and corrector. Arrays have lanes last.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from mmjax.lane_systems import BipartiteFactor, factor_bipartite, solve_bipartite
from mmjax.lanes import largest, smallest, total
from mmjax.numerics import divide_or_zero
from mmjax.pid._certificate import Marginals, Potentials, log_partition

STEP_FRACTIONS = (1.0, 0.5, 0.1)
"""Fractions of the longest step that are tried."""
LONGEST_RISE = 4.0
"""Largest rise of a log mass in one step, in nats: beyond it the exponentials outrun their linearisation."""
INFEASIBILITY_SHARE = 0.05
"""The complementarity is not driven below this share of the infeasibility."""
RESIDUAL_ALLOWANCE = 30
"""How far, in gaps, a step may raise the residuals: where masses still move much, the next step removes them."""
FIRST_SLACK = 1e-6
"""Least slack at the start."""


class Iterate(NamedTuple):
    """A point of the interior-point method."""

    potentials: Potentials
    masses: Array  # (I, J, lanes), s
    slacks: Array  # (I, J, lanes), w
    weights: Array  # (I, J, lanes), omega, summing to 1
    step: Array  # (lanes,), length of the last step
    ridge: Array  # (lanes,), relative regularisation of the factorisations


class _Residuals(NamedTuple):
    first: Array
    second: Array
    constraint: Array
    size: Array  # (lanes,), sum of absolute values


def start(r: Array, potentials: Potentials, marginals: Marginals) -> Iterate:
    """Start from the weights and potentials of the alternating scheme, shifted into the interior."""
    logs, _ = log_partition(potentials, marginals.support)
    pairs = logs > -jnp.inf
    masses = jnp.where(pairs, r * jnp.exp(logs), 0)
    highest = largest(logs, 1)
    highest = jnp.where(highest > -jnp.inf, highest, 0)
    slacks = jnp.where(pairs, highest[:, None] - logs, 1)
    gap = jnp.maximum(total(masses * slacks, 0, 1), FIRST_SLACK)
    shifted = jnp.where(marginals.first > 0, potentials.first - (highest + gap)[:, None], 0)
    slacks = slacks + jnp.where(pairs, gap, 0)
    label = total(marginals.first, 0)
    independent = marginals.first[:, None] * divide_or_zero(marginals.second, label[None] + 0 * marginals.second)
    # A cell whose mass has all but died out gets back a little, or its path would start on the boundary.
    masses = jnp.where(pairs, jnp.maximum(masses, 0.2 * gap * total(independent, 2) / slacks), 0)
    products = masses * slacks
    return Iterate(
        Potentials(shifted, potentials.second),
        masses,
        slacks,
        divide_or_zero(products, jnp.broadcast_to(total(products, 0, 1), products.shape)),
        jnp.ones_like(gap),
        jnp.full_like(gap, _least_ridge(products.dtype)),
    )


def _least_ridge(dtype: jnp.dtype) -> Array:
    return jnp.asarray(16 * jnp.finfo(dtype).eps, dtype)


def _residuals(point: Iterate, marginals: Marginals, pairs: Array) -> tuple[_Residuals, Array]:
    logs, conditional = log_partition(point.potentials, marginals.support)
    q = point.masses[:, :, None] * conditional
    first, second = marginals.first - total(q, 1), marginals.second - total(q, 0)
    constraint = jnp.where(pairs, point.slacks + jnp.where(pairs, logs, 0), 0)
    size = total(jnp.abs(first), 0, 1) + total(jnp.abs(second), 0, 1) + total(point.masses * jnp.abs(constraint), 0, 1)
    return _Residuals(first, second, constraint, size), conditional


def _longest_step(x: Array, dx: Array, pairs: Array) -> Array:
    falling = pairs & (dx < 0)
    return smallest(jnp.where(falling, -x / jnp.where(falling, dx, -1), jnp.inf), 0, 1)


class _Direction(NamedTuple):
    potentials: Potentials
    masses: Array
    slacks: Array


def _direction(
    target: Array,
    point: Iterate,
    residuals: _Residuals,
    conditional: Array,
    factor: BipartiteFactor,
    pairs: Array,
) -> _Direction:
    """Solve the linearised conditions for s w = target (I, J, lanes)."""
    masses, slacks = point.masses, point.slacks
    aim = jnp.where(pairs, (target + masses * residuals.constraint) / slacks, 0)
    change = conditional * (aim - masses)[:, :, None]
    dfirst, dsecond = solve_bipartite(factor, residuals.first - total(change, 1), residuals.second - total(change, 0))
    rise = total(conditional * (dfirst[:, None] + dsecond[None]), 2)
    dmasses = jnp.where(pairs, aim - masses + masses / slacks * rise, 0)
    return _Direction(Potentials(dfirst, dsecond), dmasses, -rise - residuals.constraint)


def _advance(point: Iterate, direction: _Direction, step: Array, marginals: Marginals, pairs: Array) -> Iterate:
    potentials = Potentials(
        point.potentials.first + step * direction.potentials.first,
        point.potentials.second + step * direction.potentials.second,
    )
    logs, _ = log_partition(potentials, marginals.support)
    slacks = jnp.where(pairs, jnp.maximum(-logs, point.slacks + step * direction.slacks), 1)
    return point._replace(potentials=potentials, masses=point.masses + step * direction.masses, slacks=slacks)


def _complementarity(point: Iterate, pairs: Array) -> Array:
    return total(jnp.where(pairs, point.masses * point.slacks, 0), 0, 1)


def improve(point: Iterate, marginals: Marginals) -> Iterate:
    """Make one predictor-corrector step; a lane whose equations break down stays, with a larger ridge."""
    dtype = point.masses.dtype
    pairs = largest(marginals.support, 2)
    residuals, conditional = _residuals(point, marginals, pairs)
    factor = _factor(point, conditional, marginals)
    gap = _complementarity(point, pairs)

    predictor = _direction(jnp.zeros_like(point.masses), point, residuals, conditional, factor, pairs)
    reach = jnp.minimum(
        1,
        jnp.minimum(
            _longest_step(point.masses, predictor.masses, pairs),
            _longest_step(point.slacks, predictor.slacks, pairs),
        ),
    )
    predicted = (point.masses + reach * predictor.masses) * (point.slacks + reach * predictor.slacks)
    predicted = total(jnp.where(pairs, predicted, 0), 0, 1)
    # After a short step centre, and leave out the second-order term that was wrong.
    short = point.step < 0.5
    centring = jnp.where(short, 0.5, jnp.clip((predicted / gap) ** 3, 1e-3, 0.8))
    centring = jnp.maximum(centring, jnp.minimum(1, INFEASIBILITY_SHARE * residuals.size / gap)).astype(dtype)
    second_order = jnp.where(short, 0, reach**2).astype(dtype) * predictor.masses * predictor.slacks
    aim = centring * gap * point.weights
    target = jnp.where(pairs, jnp.maximum(aim - second_order, 0.1 * aim), 0)
    direction = _direction(target, point, residuals, conditional, factor, pairs)

    step = _step_length(point, direction, residuals, gap, marginals, pairs)
    moved = _advance(point, direction, step, marginals, pairs)
    finite = jnp.isfinite(step)
    least = _least_ridge(dtype)
    moved = moved._replace(step=step, ridge=jnp.maximum(0.1 * point.ridge, least))
    stuck = point._replace(step=jnp.zeros_like(step), ridge=1e3 * point.ridge)
    return select(finite, moved, stuck)


def _factor(point: Iterate, conditional: Array, marginals: Marginals) -> BipartiteFactor:
    first, second, _ = marginals
    length = first.shape[1]
    q = point.masses[:, :, None] * conditional
    bend = point.masses * (1 / point.slacks - 1)
    blocks = bend[:, :, None, None] * conditional[:, :, :, None] * conditional[:, :, None, :]
    blocks = blocks + q[:, :, :, None] * jnp.eye(length, dtype=first.dtype)[:, :, None]
    # alpha + c(y), beta - c(y) is the same point: one beta for each y is kept.
    kept = jnp.arange(second.shape[0])[:, None, None] == jnp.argmax(second, 0)
    return factor_bipartite(
        blocks, (first > 0).astype(first.dtype), ((second > 0) & ~kept).astype(first.dtype), point.ridge
    )


def _step_length(
    point: Iterate,
    direction: _Direction,
    residuals: _Residuals,
    gap: Array,
    marginals: Marginals,
    pairs: Array,
) -> Array:
    """Return the longest tried step that stays central, and on which residuals and complementarity hardly grow."""
    dfirst, dsecond = direction.potentials
    rise = largest(jnp.where(marginals.support, dfirst[:, None] + dsecond[None], 0), 0, 1, 2)
    longest = jnp.minimum(
        _longest_step(point.masses, direction.masses, pairs),
        _longest_step(point.slacks, direction.slacks, pairs),
    )
    longest = jnp.minimum(jnp.minimum(1, 0.99 * longest), LONGEST_RISE / jnp.maximum(rise, 1e-3))
    step = 0.2 * STEP_FRACTIONS[-1] * longest
    for fraction in reversed(STEP_FRACTIONS):
        trial = _advance(point, direction, fraction * longest, marginals, pairs)
        after, _ = _residuals(trial, marginals, pairs)
        products = trial.masses * trial.slacks
        gap_after = total(jnp.where(pairs, products, 0), 0, 1)
        central = smallest(jnp.where(pairs, products - 1e-3 * gap_after * point.weights, jnp.inf), 0, 1) > 0
        small = after.size <= jnp.maximum(residuals.size, 1e-12) + RESIDUAL_ALLOWANCE * gap
        step = jnp.where(central & small & (gap_after <= 1.1 * gap), fraction * longest, step)
    return step


def joint(point: Iterate, marginals: Marginals) -> Array:
    """Return the joint q (I, J, Y, lanes) of a point; it has the marginals only at the optimum."""
    _, conditional = log_partition(point.potentials, marginals.support)
    return point.masses[:, :, None] * conditional


def select(condition: Array, yes: Iterate, no: Iterate) -> Iterate:
    """Choose between two points lane by lane."""
    potentials = Potentials(*(jnp.where(condition, x, z) for x, z in zip(yes.potentials, no.potentials, strict=True)))
    others = [jnp.where(condition, x, z) for x, z in zip(yes[1:], no[1:], strict=True)]
    return Iterate(potentials, *others)
