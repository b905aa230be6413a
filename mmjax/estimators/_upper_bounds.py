"""Room estimators: upper bounds on mutual information from a known conditional, and what resembles them."""

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.estimators._estimator import estimator
from mmjax.estimators._negatives import negatives_of, weighted_sum
from mmjax.numerics import nan_unless


@estimator(side="upper")
def club(log_conditional: Array, *, negatives: Array | None = None) -> Array:
    """Return the contrastive log-ratio upper bound on mutual information, CLUB, for the true conditional.

    I <= E_p(x,y)[log p(y|x)] - E_p(x)p(y)[log p(y|x)] (Cheng et al. 2020, arXiv 2006.12013). Here the second mean is
    over off-diagonal pairs only and so unbiased; the paper's double sum takes the diagonal in, which multiplies the
    result by (b - 1) / b.

    An upper bound in expectation ONLY for the true p(y|x), up to a factor that depends on y alone. For a learned one
    use `variational_club` and expect no bound. Not tight: the excess is KL(p(x)p(y) || p(x,y)), infinite where some
    pair is impossible. Unbiased, of variance O(1 / b), with the tails of log p.

    Args:
      log_conditional: log p(y_j | x_i) in nats, shape (b, b), b >= 2; the diagonal holds the joint pairs.
      negatives: boolean (b, b), which off-diagonal pairs may serve as negatives; None for all. With
        `same_cluster(ids)` and log p(y | x, c) it is a bound on I(X;Y|C) where every row has one; rows without are
        left out, and then it says nothing of their clusters.

    Returns:
      a scalar in nats; NaN if no row has a negative.

    Raises:
      ValueError: if b < 2.

    Differentiable, any number of times.
    """
    return _contrast(log_conditional, negatives)


@estimator(side="upper")
def leave_one_out(log_conditional: Array, *, negatives: Array | None = None) -> Array:
    """Return the leave-one-out upper bound on mutual information, L1Out, for the true conditional.

    I <= E[ 1/b sum_i log( p(y_i|x_i) / (1/(b-1) sum_{j != i} p(y_i|x_j)) ) ] (Poole et al. 2019, arXiv 1905.06922):
    the other samples' conditionals stand for the marginal p(y_i).

    An upper bound in expectation for the true p(y|x), up to a factor that depends on y alone; no bound for a learned
    one. The excess falls as b grows, and is large where b is small against e^I, since then no other x explains y_i.

    Args:
      log_conditional: log p(y_j | x_i) in nats, shape (b, b), b >= 2. Stable for any finite values.
      negatives: as in `club`; entry (j, i) lets x_j stand in for the marginal of y_i. Columns without one are left out.

    Returns:
      a scalar in nats; NaN if no column has a negative.

    Raises:
      ValueError: if b < 2.

    Differentiable, any number of times.
    """
    log_conditional = log_conditional.T
    pairs = negatives_of(log_conditional, None if negatives is None else negatives.T)
    relative = log_conditional - jnp.diagonal(log_conditional)[:, None]
    log_ratio = jnp.log(jnp.sum(pairs.allowed, axis=1, dtype=relative.dtype))
    log_ratio = log_ratio - jax.nn.logsumexp(relative, axis=1, where=pairs.allowed)
    return nan_unless(pairs.share > 0, weighted_sum(pairs.joint_weights, log_ratio))


@estimator(side=None)
def nce_club(scores: Array, *, negatives: Array | None = None) -> Array:
    """Return the NCE-CLUB estimate of mutual information from a contrastive critic.

    E_p(x,y)[f] - E_p(x)p(y)[f] (Liang et al. 2023, FactorCL, arXiv 2306.05268), where f is the best critic of
    `info_nce`, which takes the place of log p(y|x) in `club`: the free function of x in it cancels.

    An upper bound in expectation ONLY at that best critic, which no training guarantees; for any other f it bounds
    nothing, and f = 0 gives 0. Train f by `info_nce` and hold it fixed here (`jax.lax.stop_gradient` of its
    parameters) while encoders minimise this. Unbiased for given f, of variance O(1 / b); no log b ceiling.

    Args:
      scores: f(x_i, y_j), shape (b, b), b >= 2; the diagonal holds the joint pairs.
      negatives: as in `club`: the conditional NCE-CLUB of FactorCL. Rows without a negative are left out.

    Returns:
      a scalar in nats; NaN if no row has a negative.

    Raises:
      ValueError: if b < 2.

    Differentiable, any number of times.
    """
    return _contrast(scores, negatives)


def _contrast(values: Array, negatives: Array | None) -> Array:
    """The mean over joint pairs minus the mean over negatives, both over rows that have a negative."""
    pairs = negatives_of(values, negatives)
    joint = weighted_sum(pairs.joint_weights, jnp.diagonal(values))
    return nan_unless(pairs.share > 0, joint - weighted_sum(pairs.weights, values))
