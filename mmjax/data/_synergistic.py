"""Data, synergistic: the label is a parity of bits, one in each modality, so that no modality alone knows any of it."""

import functools
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import ndtr

from mmjax.data._batch import Batch, batch_of
from mmjax.numerics import in_base

NUM_TERMS = 64
"""Terms of the series that are summed one by one; beyond them, the sum is an integral."""


@functools.partial(jax.jit, static_argnames=("num_samples", "num_distractors"))
def parity_data(key: Array, snr: Array, *, num_samples: int, num_distractors: int = 0) -> Batch:
    """Sample modalities of two Gaussian clusters each, with the parity of the clusters as the label.

    Bits b_m are fair and independent; the first coordinate of modality m is snr_m (2 b_m - 1) + N(0, 1), the others
    are N(0, 1); y = b_1 xor ... xor b_M. All modalities but one together are independent of the label.

    Args:
      key: PRNG key.
      snr: distances of the clusters from 0 in standard deviations (num_modalities,).
      num_samples: number of samples; static.
      num_distractors: coordinates of each modality that know nothing; static.

    Returns:
      modalities "x1", "x2", ... of shape (num_samples, 1 + num_distractors) and classes in {0, 1}.
    """
    chex.assert_rank(snr, 1)
    bits_key, noise_key = jax.random.split(key)
    bits = jax.random.bernoulli(bits_key, shape=(snr.size, num_samples)).astype(jnp.int32)
    noise = jax.random.normal(noise_key, (snr.size, num_samples, 1 + num_distractors), snr.dtype)
    x = noise.at[:, :, 0].add(snr[:, None] * (2 * bits - 1).astype(snr.dtype))
    return batch_of({f"x{m + 1}": x[m] for m in range(snr.size)}, jnp.sum(bits, axis=0, dtype=jnp.int32) % 2)


def parity_accuracy(snr: Array) -> Array:
    """Return the accuracy of the best classifier on `parity_data`, from all modalities.

    The parity of the signs, which is right with probability (1 + prod_m (2 Phi(snr_m) - 1)) / 2.

    Args:
      snr: (num_modalities,).

    Returns:
      a scalar in [1/2, 1]; differentiable.
    """
    return (1 + jnp.prod(2 * ndtr(snr) - 1)) / 2


def parity_information(snr: Array, *, base: float = 2.0) -> Array:
    """Return the information of all modalities of `parity_data` about the label; that of fewer is 0.

    Given x, the label has expected sign t = prod_m tanh(snr_m x_m), and 1 bit - h((1 + t) / 2) in nats is
    sum_{k>=1} t^(2k) / (2k (2k - 1)). The modalities being independent, so are the factors of E[t^(2k)], each of
    them an integral over one Gaussian; from k = 64 on the sum over k is an integral too (ours).

    Args:
      snr: (num_modalities,).
      base: of the logarithm; 2 for bits.

    Returns:
      a scalar, to 1e-6; its derivatives are not meant to be used.
    """
    chex.assert_rank(snr, 1)
    order, weight = _orders()
    coefficients = jnp.asarray(weight / (2 * order * (2 * order - 1)), snr.dtype)
    moments = jnp.prod(_moments(snr, jnp.asarray(order, snr.dtype)), axis=0)
    return in_base(jnp.sum(coefficients * moments), base)


def _moments(snr: Array, order: Array) -> Array:
    """Return E[tanh(snr x)^(2 order)] for x ~ N(snr, 1), (num_modalities, num_orders), by the trapezoidal rule."""
    noise, step = np.linspace(-9, 9, 401, retstep=True)
    density = jnp.asarray(np.exp(-(noise**2) / 2) * step / math.sqrt(2 * math.pi), snr.dtype)
    decay = jnp.exp(-2 * jnp.abs(snr[:, None] * (snr[:, None] + jnp.asarray(noise, snr.dtype)[None])))
    # log tanh from the distance to 1, which tanh itself rounds off.
    log_tanh = jnp.log1p(-decay) - jnp.log1p(decay)
    power = jnp.exp(2 * order[None, :, None] * log_tanh[:, None, :])
    return jnp.sum(power * density[None, None], axis=2)


def _orders() -> tuple[np.ndarray, np.ndarray]:
    """Orders k and weights with sum_{k>=1} f(k) = sum_i weight_i f(k_i) for smooth f that falls like 1 / k^2."""
    first = np.arange(1.0, NUM_TERMS + 1)
    node, weight = np.polynomial.legendre.leggauss(48)
    low, high = math.log(NUM_TERMS + 0.5), math.log(1e9)
    far = np.exp(low + (high - low) * (node + 1) / 2)
    return np.concatenate([first, far]), np.concatenate([np.ones(NUM_TERMS), weight * far * (high - low) / 2])
