"""Room synergy: the bounds as published and as the code published with them has them, for comparison only.

Liang, Ling, Cheng, Obolenskiy, Liu, Pandey, Salakhutdinov, Morency 2023 (arXiv 2306.04539). Three of the five numbers
are no bounds; `bounds` has rigorous ones that are never weaker than the other two.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax import information, pid
from mmjax.coupling import meet_entropy
from mmjax.information import entropy
from mmjax.numerics import divide_or_zero, in_base, is_table, nan_unless, scaled_entropy


class PublishedBounds(NamedTuple):
    """What the published code returns, in bits; read `published_bounds` before quoting any of it."""

    lower_R: Array
    """Lower bound on synergy; rigorous, though usually below 0."""
    lower_U1: Array
    """No bound."""
    lower_U2: Array
    """No bound."""
    lower_diff: Array
    """No bound."""
    upper: Array
    """Upper bound on synergy; rigorous, though far from tight."""


@jax.jit
def published_bounds(p: Array) -> PublishedBounds:
    """Return the synergy bounds that the public code of arXiv 2306.04539 gives for a joint table, faults included.

    With R, U1, U2 of the joint, I_Q = R + U1 + U2, a = p(y|x1), b = p(y|x2), and the relaxed minima
      W1 = min I_q(X1;Y|X2) over q with q(x1,x2) = p(x1,x2), q(x1,y) = p(x1,y),
      W2 = min I_q(X2;Y|X1) over q with q(x1,x2) = p(x1,x2), q(x2,y) = p(x2,y),
    the code returns
      lower_R    = W1 - U1   (of its two relaxations max(W1 - U1, W2 - U2), both bounds, the first only),
      lower_U1   = W1 - U2   (the correct W1 - U1 equals lower_R; the code mistakes U1 for U2),
      lower_U2   = W2 - U1   (likewise: correct would be W2 - U2),
      lower_diff = E ||a - b||_2^2 - max(U1, U2),
      upper      = H(X1,X2) + H(Y) - max H(meet) - I_Q, with the largest entropy of the meets, in the majorisation
                   order, of p(x1,x2) and p(y), of p(x1,y) and p(x2), of p(x2,y) and p(x1).
    W1 and W2 are unique informations of the BROJA problem with X1 or X2 for the target (our derivation).

    Tables on which the wrong ones exceed the synergy: y = x1 (x2 a coin) has S = 0 and lower_U1 = 1, y = x2 has
    lower_U2 = 1; the code's own AV-MNIST result has lower_U1 = 1.436 beside S = 0.260. A squared distance is not in
    bits: lower_diff with the factor 1/(4 ln 2) and the mean of U1 and U2 is a bound (`euclidean_disagreement_bound`),
    with the factor 1 it is above S on 3 of 100 random 2x2x2 tables, by up to 0.026 bit.

    Where the code divides 0 by 0 it gives NaN, and so does this: lower_diff where a cell of x1 or x2 has no mass;
    lower_R and lower_U1 where an x2 and a y that both occur have no x1 in common with p(x1,x2) > 0 and p(x1,y) > 0,
    lower_U2 likewise with x1 and x2 exchanged (x1 = x2 = y is such a table). The code gives NaN also by accident of its
    solver's rounding, where this gives the number.

    Args:
      p: probability table (n1, n2, ny) of p(x1, x2, y).

    Returns:
      the five numbers in bits, to the tolerance of `pid.broja`; NaN for a table that is none.

    Meant to be compared with, not differentiated: lower_diff and upper pass derivatives, but at ties and in the
    NaN cases none of the five promises any.
    """
    chex.assert_rank(p, 3)
    p12, p1y, p2y = information.pairwise_marginals(p)
    parts = pid.broja_from_marginals(p1y, p2y)
    first, second = _relaxed_minimum(p12.T, p1y), _relaxed_minimum(p12, p2y)
    distance = _squared_distance(p12, p1y, p2y)
    result = PublishedBounds(
        lower_R=first - parts.unique1,
        lower_U1=first - parts.unique2,
        lower_U2=second - parts.unique1,
        lower_diff=distance - jnp.maximum(parts.unique1, parts.unique2),
        upper=_information_ceiling(p12, p1y, p2y) - parts.union_lower,
    )
    return jax.tree.map(lambda x: nan_unless(is_table(p), x), result)


def _relaxed_minimum(pba: Array, pay: Array) -> Array:
    """Return min I(A;Y|B) given p(b,a) and p(a,y): what y alone, not b, tells about the target a.

    NaN where the published code is: it divides by q(b,y), which is 0 where no a goes with both.
    """
    together = jnp.any((pba[:, :, None] > 0) & (pay[None] > 0), axis=1)
    occur = (jnp.sum(pba, axis=1) > 0)[:, None] & (jnp.sum(pay, axis=0) > 0)[None]
    return nan_unless(jnp.all(together | ~occur), pid.broja_from_marginals(pba, pay.T).unique2)


def _squared_distance(p12: Array, p1y: Array, p2y: Array) -> Array:
    """Return E ||p(y|x1) - p(y|x2)||_2^2, NaN where a condition has no mass."""
    p1, p2 = (jnp.sum(p, axis=1, keepdims=True) for p in (p1y, p2y))
    a, b = divide_or_zero(p1y, jnp.broadcast_to(p1, p1y.shape)), divide_or_zero(p2y, jnp.broadcast_to(p2, p2y.shape))
    distances = jnp.sum((a[:, None] - b[None]) ** 2, axis=2)
    return nan_unless(jnp.all(p1 > 0) & jnp.all(p2 > 0), jnp.sum(p12 * distances))


def _information_ceiling(p12: Array, p1y: Array, p2y: Array) -> Array:
    """Return H(X1,X2) + H(Y) minus the published lower bound on the joint entropy."""
    p1, p2, py = jnp.sum(p12, axis=1), jnp.sum(p12, axis=0), jnp.sum(p1y, axis=0)
    floors = [_meet(pair.ravel(), single) for pair, single in ((p12, py), (p1y, p2), (p2y, p1))]
    return entropy(p12) + in_base(scaled_entropy(py), 2.0) - jnp.max(jnp.stack(floors))


def _meet(pair: Array, single: Array) -> Array:
    width = max(pair.size, single.size)
    return meet_entropy(jnp.stack([jnp.pad(x, (0, width - x.size)) for x in (pair, single)]))
