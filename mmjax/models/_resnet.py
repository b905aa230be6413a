"""Room models: ResNet-18 for images."""

import chex
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.typing import DTypeLike

from mmjax.models._norms import GroupNorm, NormFactory

NUM_BLOCKS = 2
NUM_STAGES = 4

HE_FAN_OUT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class ResNet18(nn.Module):
    """Encode images by the residual network of 18 layers without its classifier (He et al. 2015, arXiv 1512.03385).

    A 7x7 convolution, a maximum pooling, four stages of two blocks that double the channels, and the mean over
    positions. With 3 input channels and the default width it has 11 176 512 parameters with either norm.
    """

    width: int = 64
    """Channels of the first stage; the latent has 8 times as many."""
    norm: NormFactory = GroupNorm
    dtype: DTypeLike = jnp.float32
    """Of the activations; parameters, norms and latent are float32."""

    @nn.compact
    def __call__(self, x: Array, mask: Array | None = None, *, train: bool = False) -> Array:
        """Encode.

        Args:
          x: images (batch, height, width, channels).
          mask: (batch,), which samples are present; only those enter the statistics of `BatchNorm`.
          train: whether `BatchNorm` uses and moves statistics of the batch.

        Returns:
          the latent (batch, 8 width), float32.
        """
        chex.assert_rank(x, 4)
        present = jnp.ones(x.shape[0], bool) if mask is None else mask
        chex.assert_shape(present, x.shape[:1])
        x = _convolution(self.width, 7, 2, self.dtype)(x)
        x = nn.relu(self.norm()(x, present, train=train))
        x = nn.max_pool(x, (3, 3), (2, 2), padding=((1, 1), (1, 1)))
        for stage in range(NUM_STAGES):
            for block in range(NUM_BLOCKS):
                stride = 2 if stage > 0 and block == 0 else 1
                x = _Block(self.width * 2**stage, stride, self.norm, self.dtype)(x, present, train)
        return jnp.mean(x.astype(jnp.float32), axis=(1, 2))


class _Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is projected where the shape changes."""

    channels: int
    stride: int
    norm: NormFactory
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Array, present: Array, train: bool) -> Array:
        y = _convolution(self.channels, 3, self.stride, self.dtype)(x)
        y = nn.relu(self.norm()(y, present, train=train))
        y = _convolution(self.channels, 3, 1, self.dtype)(y)
        y = self.norm()(y, present, train=train)
        if x.shape != y.shape:
            x = _convolution(self.channels, 1, self.stride, self.dtype)(x)
            x = self.norm()(x, present, train=train)
        return nn.relu(x + y)


def _convolution(channels: int, size: int, stride: int, dtype: DTypeLike) -> nn.Conv:
    return nn.Conv(
        channels,
        (size, size),
        (stride, stride),
        padding=size // 2,
        use_bias=False,
        dtype=dtype,
        kernel_init=HE_FAN_OUT,
    )
