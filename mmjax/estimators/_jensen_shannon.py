"""Room estimators: the Jensen-Shannon objective and what it says about mutual information.

Of all pairs with JSD(P||Q) = d, the one with the least KL(P||Q) is P = (1, 0), Q = (q, 1 - q). Proof: for the ratio
t = dP/dQ and any multiplier m, h(t) = t log t - m js(t) has h''(t) = (1 - m / (2 (1 + t))) / t, so h is concave and
then convex, and its convex envelope at the mean E_Q[t] = 1 is 0 or a chord from t = 0 to some t = 1/q. With
s = -log q = KL this is the curve
  log 2 - JSD = ((1 + e^-s) log(1 + e^-s) + s e^-s) / 2,
the one of Dorent, Golland, Wells 2025 (arXiv 2510.20644, Theorem 4.1), convex and of slope 2 / log 2 at 0.
"""

import math

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.estimators._estimator import estimator
from mmjax.estimators._negatives import Negatives, negatives_of, weighted_sum

_LOG2 = math.log(2)
_NEWTON_STEPS = 4  # the errors are 4e-3, 1e-6 and rounding after one, two and three


@estimator(side="lower")
def jensen_shannon(scores: Array, *, negatives: Array | None = None) -> Array:
    """Return the lower bound on the Jensen-Shannon divergence of p(x,y) and p(x)p(y).

    JSD >= log 2 - ( E_p(x,y)[softplus(-f)] + E_p(x)p(y)[softplus(f)] ) / 2, half of the Deep InfoMax objective
    (Hjelm et al. 2019, arXiv 1808.06670) plus log 2: log 2 minus the cross-entropy of a classifier of joint pairs.
    The best f is log p(x,y) / p(x)p(y), the natural critic of `smile` and of density-ratio estimates.

    A lower bound in expectation for every f, on the divergence and so on I >= 2 JSD / log 2 >= JSD too; low variance,
    without bias at the best f. Never above log 2 instead of log b. `information_from_jensen_shannon` turns
    its mean into the best bound on I; as for every lower bound, what n samples can confirm is O(log n) (McAllester &
    Stratos 2020, arXiv 1811.04251).

    Args:
      scores: f(x_i, y_j), shape (b, b), b >= 2. Stable for any finite values.
      negatives: boolean (b, b) as in `info_nce`: negatives of one cluster give JSD of p(x,y|c) and p(x|c)p(y|c),
        averaged over c. A row without negative adds 0.

    Returns:
      a scalar in nats, at most log 2; negative for a critic worse than none.

    Raises:
      ValueError: if b < 2.

    Differentiable, any number of times.
    """
    pairs = negatives_of(scores, negatives)
    joint, product = _classified(scores, pairs)
    loss = weighted_sum(pairs.joint_weights, jax.nn.softplus(joint))
    return pairs.share * (_LOG2 - (loss + weighted_sum(pairs.weights, jax.nn.softplus(product))) / 2)


@estimator(side=None)
def jensen_shannon_information(scores: Array, *, negatives: Array | None = None) -> Array:
    """Return the information that `jensen_shannon` implies: its map to mutual information applied to one batch.

    `information_from_jensen_shannon`(`jensen_shannon`(scores)) (Dorent, Golland, Wells 2025, arXiv 2510.20644), but
    exact far beyond where 1 - JSD / log 2 is lost in rounding.

    With exact expectations a lower bound on I for every f. The map is convex, so on one batch it is biased up and
    carries no promise: where a rigorous bound is wanted, average `jensen_shannon` over batches and map the mean, or
    the lower end of its interval. Low variance up to about log b; no log b ceiling: scores that tell all pairs of a
    batch apart by a margin m give about m, which no sample of that size confirms (McAllester & Stratos 2020, arXiv
    1811.04251).

    Args:
      scores: f(x_i, y_j), shape (b, b), b >= 2. Stable for any finite values.
      negatives: as in `jensen_shannon`: the information of the rows that have a negative times their share.

    Returns:
      a scalar in nats; negative for a critic worse than none.

    Raises:
      ValueError: if b < 2.

    Differentiable, any number of times.
    """
    pairs = negatives_of(scores, negatives)
    return pairs.share * _information_from_log_gap(_log_cross_entropy(scores, pairs))


@jax.jit
def information_from_jensen_shannon(divergence: Array) -> Array:
    """Return the least KL(P||Q) that a Jensen-Shannon divergence allows.

    The s >= 0 with JSD = log 2 - ((1 + e^-s) log(1 + e^-s) + s e^-s) / 2: KL(P||Q) >= s for all P, Q, with equality for
    P = (1, 0), Q = (e^-s, 1 - e^-s) (Dorent, Golland, Wells 2025, arXiv 2510.20644, Theorem 4.1; proof above in this
    file). With P = p(x,y), Q = p(x)p(y) a lower bound on mutual information; also of a lower bound on JSD, as s grows.

    Args:
      divergence: JSD or a lower bound on it in nats, at most log 2; any shape.

    Returns:
      nats, of the same shape; 2 / log 2 times the argument below 0 (a bound too, and it keeps its slope: ours),
      infinite at log 2, NaN above. Rounding of the argument costs e^s eps: in float32 s is good to 1e-3 up to 8.

    Differentiable, any number of times, below log 2.
    """
    return _information_from_log_gap(jnp.log(_LOG2 - divergence))


@jax.custom_jvp
def _information_from_log_gap(log_gap: Array) -> Array:
    """The s whose curve is at log(log 2 - JSD), elementwise."""
    below = -log_gap + math.log(_LOG2)
    s = jnp.where(jnp.isfinite(below), jnp.maximum(below, 0), 0)
    s = s + jnp.log1p(s / 2)
    for _ in range(_NEWTON_STEPS):
        s = jnp.maximum(s - (_log_gap(s) - log_gap) / _log_gap_slope(s), 0)
    linear = 2 / _LOG2 * (_LOG2 - jnp.exp(log_gap))
    return jnp.where(log_gap == -jnp.inf, jnp.inf, jnp.where(below < 0, linear, s))


@_information_from_log_gap.defjvp
def _information_from_log_gap_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (log_gap,), (tangent,) = primals, tangents
    s = _information_from_log_gap(log_gap)
    negative = log_gap > math.log(_LOG2)
    slope = jnp.where(negative, -2 / _LOG2 * jnp.exp(log_gap), 1 / _log_gap_slope(jnp.where(negative, 0, s)))
    return s, slope * tangent


def _log_gap(s: Array) -> Array:
    """log(log 2 - JSD) on the curve, which falls like log(s) - s."""
    return -s + jnp.log(_reduced_gap(s) / 2)


def _log_gap_slope(s: Array) -> Array:
    """Its derivative, from -1/2 at 0 to -1."""
    return -(s + jnp.log1p(jnp.exp(-s))) / _reduced_gap(s)


def _reduced_gap(s: Array) -> Array:
    """2 e^s (log 2 - JSD) = (1 + q) log(1 + q) / q + s for q = e^-s, also where q underflows."""
    q = jnp.maximum(jnp.exp(-s), jnp.finfo(s.dtype).tiny)
    return (1 + q) * jnp.log1p(q) / q + s


def _log_cross_entropy(scores: Array, pairs: Negatives) -> Array:
    """The log of (E_p softplus(-f) + E_q softplus(f)) / 2 = log 2 - JSD, also where each term underflows."""
    joint, product = (_log_softplus(logits) for logits in _classified(scores, pairs))
    loss = jax.nn.logsumexp(joint, b=pairs.joint_weights)
    return jnp.logaddexp(loss, jax.nn.logsumexp(product, b=pairs.weights)) - _LOG2


def _classified(scores: Array, pairs: Negatives) -> tuple[Array, Array]:
    """Logits of the wrong class, for joint pairs and for negatives; 0 for pairs that are neither."""
    return -jnp.diagonal(scores), jnp.where(pairs.weights > 0, scores, 0)


def _log_softplus(x: Array) -> Array:
    # log log(1 + e^x) is x - e^x / 2 + ..., and x itself to rounding in any dtype, below -40.
    low = x < -40
    return jnp.where(low, x, jnp.log(jax.nn.softplus(jnp.where(low, 0, x))))
