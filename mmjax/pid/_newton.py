"""Room pid: Newton's method for the small concave problems of calibration."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

MAX_STEPS = 40
"""Limit of Newton steps; random problems need fewer than 10, separable ones some 30."""
FRACTIONS = (1.0, 0.5, 0.25, 1 / 16, 1 / 128)
"""Fractions of a step that are tried, the longest that does no harm is taken."""
LONGEST = 5.0
"""Largest change of a parameter in one step, in nats."""


def maximise(objective: Callable[[Array], Array], start: Array) -> Array:
    """Maximise a concave function of a few parameters (m,); directions in which it is flat are left alone."""
    rounding = 16 * jnp.finfo(start.dtype).eps

    def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        point, _, count = state
        gradient, curvature = jax.grad(objective)(point), -jax.hessian(objective)(point)
        ridge = rounding * (jnp.trace(curvature) + rounding)
        direction = jnp.linalg.solve(curvature + ridge * jnp.eye(point.size, dtype=point.dtype), gradient)
        direction = direction * jnp.minimum(1, LONGEST / jnp.maximum(jnp.max(jnp.abs(direction)), LONGEST))
        now = objective(point)
        fractions = jnp.array(FRACTIONS, point.dtype)
        tried = jax.vmap(lambda fraction: objective(point + fraction * direction))(fractions)
        # At the optimum the value does not tell points apart that its gradient still does: rounding is no harm.
        fraction = jnp.max(jnp.where(tried >= now - rounding * (1 + jnp.abs(now)), fractions, 0))
        change = jnp.where(fraction > 0, fraction * direction, 0)
        return point + change, jnp.max(jnp.abs(change)), count + 1

    def moving(state: tuple[Array, Array, Array]) -> Array:
        # Newton squares the error: after a step as short as this one nothing is left to do.
        return (state[1] > rounding**0.5) & (state[2] < MAX_STEPS)

    return jax.lax.while_loop(moving, step, (start, jnp.full((), jnp.inf, start.dtype), jnp.int32(0)))[0]
