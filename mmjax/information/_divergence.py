"""Room information: relative entropy, and how mmjax sums p log(p/q) without losing small values.

With r = p/q, a cell contributes p log r - p + q >= 0. The extra terms cancel in the sum over two tables of
the same total mass, so the sum is the relative entropy; but now every term is nonnegative and quadratic in
r - 1, so that rounding moves a small divergence by eps |r - 1| instead of eps: in float32, a divergence of
1e-7 keeps its first three digits. (Ours; the terms are those of the generalised relative entropy for
unnormalised measures, Csiszar 1991.)
"""

import functools

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.numerics import divide_or_zero, in_base, is_table, log_or_zero, nan_unless


@functools.partial(jax.jit, static_argnames="base")
def kl_divergence(p: Array, q: Array, *, base: float = 2.0) -> Array:
    """Return the relative entropy of `p` with respect to `q`.

    D(p || q) = sum p log(p / q), with 0 log 0 = 0, and infinity where p > 0 = q (Kullback & Leibler 1951).

    Args:
      p: probability table of any shape.
      q: probability table of the same shape.
      base: unit of information; 2 for bits.

    Returns:
      a scalar >= 0 in units of log `base`; NaN unless both are tables.

    Differentiable twice where p, q > 0. The derivatives are those of sum p log(p/q) - p + q, which is the
    same on tables: d/dp = log(p/q), d/dq = 1 - p/q; taken as 0 in `p` where a cell is empty, and finite,
    without meaning, where the value is infinite.
    """
    chex.assert_equal_shape([p, q])
    return in_base(nan_unless(is_table(p) & is_table(q), _divergence(p, q)), base)


def divergence_terms(p: Array, q: Array, ratio: Array) -> Array:
    """Return p log(p/q) - p + q >= 0 in nats for each cell; `ratio` is p/q, 0 where p = 0."""
    near = jnp.abs(ratio - 1) < 0.5
    safe = jnp.where(near, ratio, 1)
    # Near 1 both parts come from the same rounded ratio, whose error then enters at second order only.
    return jnp.where(near, p * (jnp.log(safe) + (1 - safe) / safe), p * log_or_zero(ratio) - p + q)


@jax.custom_jvp
def _divergence(p: Array, q: Array) -> Array:
    terms = divergence_terms(p, q, divide_or_zero(p, q))
    return jnp.sum(jnp.where((q == 0) & (p > 0), jnp.inf, terms))


@_divergence.defjvp
def _divergence_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (p, q), (dp, dq) = primals, tangents
    log_ratio = jnp.where(p == 0, 0, log_or_zero(p) - log_or_zero(q))
    return _divergence(p, q), jnp.sum(log_ratio * dp) + jnp.sum((1 - divide_or_zero(p, q)) * dq)
