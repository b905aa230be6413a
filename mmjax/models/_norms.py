"""Room models: normalisation of feature maps, in float32 whatever the dtype of the activations.

Both norms have one signature, so that a convolutional encoder takes either class as a factory.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

GROUP_SIZE = 16
MOMENTUM = 0.9
EPSILON = 1e-5

NormFactory = Callable[[], nn.Module]
"""A class or a function of a module; a lambda or partial made anew makes equal encoders differ."""


class GroupNorm(nn.Module):
    """Normalise each sample over positions and groups of 16 channels (Wu and He 2018, arXiv 1803.08494).

    Groups are smaller where 16 does not divide the channels: the largest common divisor.
    """

    @nn.compact
    def __call__(self, x: Array, present: Array, *, train: bool) -> Array:
        """Normalise feature maps (batch, ..., channels); samples do not see each other."""
        size = math.gcd(GROUP_SIZE, x.shape[-1])
        norm = nn.GroupNorm(num_groups=None, group_size=size, epsilon=EPSILON, dtype=jnp.float32)
        return norm(x.astype(jnp.float32)).astype(x.dtype)


class BatchNorm(nn.Module):
    """Normalise channels over the present samples and positions (Ioffe and Szegedy 2015, arXiv 1502.03167).

    Absent samples do not enter the statistics, and a batch without a present sample leaves them as they were, so
    what an absent modality holds changes nothing (ours). Running averages live in the collection `batch_stats`:
    they move by 0.1 of the way, only in training, which itself uses the batch's own mean and variance.
    """

    @nn.compact
    def __call__(self, x: Array, present: Array, *, train: bool) -> Array:
        """Normalise feature maps (batch, ..., channels).

        Args:
          x: feature maps.
          present: (batch,), which samples count.
          train: whether to use the batch's statistics and move the running ones.

        Returns:
          the maps, in the dtype of `x`.
        """
        channels = x.shape[-1:]
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, channels, jnp.float32)
        running_variance = self.variable("batch_stats", "variance", jnp.ones, channels, jnp.float32)
        scale = self.param("scale", nn.initializers.ones, channels, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, channels, jnp.float32)
        rows = x.astype(jnp.float32).reshape(x.shape[0], -1, x.shape[-1])
        mean, variance = running_mean.value, running_variance.value
        if train:
            mean, variance = _moments(rows, present)
            step = jnp.where(jnp.any(present), jnp.float32(1 - MOMENTUM), 0)
            running_mean.value += step * jax.lax.stop_gradient(mean - running_mean.value)
            running_variance.value += step * jax.lax.stop_gradient(variance - running_variance.value)
        slope = scale * jax.lax.rsqrt(variance + EPSILON)
        normalised = (rows - mean[None, None]) * slope[None, None] + bias[None, None]
        return normalised.reshape(x.shape).astype(x.dtype)


def _moments(rows: Array, present: Array) -> tuple[Array, Array]:
    """Return mean and variance (channels,) of the present of the samples (batch, positions, channels)."""
    weight = present.astype(rows.dtype)[:, None, None]
    weight = weight / (jnp.maximum(jnp.sum(weight), 1) * rows.shape[1])
    mean = jnp.sum(weight * rows, axis=(0, 1))
    return mean, jnp.sum(weight * jnp.square(rows - mean[None, None]), axis=(0, 1))
