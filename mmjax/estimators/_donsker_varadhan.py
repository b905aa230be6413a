"""Room estimators: the Donsker-Varadhan form, which is no bound on finite batches, its training and its clipping."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from mmjax.estimators._estimator import estimator
from mmjax.estimators._negatives import Negatives, negatives_of, weighted_sum


class MINEState(NamedTuple):
    """What `mine_loss` remembers from batch to batch."""

    log_average: Array
    """Logarithm of the moving average of E_p(x)p(y)[exp f], without start-up bias; a scalar."""
    num_updates: Array
    """How many batches have entered it; an integer scalar."""


@estimator(side=None)
def donsker_varadhan(scores: Array, *, negatives: Array | None = None) -> Array:
    """Return the Donsker-Varadhan estimate of mutual information, the value of MINE.

    E_p(x,y)[f] - log E_p(x)p(y)[exp f] (Donsker & Varadhan 1983; Belghazi et al. 2018, arXiv 1801.04062). With exact
    expectations it is a lower bound on I for every f, reached at f = log p(x,y) / p(x)p(y) + constant.

    On finite batches it is NO bound: the logarithm of a mean of finitely many negatives is biased down, so the
    estimate is biased up, above I in expectation at the best f, and more so the larger I is; its variance grows like
    e^I / b. There is no log b ceiling, and the limit of McAllester & Stratos (2020, arXiv 1811.04251) is thus broken
    by giving up the bound.

    Args:
      scores: f(x_i, y_j), shape (b, b), b >= 2. Stable for any finite values.
      negatives: boolean (b, b) as in `info_nce`: negatives of one cluster make it an estimate of I(X;Y|C), by one
        partition for all clusters. Each row's negatives weigh the same in total. The estimate from the rows that
        have a negative is multiplied by their share: the others add information 0.

    Returns:
      a scalar in nats.

    Raises:
      ValueError: if b < 2.

    Differentiable, any number of times; the gradient on a batch is a biased one of the exact value, see `mine_loss`.
    """
    pairs = negatives_of(scores, negatives)
    return pairs.share * (_joint_mean(scores, pairs) - jax.nn.logsumexp(scores, b=pairs.weights))


@estimator(side=None)
def smile(scores: Array, *, tau: ArrayLike = 5.0, negatives: Array | None = None) -> Array:
    """Return the SMILE estimate of mutual information, Donsker-Varadhan with a clipped partition.

    E_p(x,y)[f] - log E_p(x)p(y)[clip(exp f, e^-tau, e^tau)] (Song & Ermon 2020, arXiv 1910.06222). The first term is
    not clipped; tau -> infinity gives `donsker_varadhan`.

    NO bound of either side: clipping lowers the variance (of the partition to at most (e^tau - e^-tau)^2 / 4n for n
    independent pairs) and leaves a bias that no sample size removes, upwards where f exceeds tau. No log b ceiling.
    It is meant for a critic trained by another objective, such as `jensen_shannon`: a clipped score pays nothing for
    being a negative, so a critic trained by SMILE grows without end.

    Args:
      scores: f(x_i, y_j), shape (b, b), b >= 2. Stable for any finite values.
      tau: the clip, a positive scalar; traced, so a sweep may vary it.
      negatives: as in `donsker_varadhan`.

    Returns:
      a scalar in nats.

    Raises:
      ValueError: if b < 2.

    Differentiable in scores and tau, except where a score is +-tau.
    """
    pairs = negatives_of(scores, negatives)
    limit = jnp.asarray(tau).astype(scores.dtype)
    clipped = jnp.clip(scores, -limit, limit)
    return pairs.share * (_joint_mean(scores, pairs) - jax.nn.logsumexp(clipped, b=pairs.weights))


def mine_init(dtype: DTypeLike = jnp.float32) -> MINEState:
    """Return the state before the first batch, in the dtype of the scores to come."""
    return MINEState(jnp.zeros((), dtype), jnp.zeros((), jnp.int32))


@jax.jit
def mine_loss(
    scores: Array, state: MINEState, *, decay: ArrayLike = 0.99, negatives: Array | None = None
) -> tuple[Array, MINEState]:
    """Return MINE's training loss with its bias-corrected gradient, and the next state.

    The value is minus `donsker_varadhan`. Its gradient on a batch, -E_p[df] + E_q[exp(f) df] / E_q[exp f], is biased
    by the ratio of two means; here the denominator is the exponential moving average over batches, this one included
    (Belghazi et al. 2018, arXiv 1801.04062, section 3.2). The average is kept as a logarithm, so large scores do not
    overflow, and each batch so far has weight in proportion to decay^age, so the first ones need no warm-up (the
    normalisation is ours).

    Args:
      scores: f(x_i, y_j), shape (b, b), b >= 2.
      state: from `mine_init` or the last step.
      decay: of the average, a scalar in [0, 1); traced. 0 gives the plain gradient of `donsker_varadhan`.
      negatives: as in `donsker_varadhan`; a batch in which no row has a negative leaves the average as it is.

    Returns:
      the loss, a scalar in nats to be minimised, and the next state, which carries no gradient.

    Raises:
      ValueError: if b < 2.

    Differentiable once, as described: the gradient is not the one of the value.
    """
    pairs = negatives_of(scores, negatives)
    log_partition = jax.nn.logsumexp(scores, b=pairs.weights)
    state = _averaged(state, jax.lax.stop_gradient(log_partition), jnp.asarray(decay).astype(scores.dtype), pairs.share)
    ratio = jnp.exp(jnp.where(pairs.share > 0, log_partition - state.log_average, 0))
    corrected = jax.lax.stop_gradient(log_partition - ratio) + ratio
    return -pairs.share * (_joint_mean(scores, pairs) - corrected), state


def _averaged(state: MINEState, log_partition: Array, decay: Array, share: Array) -> MINEState:
    """The state with one more batch in its average, unless the batch has no negative."""
    num_updates = state.num_updates + 1
    newest = (1 - decay) / (1 - decay ** num_updates.astype(decay.dtype))
    log_average = jnp.logaddexp(jnp.log1p(-newest) + state.log_average, jnp.log(newest) + log_partition)
    return jax.tree.map(lambda new, old: jnp.where(share > 0, new, old), MINEState(log_average, num_updates), state)


def _joint_mean(scores: Array, pairs: Negatives) -> Array:
    return weighted_sum(pairs.joint_weights, jnp.diagonal(scores))
