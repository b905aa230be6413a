"""Room information: entropy and conditional entropy of probability tables (Shannon 1948)."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.information._tables import different_axes
from mmjax.numerics import divide_or_zero, in_base, is_table, log_or_zero, nan_unless, xlogx


@functools.partial(jax.jit, static_argnames="base")
def entropy(p: Array, *, base: float = 2.0) -> Array:
    """Return the entropy of the whole table.

    H(p) = -sum p log p, with 0 log 0 = 0 (Shannon 1948).

    Args:
      p: probability table of any shape.
      base: unit of information; 2 for bits.

    Returns:
      a scalar in [0, log p.size], in units of log `base`; NaN for a table that is none.

    Differentiable twice where p > 0; the derivative, -infinity in an empty cell, is taken as 0 there.
    """
    return in_base(nan_unless(is_table(p), 0 - jnp.sum(xlogx(p))), base)


@functools.partial(jax.jit, static_argnames=("given", "base"))
def conditional_entropy(p: Array, *, given: int | tuple[int, ...] = -1, base: float = 2.0) -> Array:
    """Return the entropy of a table's other variables when the variables `given` are known.

    H(A|B) = sum_ab p(a,b) log(p(b) / p(a,b)) (Shannon 1948): of a table with axes (x, y) the default is
    H(X|Y), and `given=(0, 1)` of a table with axes (x1, x2, y) is H(Y|X1,X2).

    Args:
      p: probability table, one axis a variable.
      given: axis, or axes, of the known variables.
      base: unit of information; 2 for bits.

    Returns:
      a scalar >= 0 in units of log `base`, with all its digits also for nearly deterministic tables; NaN for
      a table that is none.

    Raises:
      ValueError: if an axis is out of range or repeated.

    Differentiable twice where p > 0; the derivative in an empty cell is taken as 0.
    """
    known = different_axes(given, p.ndim)
    grouped = jnp.moveaxis(p, known, range(len(known)))
    rows = grouped.reshape(math.prod(grouped.shape[: len(known)]), -1)
    return in_base(nan_unless(is_table(p), _conditional_entropy(rows)), base)


@jax.custom_jvp
def _conditional_entropy(p: Array) -> Array:
    """Entropy in nats of the column given the row."""
    share = divide_or_zero(p, jnp.sum(p, axis=1, keepdims=True))
    return jnp.sum(-p * log_or_zero(share))


@_conditional_entropy.defjvp
def _conditional_entropy_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (p,), (dp,) = primals, tangents
    rows = jnp.sum(p, axis=1, keepdims=True)
    surprise = jnp.where(p == 0, 0, log_or_zero(rows) - log_or_zero(p))
    return _conditional_entropy(p), jnp.sum(surprise * dp)
