"""Room models: one linear map a modality."""

from collections.abc import Mapping

import jax.numpy as jnp
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
