"""Experiments, competition: which encoder a modality gets: small ones, or those of the published comparison."""

from collections.abc import Mapping

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from mmjax import models

NUM_LAYERS, NUM_HEADS = 5, 5
"""Of the published transformers."""


class FrameMean(nn.Module):
    """Encode each frame of a clip alike and average over the frames."""

    encoder: nn.Module
    """Of images; it sees all frames of all samples as one batch."""

    @nn.compact
    def __call__(self, x: Array, mask: Array | None = None, *, train: bool = False) -> Array:
        """Encode clips (batch, frames, height, width, channels) into a latent (batch, width)."""
        batch, frames = x.shape[:2]
        present = jnp.ones(batch, bool) if mask is None else mask
        latents = self.encoder(x.reshape(-1, *x.shape[2:]), jnp.repeat(present, frames), train=train)
        return jnp.mean(latents.reshape(batch, frames, -1), axis=1)


def small(shapes: Mapping[str, tuple[int, ...]], width: int) -> dict[str, nn.Module]:
    """Return a perceptron of two layers for each modality, whatever the shape of its samples."""
    return {name: models.MLP((width, width)) for name in shapes}


def published(shapes: Mapping[str, tuple[int, ...]], width: int) -> dict[str, nn.Module]:
    """Return what reads the inputs of the published comparison, by the shapes of their samples.

    Features (d,) get a layer, sequences (tokens, d) a transformer, images and spectrograms (height, width, channels)
    ResNet-18 and clips (frames, height, width, channels) its mean over frames. Pre-trained backbones are not here:
    their columns take features.
    """
    return {name: _by_rank(len(shape), width) for name, shape in shapes.items()}


def _by_rank(rank: int, width: int) -> nn.Module:
    if rank == 1:
        return models.MLP((width,))
    if rank == 2:
        heads = NUM_HEADS if width % NUM_HEADS == 0 else NUM_HEADS - 1
        return models.Transformer(width, NUM_LAYERS, heads, dropout=0.1)
    images = models.ResNet18(width // 8, norm=models.BatchNorm)
    return images if rank == 3 else FrameMean(images)
