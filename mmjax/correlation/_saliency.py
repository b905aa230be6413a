"""Room correlation: where in the input a score comes from, as arrays of the input's shape."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

Score = Callable[[Array], Array]
"""From samples (n, ...) to their scores (n,), each of its own sample alone; or from one sample to a scalar."""


def saliency(score_fn: Score, x: Array) -> Array:
    """Return the gradient of each sample's score by the sample (Simonyan, Vedaldi, Zisserman 2014, arXiv 1312.6034).

    Args:
      score_fn: from samples (n, ...) to scores (n,) such as `agreement` of their variates, or from one to a scalar. A
        network in it must not mix samples, so batch norms must be those of evaluation.
      x: samples (n, ...).

    Returns:
      gradients of the shape of `x`. Multiply them with `x` for gradient times input.

    Raises:
      ValueError: if the scores are neither.
    """
    scores = _of_batch(score_fn, x)
    return jax.grad(lambda x: jnp.sum(scores(x)))(x)


def smooth_saliency(key: Array, score_fn: Score, x: Array, *, scale: ArrayLike, num_draws: int = 32) -> Array:
    """Return the mean gradient over noisy copies of each sample (SmoothGrad: Smilkov et al. 2017, arXiv 1706.03825).

    Args:
      key: PRNG key of the noise.
      score_fn: as `saliency` takes it.
      x: samples (n, ...).
      scale: standard deviation of the noise that is added to every entry.
      num_draws: copies, one after another; static.

    Returns:
      mean gradients of the shape of `x`.
    """
    keys = jax.random.split(key, num_draws)

    def one(total: Array, key: Array) -> tuple[Array, None]:
        noise = jnp.asarray(scale, x.dtype) * jax.random.normal(key, x.shape, x.dtype)
        return total + saliency(score_fn, x + noise), None

    return jax.lax.scan(one, jnp.zeros_like(x), keys)[0] / num_draws


def jacobian_energy(variates_fn: Callable[[Array], Array], x: Array) -> Array:
    """Return sum_j (d a_j / d x)^2, entry by entry: where any variate of a sample comes from (ours).

    Args:
      variates_fn: from samples (n, ...) to variates (n, k), each row of its own sample alone.
      x: samples (n, ...).

    Returns:
      energies of the shape of `x`, at least 0; k backward passes.
    """
    variates, pull_back = jax.vjp(variates_fn, x)
    ones = jnp.broadcast_to(
        jnp.eye(variates.shape[1], dtype=variates.dtype)[:, None], (variates.shape[1], *variates.shape)
    )
    return jnp.sum(jax.vmap(lambda cotangent: pull_back(cotangent)[0])(ones) ** 2, axis=0)


def _of_batch(score_fn: Score, x: Array) -> Score:
    shape = jax.eval_shape(score_fn, x).shape
    if shape == x.shape[:1]:
        return score_fn
    of_one = jax.eval_shape(score_fn, x[0]).shape
    if of_one == ():
        return jax.vmap(score_fn)
    raise ValueError(
        f"score_fn must map {x.shape[0]} samples to ({x.shape[0]},) or one to a scalar; got {shape} and {of_one}"
    )
