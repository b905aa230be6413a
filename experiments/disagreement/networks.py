"""Experiments, disagreement: the network that all objectives pre-train: two encoders, their fusion, and critics."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from mmjax.models import MLP

Latents = tuple[Array, Array]
"""Of the first and the second modality (n, width)."""
TEMPERATURE = 0.1
"""By which cosines of embeddings are divided."""

PATCH = 4
"""Pixels of a patch, each way."""


class Encoder(nn.Module):
    """Two dense layers; of images, after one that all patches share."""

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Encode vectors (n, dim) or images (n, height, width, channels) as latents (n, width)."""
        if x.ndim == 4:
            x = nn.relu(nn.Dense(self.width)(_patches(x)))
        return MLP((2 * self.width, self.width))(x)


class Critic(nn.Module):
    """Scores of all pairs of two sets of features: cosines of embeddings, over the temperature."""

    width: int

    def setup(self) -> None:
        """Make the embeddings."""
        self.left, self.right = (MLP((self.width, self.width)) for _ in range(2))

    def __call__(self, x: Array, y: Array) -> Array:
        """Score x (n, ...) against y (b, ...): (n, b)."""
        left, right = self.embed(x, y)
        return left @ right.T / TEMPERATURE

    def embed(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return embeddings of length 1."""
        return _normalised(self.left(x)), _normalised(self.right(y))


class Network(nn.Module):
    """Encoders, fusion and critics; each objective trains those of its parts that it uses."""

    width: int

    def setup(self) -> None:
        """Make the parts."""
        self.encoder1, self.encoder2 = (Encoder(self.width) for _ in range(2))
        self.fusion = MLP((4 * self.width, 2 * self.width))
        self.absent = self.param("absent", nn.initializers.normal(0.02), (2, self.width))
        self.critics = {name: Critic(self.width) for name in CRITICS}

    def __call__(self, x1: Array, x2: Array) -> Array:
        """Return what probes see: latents of both modalities and of their fusion (n, 4 width)."""
        latents = self.encode(x1, x2)
        return jnp.concatenate([*latents, self.fuse(latents)], axis=1)

    def encode(self, x1: Array, x2: Array) -> Latents:
        """Return the latents of both modalities."""
        return self.encoder1(x1), self.encoder2(x2)

    def fuse(self, latents: Latents, present: Latents | None = None) -> Array:
        """Return fused latents (n, 2 width); a trained vector stands for latents where `present`, as long, is 0."""
        first, second = map(nn.relu, latents)
        if present is not None:
            first, second = (
                jnp.where(there > 0, of, absent[None])
                for of, there, absent in zip((first, second), present, self.absent, strict=True)
            )
        return nn.relu(self.fusion(jnp.concatenate([first, second], axis=1)))


CRITICS = (
    "modalities",
    "first",
    "second",
    "fused",
    "shared",
    "shared given views",
    "unique 1",
    "unique 2",
    "common",
    "common given views",
)


def _normalised(x: Array) -> Array:
    return x * jax.lax.rsqrt(jnp.sum(x**2, axis=1, keepdims=True) + 1e-12)  # 0 stays 0, and has a derivative


def _patches(x: Array) -> Array:
    """Cut images (n, height, width, channels) into patches (n, number, size)."""
    num, height, width, channels = x.shape
    cut = x.reshape(num, height // PATCH, PATCH, width // PATCH, PATCH, channels)
    return cut.swapaxes(2, 3).reshape(num, -1, PATCH * PATCH * channels)
