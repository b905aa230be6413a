"""Room models: linear maps, one a modality."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array


class LinearMaps(nn.Module):
    """Map each modality's latent linearly, with weights of its own: the unimodal heads, and slices of fusion heads."""

    width: int
    use_bias: bool = True

    @nn.compact
    def __call__(self, latents: Mapping[str, Array]) -> dict[str, Array]:
        """Map modality to (batch, d) into modality to (batch, width), float32; d may differ."""
        return {
            name: nn.Dense(self.width, use_bias=self.use_bias, dtype=jnp.float32, name=name)(latents[name])
            for name in sorted(latents)
        }


class JoinedMaps(nn.Module):
    """Map each modality's latent by its rows of one matrix: the results add up to a dense layer on all of them.

    The matrix is initialised as that of the dense layer, and belongs to no modality: its label is "head".
    """

    width: int
    use_bias: bool = False
    """Whether there is a bias, which is added to the result of the first modality by name."""

    @nn.compact
    def __call__(self, latents: Mapping[str, Array]) -> dict[str, Array]:
        """Map modality to (batch, d) into modality to (batch, width), float32; d may differ."""
        names = sorted(latents)
        sizes = [latents[name].shape[1] for name in names]
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (sum(sizes), self.width), jnp.float32)
        rows = jnp.split(kernel, np.cumsum(sizes)[:-1])
        maps = {name: latents[name].astype(jnp.float32) @ part for name, part in zip(names, rows, strict=True)}
        if self.use_bias:
            maps[names[0]] += self.param("bias", nn.initializers.zeros, (self.width,), jnp.float32)[None]
        return maps
