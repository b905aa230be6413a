"""Room synergy: how much synergy three pairwise marginals leave possible, and how accurate fusion can be.

Redundancy and unique information follow from p(x1,y) and p(x2,y); synergy does not, but the joints with the given
p(x1,x2), p(x1,y), p(x2,y) confine it (Liang et al. 2023, arXiv 2306.04539). Here the range is bounded by the exact
maximum and by rigorous minima of the entropy of such joints (ours).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax import pid
from mmjax.information import entropy, marginals_agree
from mmjax.numerics import as_floats, in_base, nan_unless, scaled_entropy
from mmjax.synergy._accuracy import AccuracyBounds, accuracy_from_conditional_entropy
from mmjax.synergy._maximum_entropy import conditional_entropy_ceiling
from mmjax.synergy._minimum_entropy import minimum_entropy_bounds


class SynergyBounds(NamedTuple):
    """What three pairwise marginals say about a decomposition, in units of the base asked for."""

    lower: Array
    """Rigorous lower bound on synergy: the least synergy of a joint with these marginals, to the gap."""
    upper: Array
    """Rigorous upper bound on synergy."""
    achievable: Array
    """Synergy that a joint with these marginals has: `upper` cannot be lowered below it; -inf where none was found."""
    redundancy: Array
    unique1: Array
    unique2: Array
    gap: Array
    """Certified error of redundancy and unique information; both bounds already allow for it."""
    information_lower: Array
    """Rigorous lower bound on I(X1,X2;Y)."""
    information_upper: Array
    """Rigorous upper bound on I(X1,X2;Y)."""


@functools.partial(jax.jit, static_argnames="base")
def bounds(p12: Array, p1y: Array, p2y: Array, *, base: float = 2.0) -> SynergyBounds:
    """Bound the synergy of (x1, x2) about y from unlabelled pairs and labelled single modalities.

    With H over the joints r that have the three marginals,
      lower = H(Y) - max_r H_r(Y|X1,X2) - I_Q,   upper = H(X1,X2) + H(Y) - min_r H(r) - I_Q
    (the first the bound S_R of Liang et al. 2023, arXiv 2306.04539, without its relaxation; ours as formulae). The
    maximum entropy enters with a dual value and I_Q with its upper end, the minimum entropy with a lower bound and I_Q
    with its lower end, so both hold whatever the solvers reached. `upper` is the exact maximum for 2x2x2 tables, the
    best of couplings, chords and cell envelopes beyond (`minimum_entropy_bounds`); the exact one is NP-hard. Neither is
    clipped: `lower` may fall below 0 by a rounding error or the gap.

    Differentiable once, away from ties of the parts that make up `upper`; `achievable` has no derivative.

    Args:
      p12: (n1, n2), p(x1, x2) of unlabelled pairs.
      p1y: (n1, ny), p(x1, y).
      p2y: (n2, ny), p(x2, y).
      base: of the logarithm; 2 for bits.

    Returns:
      the bounds; NaN where an argument is no probability table, or where two disagree about a shared marginal by more
      than the square root of the rounding unit (`mmjax.information.project_marginals` makes estimates agree).
      Marginals that agree but that no joint has are not always detected: `mmjax.information.check_joint_exists` is.
    """
    p12, p1y, p2y = as_floats(p12, p1y, p2y)
    valid = marginals_agree(p12, p1y, p2y)
    parts = pid.broja_from_marginals(p1y, p2y, base=base)
    ceiling, floor, achieved = _conditional_entropies(p12, p1y, p2y, base)
    label = in_base(scaled_entropy(jnp.sum(p1y, axis=0)), base)
    result = SynergyBounds(
        lower=label - ceiling - parts.union_upper,
        upper=label - floor - parts.union_lower,
        achievable=label - achieved - parts.union_upper,
        redundancy=parts.redundancy,
        unique1=parts.unique1,
        unique2=parts.unique2,
        gap=parts.gap,
        information_lower=label - ceiling,
        information_upper=label - floor,
    )
    return jax.tree.map(lambda x: nan_unless(valid, x), result)


@jax.jit
def accuracy_bounds(p12: Array, p1y: Array, p2y: Array) -> AccuracyBounds:
    """Bound the accuracy of the best multimodal classifier from three pairwise marginals.

    From both bounds on H(Y|X1,X2) by the inverses of Feder and Merhav (1994) and of Fano, sharpened by the best
    unimodal accuracies and by what the marginals allow in each cell; `accuracy_range` is exact for small tables. About
    the quantised data: only the lower bound holds for classifiers of the raw modalities behind the cells as well.

    Differentiable once, away from ties.

    Args:
      p12: (n1, n2), p(x1, x2) of unlabelled pairs.
      p1y: (n1, ny), p(x1, y).
      p2y: (n2, ny), p(x2, y).

    Returns:
      lower and upper bounds in [0, 1]; NaN as in `bounds`.
    """
    p12, p1y, p2y = as_floats(p12, p1y, p2y)
    valid = marginals_agree(p12, p1y, p2y)
    ceiling, floor, _ = _conditional_entropies(p12, p1y, p2y, 2.0)
    result = accuracy_from_conditional_entropy(floor, ceiling, p12, p1y, p2y)
    return jax.tree.map(lambda x: nan_unless(valid, x), result)


def _conditional_entropies(p12: Array, p1y: Array, p2y: Array, base: float) -> tuple[Array, Array, Array]:
    """Return H(Y|X1,X2) of joints with these marginals: its maximum, a lower bound, and one that is achieved."""
    pairs = entropy(p12, base=base)
    least = minimum_entropy_bounds(p12, p1y, p2y)
    ceiling = in_base(conditional_entropy_ceiling(p12, p1y, p2y), base)
    return ceiling, in_base(least.lower, base) - pairs, in_base(least.achievable, base) - pairs
