"""Room models: a convolutional encoder of spectrograms."""

import chex
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.typing import DTypeLike

from mmjax.models._norms import GroupNorm, NormFactory


class SpectrogramCNN(nn.Module):
    """Encode spectrograms by 3x3 convolutions over time and frequency, each of stride 2, and the mean over positions.

    Each convolution has no bias and is followed by the norm and ReLU.
    """

    features: tuple[int, ...] = (32, 64, 128, 256)
    """Channels of each layer; the last is the width of the latent."""
    norm: NormFactory = GroupNorm
    dtype: DTypeLike = jnp.float32
    """Of the activations; parameters, norms and latent are float32."""

    @nn.compact
    def __call__(self, x: Array, mask: Array | None = None, *, train: bool = False) -> Array:
        """Encode.

        Args:
          x: spectrograms (batch, time, frequency).
          mask: (batch,), which samples are present; only those enter the statistics of `BatchNorm`.
          train: whether `BatchNorm` uses and moves statistics of the batch.

        Returns:
          the latent (batch, features[-1]), float32.
        """
        chex.assert_rank(x, 3)
        present = jnp.ones(x.shape[0], bool) if mask is None else mask
        chex.assert_shape(present, x.shape[:1])
        x = x[..., None]
        for channels in self.features:
            x = nn.Conv(channels, (3, 3), (2, 2), padding=1, use_bias=False, dtype=self.dtype)(x)
            x = nn.relu(self.norm()(x, present, train=train))
        return jnp.mean(x.astype(jnp.float32), axis=(1, 2))
