"""Room synergy: lower bounds on synergy from how much the unimodal posteriors disagree.

With m = p(y|x1,x2), a = p(y|x1), b = p(y|x2): E KL(m||a) = U2 + S and E KL(m||b) = U1 + S. A mixture of the
two, minimised over m, is a distance of a and b, which the unlabelled pairs p(x1,x2) average. (The idea is of
Liang et al. 2023, arXiv 2306.04539; its constant 1 for the squared distance in bits is no bound. Derivation
and constants are ours.) The maximum-entropy bound of `bounds` is never weaker; these are closed forms.
"""

import functools
from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.information import marginals_agree
from mmjax.numerics import divide_or_zero, in_base, log_or_zero, nan_unless

_HALVINGS = 26


@functools.partial(jax.jit, static_argnames="base")
def disagreement_bound(
    p12: Array, p1y: Array, p2y: Array, unique1: Array, unique2: Array, *, base: float = 2.0
) -> Array:
    """Return the Chernoff form of the disagreement bound on synergy.

    S >= max over t in [0,1] of E[-log sum_y a^t b^(1-t)] - t U2 - (1-t) U1: for every m,
    t KL(m||a) + (1-t) KL(m||b) >= -log sum_y a^t b^(1-t). The right side is concave in t, as minus a
    log-sum-exp of functions linear in t, and is a bound at every t, so at the one that a bisection ends with.

    Args:
      p12: probability table with axes (x1, x2).
      p1y: probability table with axes (x1, y).
      p2y: probability table with axes (x2, y).
      unique1: scalar, unique information of x1 or an upper bound on it, in units of log `base`.
      unique2: scalar, unique information of x2 or an upper bound on it.
      base: unit of information; 2 for bits.

    Returns:
      a scalar of either sign in units of log `base`; NaN unless the three are tables that agree and every
      pair of positive mass leaves some label possible.

    Differentiable twice in all arguments where p > 0 and the best t is unique.
    """
    arguments = (p12, p1y, p2y, unique1, unique2, base)
    slope = jax.grad(_mixture_bound)
    t = _best_mixture(slope, *jax.lax.stop_gradient(arguments[:-1]), base)
    # A last step of Newton carries the derivative of the best t, which second derivatives need.
    curvature = jax.grad(slope)(t, *arguments)
    t = jnp.clip(t - divide_or_zero(slope(t, *arguments), curvature), 0, 1)
    return nan_unless(marginals_agree(p12, p1y, p2y), _mixture_bound(t, *arguments))


@functools.partial(jax.jit, static_argnames="base")
def bhattacharyya_disagreement_bound(
    p12: Array, p1y: Array, p2y: Array, unique1: Array, unique2: Array, *, base: float = 2.0
) -> Array:
    """Return the Bhattacharyya form of the disagreement bound on synergy.

    S >= E[-log sum_y sqrt(a b)] - (U1 + U2) / 2, `disagreement_bound` at t = 1/2.

    Args:
      p12: probability table with axes (x1, x2).
      p1y: probability table with axes (x1, y).
      p2y: probability table with axes (x2, y).
      unique1: scalar, unique information of x1 or an upper bound on it, in units of log `base`.
      unique2: scalar, unique information of x2 or an upper bound on it.
      base: unit of information; 2 for bits.

    Returns:
      a scalar of either sign in units of log `base`, at most `disagreement_bound`; NaN as there.

    Differentiable twice where p > 0.
    """
    alpha = _chernoff(jnp.full((), 0.5, p12.dtype), p12, p1y, p2y, base)
    return nan_unless(marginals_agree(p12, p1y, p2y), alpha - (unique1 + unique2) / 2)


@functools.partial(jax.jit, static_argnames="base")
def total_variation_disagreement_bound(
    p12: Array, p1y: Array, p2y: Array, unique1: Array, unique2: Array, *, base: float = 2.0
) -> Array:
    """Return the total-variation form of the disagreement bound on synergy.

    S >= E ||a - b||_1^2 / 8 - (U1 + U2) / 2 in nats, by Pinsker's inequality for both halves.

    Args:
      p12: probability table with axes (x1, x2).
      p1y: probability table with axes (x1, y).
      p2y: probability table with axes (x2, y).
      unique1: scalar, unique information of x1 or an upper bound on it, in units of log `base`.
      unique2: scalar, unique information of x2 or an upper bound on it.
      base: unit of information; 2 for bits.

    Returns:
      a scalar of either sign in units of log `base`, at most the Bhattacharyya form; NaN unless the three are
      tables that agree.

    Differentiable where no a(y) equals b(y).
    """
    distance = jnp.sum(jnp.abs(_difference(p12, p1y, p2y)), axis=2) ** 2
    return _subtract_unique(jnp.sum(p12 * distance) / 8, p12, p1y, p2y, unique1, unique2, base)


@functools.partial(jax.jit, static_argnames="base")
def euclidean_disagreement_bound(
    p12: Array, p1y: Array, p2y: Array, unique1: Array, unique2: Array, *, base: float = 2.0
) -> Array:
    """Return the squared-distance form of the disagreement bound on synergy.

    S >= E ||a - b||_2^2 / 4 - (U1 + U2) / 2 in nats, because ||v||_1^2 >= 2 ||v||_2^2 for entries that sum
    to 0. In bits the constant is 1 / (4 ln 2) = 0.3607; the published code has 1, which is no bound.

    Args:
      p12: probability table with axes (x1, x2).
      p1y: probability table with axes (x1, y).
      p2y: probability table with axes (x2, y).
      unique1: scalar, unique information of x1 or an upper bound on it, in units of log `base`.
      unique2: scalar, unique information of x2 or an upper bound on it.
      base: unit of information; 2 for bits.

    Returns:
      a scalar of either sign in units of log `base`, at most the total-variation form; NaN unless the three
      are tables that agree.

    Differentiable twice where p(x1), p(x2) > 0.
    """
    distance = jnp.sum(_difference(p12, p1y, p2y) ** 2, axis=2)
    return _subtract_unique(jnp.sum(p12 * distance) / 4, p12, p1y, p2y, unique1, unique2, base)


def _mixture_bound(t: Array, p12: Array, p1y: Array, p2y: Array, unique1: Array, unique2: Array, base: float) -> Array:
    return _chernoff(t, p12, p1y, p2y, base) - t * unique2 - (1 - t) * unique1


def _best_mixture(slope: Callable[..., Array], p12: Array, *others: Array | float) -> Array:
    """The t in [0, 1] at which a slope that falls with t changes its sign, by bisection."""

    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = (ends[0] + ends[1]) / 2
        rising = slope(middle, p12, *others) > 0
        return jnp.where(rising, middle, ends[0]), jnp.where(rising, ends[1], middle)

    ends = jax.lax.fori_loop(0, _HALVINGS, halve, (jnp.zeros((), p12.dtype), jnp.ones((), p12.dtype)))
    return (ends[0] + ends[1]) / 2


def _chernoff(t: Array, p12: Array, p1y: Array, p2y: Array, base: float) -> Array:
    """E[-log sum_y a^t b^(1-t)] over pairs and labels of positive probability."""
    a, b = _posteriors(p12, p1y, p2y)
    possible = (a > 0) & (b > 0)
    powers = jnp.where(possible, jnp.exp(t * log_or_zero(a) + (1 - t) * log_or_zero(b)), 0)
    overlap = jnp.where(p12 > 0, jnp.sum(powers, axis=2), 1)
    contradiction = jnp.any((p12 > 0) & ~jnp.any(possible, axis=2))
    return in_base(nan_unless(~contradiction, -jnp.sum(p12 * log_or_zero(overlap))), base)


def _posteriors(p12: Array, p1y: Array, p2y: Array) -> tuple[Array, Array]:
    """p(y|x1) and p(y|x2) with axes (x1, x2, y)."""
    chex.assert_rank([p12, p1y, p2y], 2)
    chex.assert_shape(p1y, (p12.shape[0], None))
    chex.assert_shape(p2y, (p12.shape[1], p1y.shape[1]))
    a = divide_or_zero(p1y, jnp.sum(p1y, axis=1, keepdims=True))
    b = divide_or_zero(p2y, jnp.sum(p2y, axis=1, keepdims=True))
    return a[:, None, :], b[None, :, :]


def _difference(p12: Array, p1y: Array, p2y: Array) -> Array:
    a, b = _posteriors(p12, p1y, p2y)
    return jnp.where((p12 > 0)[:, :, None], a - b, 0)


def _subtract_unique(
    nats: Array, p12: Array, p1y: Array, p2y: Array, unique1: Array, unique2: Array, base: float
) -> Array:
    return nan_unless(marginals_agree(p12, p1y, p2y), in_base(nats, base) - (unique1 + unique2) / 2)
