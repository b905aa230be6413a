"""Room estimators: lower bounds on mutual information whose batch average is unbiased for a valid bound.

Each has the form E_p(x,y)[f] minus a log-partition term that every row of the score matrix estimates with its own
negatives. A row without a negative adds 0, the trivial bound, so that the average stays a bound.
"""

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.estimators._estimator import estimator
from mmjax.estimators._negatives import Negatives, negatives_of


@estimator(side="lower", log_b_ceiling=True)
def info_nce(scores: Array, *, negatives: Array | None = None) -> Array:
    """Return the InfoNCE lower bound on mutual information.

    I >= E[ 1/b sum_i log( exp f(x_i,y_i) / (1/b sum_j exp f(x_i,y_j)) ) ] (van den Oord, Li, Vinyals 2018, arXiv
    1807.03748; the positive is one of the b terms). The best f is log p(y|x) / p(y) + any function of x.

    A lower bound in expectation for every f. Low variance; never above log b, and biased down well before: at
    I = log b by half a nat to one. No estimator escapes this regime for certain: no distribution-free lower bound
    that holds with high confidence exceeds O(log n) for n samples (McAllester & Stratos 2020, arXiv 1811.04251).

    Args:
      scores: f(x_i, y_j), shape (b, b), b >= 2; the diagonal holds the joint pairs. Stable for any finite values.
      negatives: boolean (b, b), which off-diagonal pairs may serve as negatives; None for all. `same_cluster(ids)`
        makes this a lower bound on the conditional information I(X;Y|C). A row with k negatives adds at most
        log(k + 1), one without adds 0.

    Returns:
      a scalar in nats, at most log b; may be negative.

    Raises:
      ValueError: if b < 2.

    Differentiable, any number of times.
    """
    pairs = negatives_of(scores, negatives)
    candidates = pairs.allowed | jnp.eye(scores.shape[0], dtype=bool)
    num_candidates = jnp.sum(candidates, axis=1, dtype=scores.dtype)
    # Relative to the positive no rounding of large scores lifts the value above the ceiling.
    relative = scores - jnp.diagonal(scores)[:, None]
    return jnp.mean(jnp.log(num_candidates) - jax.nn.logsumexp(relative, axis=1, where=candidates))


@estimator(side="lower")
def nwj(scores: Array, *, negatives: Array | None = None) -> Array:
    """Return the Nguyen-Wainwright-Jordan lower bound on mutual information, also known as f-GAN KL and MINE-f.

    I >= E_p(x,y)[f] - e^-1 E_p(x)p(y)[exp f] (Nguyen, Wainwright, Jordan 2010, arXiv 0809.0853). The best f is
    1 + log p(x,y) / p(x)p(y): a critic of `info_nce` or `donsker_varadhan` needs the 1 added and, having a free
    constant or function of x, may be far off here.

    A lower bound in expectation for every f, without log b ceiling and without bias at the best f. The variance grows
    like e^I / b and is heavy-tailed: a batch mean says little beyond I of about log b, where no distribution-free
    lower bound holds with high confidence (McAllester & Stratos 2020, arXiv 1811.04251).

    Args:
      scores: f(x_i, y_j), shape (b, b), b >= 2. The value is of the size of exp(largest negative score), -inf where
        this exceeds the dtype (88 in float32), as scores of 1e4 do; large joint and low negative scores are exact.
      negatives: as in `info_nce`. A row without negative adds 0.

    Returns:
      a scalar in nats; of either sign, unbounded below.

    Raises:
      ValueError: if b < 2.

    Differentiable, any number of times, while finite.
    """
    return _unnormalised_bound(scores, jnp.ones_like(scores, shape=scores.shape[:1]), negatives_of(scores, negatives))


@estimator(side="lower")
def tuba(scores: Array, log_baseline: Array, *, negatives: Array | None = None) -> Array:
    """Return the lower bound on mutual information of Tractable Unnormalised Barber and Agakov.

    I >= E[ f(x,y) - log a(x) - E_p(y')[exp f(x,y')] / a(x) ] + 1 (Poole et al. 2019, arXiv 1905.06922). The best
    baseline is a(x) = E_p(y)[exp f(x,y)]; a = e gives `nwj`. The best f is log p(x,y) / p(x)p(y) + log a(x).

    A lower bound in expectation for every f and every a that does not depend on the row's negatives. Without log b
    ceiling and without bias at the best f; variance as of `nwj`, where also the limit of what samples can confirm
    (McAllester & Stratos 2020, arXiv 1811.04251) is named.

    Args:
      scores: f(x_i, y_j), shape (b, b), b >= 2. The value is of the size of exp(f(x_i,y_j) - log a(x_i)), -inf where
        this exceeds the dtype.
      log_baseline: log a(x_i), shape (b,).
      negatives: as in `info_nce`. A row without negative adds 0.

    Returns:
      a scalar in nats; of either sign, unbounded below.

    Raises:
      ValueError: if b < 2.

    Differentiable in both, any number of times, while finite.
    """
    return _unnormalised_bound(scores, log_baseline, negatives_of(scores, negatives))


@estimator(side="lower")
def flo(scores: Array, u: Array, *, negatives: Array | None = None) -> Array:
    """Return the Fenchel-Legendre lower bound on mutual information, FLO.

    I >= 1 - E[ u(x,y) + exp(-u(x,y)) E_p(y')[exp(f(x,y') - f(x,y))] ] (Guo et al. 2021, arXiv 2107.01131). The best
    u is log E_p(y')[exp(f(x,y') - f(x,y))], which for the best f = log p(y|x) / p(y) + any function of x is minus
    the pointwise information. It is `tuba` with a baseline for each pair, log a = f(x,y) + u(x,y).

    A lower bound in expectation for every f and every u of the joint pair. Without log b ceiling and without bias at
    the best f and u; variance as of `nwj` at the same f, and the limit of what samples can confirm (McAllester &
    Stratos 2020, arXiv 1811.04251) holds here too.

    Args:
      scores: f(x_i, y_j), shape (b, b), b >= 2. The value is of the size of exp(f(x_i,y_j) - f(x_i,y_i) - u_i), -inf
        where this exceeds the dtype.
      u: u(x_i, y_i), shape (b,).
      negatives: as in `info_nce`. A row without negative adds 0.

    Returns:
      a scalar in nats; of either sign, unbounded below.

    Raises:
      ValueError: if b < 2.

    Differentiable in both, any number of times, while finite.
    """
    chex.assert_shape(u, scores.shape[:1])
    return _unnormalised_bound(scores, jnp.diagonal(scores) + u, negatives_of(scores, negatives))


def _unnormalised_bound(scores: Array, log_baseline: Array, pairs: Negatives) -> Array:
    """The mean over rows of f_ii - log a_i - mean_j exp(f_ij) / a_i + 1, with 0 for rows without negative."""
    chex.assert_shape(log_baseline, scores.shape[:1])
    relative = scores - log_baseline[:, None]
    ratios = jnp.exp(jnp.where(pairs.allowed & pairs.present[:, None], relative, -jnp.inf))
    num_negatives = jnp.sum(pairs.allowed, axis=1, dtype=scores.dtype)
    rows = jnp.diagonal(relative) - jnp.sum(ratios, axis=1) / num_negatives + 1
    return jnp.mean(jnp.where(pairs.present, rows, 0))
