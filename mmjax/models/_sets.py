"""Room models: deep sets."""

import functools
from collections.abc import Callable

import chex
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.typing import DTypeLike

from mmjax.models._mlp import MLP
from mmjax.models._transformer import token_mask


class SetEncoder(nn.Module):
    """Encode sets by rho(mean and maximum of phi(element)), phi and rho MLPs (Zaheer et al. 2017, arXiv 1703.06114).

    The order of elements does not matter; mean and maximum of the empty set are 0 (ours).
    """

    element_features: tuple[int, ...]
    """Layers of phi."""
    features: tuple[int, ...]
    """Layers of rho; the last is the width of the latent."""
    activation: Callable[[Array], Array] = nn.relu
    dropout: float = 0.0
    dtype: DTypeLike = jnp.float32
    """Of the activations; parameters, pooling and latent are float32."""

    @nn.compact
    def __call__(self, x: Array, mask: Array | None = None, *, train: bool = False) -> Array:
        """Encode.

        Args:
          x: sets (batch, elements, features); padding may hold any finite number.
          mask: (batch, elements), False where padded; or (batch,) for all elements of a sample.
          train: whether dropout is on.

        Returns:
          the latent (batch, features[-1]), float32.
        """
        chex.assert_rank(x, 3)
        valid = token_mask(x, mask)[..., None]
        layers = functools.partial(MLP, activation=self.activation, dropout=self.dropout, dtype=self.dtype)
        elements = layers(self.element_features, name="phi")(x.reshape(-1, x.shape[-1]), train=train)
        elements = elements.reshape(*x.shape[:2], -1)
        count = jnp.sum(valid, axis=1)
        mean = jnp.sum(jnp.where(valid, elements, 0), axis=1) / jnp.maximum(count, 1).astype(elements.dtype)
        lowest = jnp.finfo(elements.dtype).min
        maximum = jnp.where(count > 0, jnp.max(jnp.where(valid, elements, lowest), axis=1), 0)
        pooled = jnp.concatenate([mean, maximum], axis=1)
        return layers(self.features, name="rho")(pooled, train=train)
