"""Room estimators: CLUB with a learned Gaussian conditional."""

import math

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.estimators._estimator import estimator
from mmjax.estimators._upper_bounds import club

LOG_VARIANCE_LIMIT = 10.0
"""Learned log variances stay within +- this: an unbounded one turns a few repeated samples into NaN."""


@jax.jit
def gaussian_log_conditional(mean: Array, log_variance: Array, y: Array) -> Array:
    """Return log q(y_j | x_i) for a Gaussian conditional with bounded log variance.

    q(y|x) = prod_k N(y_k; mean_k(x), exp(v_k(x))) with v = L tanh(log_variance / L), L = `LOG_VARIANCE_LIMIT`, which is
    log_variance itself to 1e-3 up to 0.7 or so. (The bound is ours, against the drift to zero variance.)

    Args:
      mean: of y given x_i, shape (b, d).
      log_variance: unbounded output of a network for x_i, shape (b, d).
      y: shape (n, d).

    Returns:
      nats, shape (b, n).

    Differentiable, any number of times.
    """
    chex.assert_rank([mean, log_variance, y], 2)
    chex.assert_equal_shape([mean, log_variance])
    chex.assert_equal_shape_suffix([mean, y], 1)
    bounded = LOG_VARIANCE_LIMIT * jnp.tanh(log_variance / LOG_VARIANCE_LIMIT)
    squares = (y[None, :, :] - mean[:, None, :]) ** 2 * jnp.exp(-bounded)[:, None, :]
    return -jnp.sum(squares + bounded[:, None, :] + math.log(2 * math.pi), axis=2) / 2


@jax.jit
def variational_club_loss(mean: Array, log_variance: Array, y: Array) -> Array:
    """Return the training loss of the conditional in `variational_club`: minus its mean log-likelihood.

    -E_p(x,y)[log q(y|x)] (Cheng et al. 2020, arXiv 2006.12013), with q of `gaussian_log_conditional`. Encoders of x or
    y that minimise `variational_club` are trained in turns with this and must not be trained by it.

    Args:
      mean: of y_i given x_i, shape (b, d).
      log_variance: unbounded, shape (b, d).
      y: shape (b, d).

    Returns:
      a scalar in nats.

    Differentiable, any number of times.
    """
    chex.assert_equal_shape([mean, y])
    pairwise = jax.vmap(lambda m, v, target: gaussian_log_conditional(m[None], v[None], target[None])[0, 0])
    return -jnp.mean(pairwise(mean, log_variance, y))


@estimator(side=None)
def variational_club(mean: Array, log_variance: Array, y: Array, *, negatives: Array | None = None) -> Array:
    """Return vCLUB, the CLUB estimate with a learned Gaussian conditional.

    E_p(x,y)[log q(y|x)] - E_p(x)p(y)[log q(y|x)] (Cheng et al. 2020, arXiv 2006.12013), `club` of
    `gaussian_log_conditional`.

    NO bound: it stays above I only while KL(p(x,y) || q(y|x) p(x)) <= KL(p(x)p(y) || q(y|x) p(x)), that is while q is
    nearer to the joint than to the product of the marginals, and it may be negative. Unbiased for given q, of variance
    O(1 / b); no log b ceiling.

    Args:
      mean: of y given x_i, shape (b, d), b >= 2.
      log_variance: unbounded, shape (b, d).
      y: shape (b, d).
      negatives: as in `club`.

    Returns:
      a scalar in nats; NaN if no row has a negative.

    Raises:
      ValueError: if b < 2.

    Differentiable, any number of times.
    """
    chex.assert_equal_shape([mean, y])
    return club(gaussian_log_conditional(mean, log_variance, y), negatives=negatives)
