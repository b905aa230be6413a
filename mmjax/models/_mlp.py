"""Room models: the multilayer perceptron."""

from collections.abc import Callable

import chex
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.typing import DTypeLike


class MLP(nn.Module):
    """Map any array to a latent by dense layers, with activation and dropout between them and none at the end."""

    features: tuple[int, ...]
    """Width of each layer; the last is that of the latent."""
    activation: Callable[[Array], Array] = nn.relu
    dropout: float = 0.0
    """Rate at which hidden units are dropped in training."""
    dtype: DTypeLike = jnp.float32
    """Of the activations; parameters and latent are float32."""

    @nn.compact
    def __call__(self, x: Array, mask: Array | None = None, *, train: bool = False) -> Array:
        """Encode.

        Args:
          x: (batch, ...), flattened to (batch, size).
          mask: (batch,), which samples are present; it changes nothing, since samples do not see each other.
          train: whether dropout is on.

        Returns:
          the latent (batch, features[-1]), float32.
        """
        if mask is not None:
            chex.assert_shape(mask, x.shape[:1])
        x = x.reshape(x.shape[0], -1)
        *hidden, width = self.features
        for features in hidden:
            x = self.activation(nn.Dense(features, dtype=self.dtype)(x))
            x = nn.Dropout(self.dropout)(x, deterministic=not train)
        return nn.Dense(width, dtype=self.dtype)(x).astype(jnp.float32)
