"""Room pid: what each outcome contributes to the decomposition."""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.numerics import as_floats, in_base, is_table, log_or_zero, nan_unless
from mmjax.pid._broja import MAX_ITERATIONS, certifiable, solve


class PointwisePID(NamedTuple):
    """Contributions of the outcomes (x1, x2, y), arrays (n1, n2, ny) in units of the base asked for."""

    redundancy: Array
    unique1: Array
    unique2: Array
    synergy: Array


def pointwise(
    p: Array, *, tol: float | None = None, max_iterations: int = MAX_ITERATIONS, base: float = 2.0
) -> PointwisePID:
    """Decompose what each outcome (x1, x2) tells about its y; the p-averages are the values of `broja`.

    The union information of an outcome is alpha(x1,y) + beta(x2,y) - log p(y), with the optimal potentials of the
    dual (ours); with i(x;y) = log p(y|x)/p(y), r = i(x1;y) + i(x2;y) - union, u1 = union - i(x2;y),
    u2 = union - i(x1;y), s = i(x1,x2;y) - union. Contributions may be negative, as pointwise information is. Where
    the optimal potentials are not unique, one choice is returned. Not differentiable: gradients are 0.

    Args:
      p: table (n1, n2, ny).
      tol: certified gap, as in `broja`; the averages agree with the table's values within it.
      max_iterations: as in `broja`.
      base: of the logarithm; 2 for bits.

    Returns:
      contributions, 0 where p is 0; NaN where `p` is no probability table.

    Raises:
      ValueError: if `tol` is smaller than the dtype of `p` can certify.
    """
    (p,) = as_floats(jax.lax.stop_gradient(p))
    chex.assert_rank(p, 3)
    p = nan_unless(is_table(p), p)
    p12, p1y, p2y = jnp.sum(p, axis=2), jnp.sum(p, axis=1), jnp.sum(p, axis=0)
    label = log_or_zero(jnp.sum(p1y, axis=0)) - log_or_zero(jnp.sum(p1y))
    alpha, beta = solve(p1y, p2y, certifiable(tol, p.dtype, base), max_iterations).potentials
    first = (log_or_zero(p1y) - log_or_zero(jnp.sum(p1y, axis=1))[:, None] - label[None])[:, None, :]
    second = (log_or_zero(p2y) - log_or_zero(jnp.sum(p2y, axis=1))[:, None] - label[None])[None, :, :]
    both = log_or_zero(p) - log_or_zero(p12)[:, :, None] - label[None, None]
    union = alpha[:, None, :] + beta[None, :, :] - label[None, None]
    parts = (first + second - union, union - second, union - first, both - union)
    return PointwisePID(*(in_base(jnp.where(p == 0, 0, part), base) for part in parts))
