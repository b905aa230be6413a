"""Room synergy: bounds on the least entropy of a joint table that forget all but a coupling of its marginals."""

import math

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.coupling import entropy_lower_bound
from mmjax.numerics import divide_or_zero, xlogx


def coupling_entropy_bound(p12: Array, p1y: Array, p2y: Array) -> Array:
    """Return the best of seven lower bounds on the entropy of a joint table, in nats.

    A joint table of (x1,x2,y) couples p12 with p_y, p1y with p_2, p2y with p_1, and all three pairs with each
    other; given x1 it couples p(x2|x1) with p(y|x1), and H = H(x1) + sum p(x1) H(x2,y|x1), likewise given x2 and y.
    Each coupling has at least the entropy of `coupling.entropy_lower_bound`.

    Args:
      p12: (n1, n2), p(x1,x2).
      p1y: (n1, ny), p(x1,y).
      p2y: (n2, ny), p(x2,y).

    Returns:
      a scalar. Differentiable where one bound is best.
    """
    p1, p2, py = jnp.sum(p12, axis=1), jnp.sum(p12, axis=0), jnp.sum(p1y, axis=0)
    couplings = [(p12.ravel(), py), (p1y.ravel(), p2), (p2y.ravel(), p1), (p12.ravel(), p1y.ravel(), p2y.ravel())]
    total = jnp.sum(p12)
    bounds = [total * _bound(marginals) - xlogx(total) for marginals in couplings]
    bounds += [_given(p12, p1y), _given(p12.T, p2y), _given(p1y.T, p2y.T)]
    return jnp.max(jnp.stack(bounds))


def _given(p_ab: Array, p_ac: Array) -> Array:
    """Bound H(a,b,c) by H(a) + sum over a of p(a) times the bound on couplings of p(b|a) and p(c|a)."""
    p_a = jnp.sum(p_ab, axis=1)
    conditionals = [divide_or_zero(p, jnp.broadcast_to(p_a[:, None], p.shape)) for p in (p_ab, p_ac)]
    # A value that never occurs gets some conditional: its bound does not count, but must be a number.
    certain = [jnp.zeros_like(p).at[:, 0].set(1) for p in conditionals]
    occurs = (p_a > 0)[:, None]
    b, c = (jnp.where(occurs, p, q) for p, q in zip(conditionals, certain, strict=True))
    return jnp.sum(p_a * jax.vmap(lambda b, c: _bound((b, c)))(b, c) - xlogx(p_a))


def _bound(marginals: tuple[Array, ...]) -> Array:
    width = max(p.shape[0] for p in marginals)
    padded = jnp.stack([jnp.pad(p, (0, width - p.shape[0])) for p in marginals])
    return entropy_lower_bound(padded, base=math.e)
