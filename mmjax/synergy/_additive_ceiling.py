"""Room synergy: what a classifier can reach whose logits are a sum of functions of one modality each."""

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.information import joint_mutual_information, pairwise_marginals
from mmjax.numerics import as_floats, in_base, is_table, nan_unless, scaled_entropy
from mmjax.synergy._maximum_entropy import least_cross_entropy


class AdditiveCeiling(NamedTuple):
    """The best additive logits of a table beside the best logits of any kind."""

    information: Array
    """H(Y) less the least cross-entropy of additive logits, in units of the base asked for."""
    accuracy: Array
    """Of the classifier with these logits; classes that tie share a cell."""
    joint_information: Array
    """I(X1,X2;Y)."""
    joint_accuracy: Array
    """Of the Bayes classifier."""


@functools.partial(jax.jit, static_argnames="base")
def additive_ceiling(p: Array, *, base: float = 2.0) -> AdditiveCeiling:
    """Return what the best additive logits softmax_y(B(x1,y) + C(x2,y)) reach on a joint table.

    Their cross-entropy is the largest H(Y|X1,X2) of the joints with the pairwise marginals of p (ours: the dual that
    `conditional_entropy_bound` names), so synergy that these marginals do not show is out of their reach: of an XOR
    they get 0 bit. Late linear fusion, sums of unimodal logits and ensembles are additive whatever their encoders and
    however they are trained; a head with hidden units above the sum is not.

    `information` is a ceiling: no additive logits have a lower cross-entropy. `accuracy` is none: it belongs to the
    logits of least cross-entropy, and additive logits of a higher one may be right more often (of an XOR 3 times in
    4, where these are right 2 times in 4).

    Args:
      p: table (n1, n2, ny) of p(x1, x2, y).
      base: of the logarithm; 2 for bits.

    Returns:
      the ceiling; NaN where `p` is no probability table.

    Not differentiable; the information alone is in `bounds`, as `information_lower`, which is.
    """
    (p,) = as_floats(jax.lax.stop_gradient(p))
    chex.assert_rank(p, 3)
    p = nan_unless(is_table(p), p)
    p12, p1y, p2y = pairwise_marginals(p)
    cross_entropy, _, first, second = least_cross_entropy(p12, p1y, p2y)
    possible = (p1y[:, None] > 0) & (p2y[None] > 0)
    logits = jnp.where(possible, first[:, None] + second[None], -jnp.inf)
    # The solver leaves errors of about this size, which must not break ties.
    tie = 16 * jnp.sqrt(jnp.finfo(p.dtype).eps)
    chosen = (logits >= jnp.max(logits, axis=2, keepdims=True) - tie).astype(p.dtype)
    right = p * chosen / jnp.sum(chosen, axis=2, keepdims=True)
    return AdditiveCeiling(
        information=in_base(scaled_entropy(jnp.sum(p1y, axis=0)) - cross_entropy, base),
        accuracy=jnp.sum(right),
        joint_information=joint_mutual_information(p, base=base),
        joint_accuracy=jnp.sum(jnp.max(p, axis=2)),
    )
