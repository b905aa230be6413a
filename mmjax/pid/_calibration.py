"""Room pid: recalibration of a classifier by one temperature and one bias a class."""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.numerics import as_floats, divide_or_zero, log_or_zero, nan_unless
from mmjax.pid._newton import maximise

PENALTY = 1e-3
"""Weight, in samples, of the penalty on the squared scale (of standardised logits): it is what bounds the scale where
the labels are separable, and moves it by some 1e-6 where they are not."""


class Calibration(NamedTuple):
    """Posteriors are softmax(scale * logits + bias)."""

    scale: Array
    """Inverse temperature, >= 0."""
    bias: Array
    """(ny,), of mean 0; -inf for a class without a label."""


@jax.jit
def calibrate(logits: ArrayLike, label: ArrayLike, *, weights: ArrayLike | None = None) -> Calibration:
    """Fit one temperature and one bias a class by maximum likelihood (Guo et al. 2017, arXiv 1706.04599, with biases).

    max over scale >= 0 and bias of sum_i w_i log softmax(scale logits_i + bias)[label_i], concave, by Newton. At
    the optimum the mean posterior equals the label frequencies, because the derivative in each bias is their
    difference: the calibrated classifiers of two modalities agree about p(y). Logits that point the wrong way give
    scale 0 and the label frequencies. Where the labels are separable the scale stays finite (`PENALTY`).

    Calibrate on samples that the classifier was not trained on. One temperature does not repair every classifier:
    calibrated here means right on average, not right at each sample.

    Args:
      logits: (n, ny), finite.
      label: (n,), integers in [0, ny); a negative label marks a sample to leave out.
      weights: (n,), nonnegative; None means equal ones.

    Returns:
      the calibration; a class that no label names gets bias -inf, hence probability 0. NaN where no sample is
      left, a label is ny or more, or logits or weights are not finite.

    Not differentiable.
    """
    (logits,) = as_floats(jax.lax.stop_gradient(logits))
    label = jnp.asarray(label)
    chex.assert_rank([logits, label], [2, 1])
    chex.assert_equal_shape_prefix([logits, label], 1)
    weights = jnp.ones_like(logits[:, 0]) if weights is None else jnp.asarray(weights).astype(logits.dtype)
    chex.assert_equal_shape([weights, label])
    valid = jnp.all(jnp.isfinite(logits)) & jnp.all(jnp.isfinite(weights)) & jnp.all(weights >= 0)
    valid &= jnp.all(label < logits.shape[1])
    weights = jnp.where(label >= 0, weights, 0)
    num_samples = divide_or_zero(jnp.sum(weights) ** 2, jnp.sum(weights**2))
    weights = nan_unless(valid & (num_samples > 0), weights) / jnp.sum(weights)
    return _fit(logits, jax.nn.one_hot(label, logits.shape[1], dtype=logits.dtype), weights, num_samples)


def recalibrate(logits: ArrayLike, calibration: Calibration) -> Array:
    """Return the posteriors softmax(scale * logits + bias).

    Args:
      logits: (..., ny).
      calibration: from `calibrate`.

    Returns:
      (..., ny), nonnegative, sums 1. Differentiable.
    """
    (logits,) = as_floats(logits)
    logits = logits - jnp.max(logits, axis=-1, keepdims=True)
    scores = calibration.scale * logits + jnp.broadcast_to(calibration.bias, logits.shape)
    return jax.nn.softmax(scores, axis=-1)


def _fit(logits: Array, targets: Array, weights: Array, num_samples: Array) -> Calibration:
    frequencies = jnp.sum(weights[:, None] * targets, axis=0)
    present = frequencies != 0  # NaN counts as present, and is passed on
    centred = logits - jnp.mean(logits, axis=1, keepdims=True)
    size = jnp.sqrt(jnp.sum(weights * jnp.mean(centred**2, axis=1)))
    scores = divide_or_zero(centred, jnp.broadcast_to(size, centred.shape))
    slope = jnp.sum(weights[:, None] * targets * scores)

    def likelihood(parameters: Array) -> Array:
        scale, bias = parameters[0], parameters[1:]
        rows = jnp.where(present[None], scale * scores + bias[None], -jnp.inf)
        fit = scale * slope + jnp.sum(frequencies * bias) - jnp.sum(weights * jax.nn.logsumexp(rows, axis=1))
        return fit - PENALTY / (2 * num_samples) * scale**2

    prior = log_or_zero(frequencies)
    scale, *bias = maximise(likelihood, jnp.concatenate([jnp.zeros_like(prior, shape=1), prior]))
    # The likelihood is concave: where its maximum has a negative scale, the best one of the others is 0.
    informative = scale > 0
    biases = jnp.where(informative, jnp.stack(bias), prior)
    middle = jnp.sum(jnp.where(present, biases, 0)) / jnp.sum(present).astype(biases.dtype)
    return Calibration(
        scale=nan_unless(jnp.isfinite(slope), jnp.where(informative, divide_or_zero(scale, size), 0)),
        bias=jnp.where(present, biases - middle, -jnp.inf),
    )
