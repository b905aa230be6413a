"""Elementary functions with the right values and derivatives at zero, units, and envelope derivatives."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

TABLE_TOLERANCE = 1e-3
"""How far a table's sum may be from 1: loose enough for tables printed with three or four digits."""


@jax.custom_jvp
def xlogx(x: Array) -> Array:
    """Return x log x in nats, 0 at x = 0, NaN for x < 0.

    The derivative is 1 + log x, and 0 at x = 0 (where the true one is -inf), so that tables with
    empty cells have finite gradients.
    """
    return x * log_or_zero(x)


@xlogx.defjvp
def _xlogx_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # By hand, because the second derivative that JAX finds goes over 1 / x^2, which overflows in small cells.
    (x,), (dx,) = primals, tangents
    return xlogx(x), jnp.where(x == 0, 0, 1 + log_or_zero(x)) * dx


def log_or_zero(x: Array) -> Array:
    """Return log x, with value and derivative 0 at x = 0 and NaN for x < 0."""
    return jnp.log(jnp.where(x == 0, 1, x))


@jax.custom_jvp
def divide_or_zero(x: Array, y: Array) -> Array:
    """Return x / y, with value and derivatives 0 where y = 0."""
    zero = y == 0
    return jnp.where(zero, 0, x / jnp.where(zero, 1, y))


@divide_or_zero.defjvp
def _divide_or_zero_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    # By hand, because JAX's own rule goes over 1 / y^2, which overflows for small y where x / y does not.
    (x, y), (dx, dy) = primals, tangents
    ratio = divide_or_zero(x, y)
    return ratio, divide_or_zero(dx - ratio * dy, y)


def in_base(nats: Array, base: float) -> Array:
    """Convert nats to units of log `base` (2: bits).

    Raises:
      ValueError: if `base` is not greater than 1.
    """
    if not base > 1:
        raise ValueError(f"base must be greater than 1 (2 for bits, e for nats); got {base}")
    return nats / math.log(base)


def is_table(p: Array) -> Array:
    """Say whether `p` is a probability table: no negative entry, no NaN, sum 1 within `TABLE_TOLERANCE`.

    Args:
      p: array of any shape.

    Returns:
      a boolean scalar; False for an all-zero or unnormalised table.
    """
    return jnp.all(p >= 0) & (jnp.abs(jnp.sum(p) - 1) <= TABLE_TOLERANCE)


def scaled_entropy(p: Array) -> Array:
    """Return -sum p log(p / sum p) in nats, which is the entropy of a table that sums to 1.

    It grows in proportion to the table, as informations do: in their sums, tables that sum to 1 only nearly
    (`TABLE_TOLERANCE`) leave no error behind.
    """
    return xlogx(jnp.sum(p)) - jnp.sum(xlogx(p))


def as_floats(*arrays: ArrayLike) -> tuple[Array, ...]:
    """Return arrays in their common floating-point dtype; JAX's own float where all are integers or booleans."""
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.result_type(*arrays, float)
    return tuple(jnp.asarray(x).astype(dtype) for x in arrays)


def nan_unless(condition: Array, x: Array) -> Array:
    """Return `x` where `condition` holds and NaN elsewhere; derivatives pass to `x` where it holds."""
    return jnp.where(condition, x, jnp.nan)


@jax.custom_jvp
def attach_gradient(value: Array, xs: Any, gradients: Any) -> Array:
    """Return `value`, differentiable in `xs` with the given gradients (envelope theorem).

    For an optimal value V(x) = max_z L(x, z) the derivative is dL/dx at the optimal z: the solver that
    found z runs on `jax.lax.stop_gradient(x)`, and its result is attached here. Forward and reverse
    mode both work, under jit, vmap and scan. A second derivative would need the derivative of the
    solution, which this is not: asking for one raises.

    Args:
      value: a scalar, computed without derivatives.
      xs: a pytree of arrays, the variables.
      gradients: a pytree like `xs`, the gradient of `value` with respect to each.

    Raises:
      TypeError: when differentiated twice.
    """
    del xs, gradients
    return value


@attach_gradient.defjvp
def _attach_gradient_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    value, xs, gradients = primals
    gradients = _differentiable_once(gradients, xs)
    products = jax.tree.map(lambda g, dx: jnp.sum(g * dx), gradients, tangents[1])
    return value, sum(jax.tree.leaves(products), start=jnp.zeros_like(value))


@jax.custom_jvp
def _differentiable_once(gradients: Any, xs: Any) -> Any:
    del xs
    return gradients


@_differentiable_once.defjvp
def _differentiable_once_jvp(primals: Any, tangents: Any) -> Any:
    raise TypeError(
        "second derivatives of an optimal value are not available: its gradient comes from the envelope "
        "theorem, which fixes the optimal solution; take finite differences of the gradient instead"
    )
