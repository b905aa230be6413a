"""Room models: fusion heads whose first layer is a sum of linear maps, one a modality."""

import functools
import operator
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from mmjax.models._fusion_head import FusionHead
from mmjax.models._linear_maps import JoinedMaps, LinearMaps
from mmjax.models._presence import Masks


class LateLinear(FusionHead):
    """Fuse linearly: y = sum_m z_m W_m + b."""

    linear: ClassVar[bool] = True

    def setup(self) -> None:
        self.slices = LinearMaps(self.num_outputs, use_bias=False)
        self.bias = self.param("bias", nn.initializers.zeros, (self.num_outputs,), jnp.float32)

    def pieces(self, latents: Mapping[str, Array]) -> dict[str, Any]:
        """Return z_m W_m, modality to (batch, num_outputs); that of a latent of zeros is zero."""
        return self.slices(latents)

    def combine(self, pieces: Mapping[str, Any], masks: Masks = None, *, train: bool = False) -> Array:
        """Return the logits (batch, num_outputs) of the pieces."""
        return functools.reduce(operator.add, pieces.values()) + self.bias[None]


class SumMLP(FusionHead):
    """Fuse by an MLP on a sum: a = sum_m z_m W_m + b, then (ReLU, dropout, dense layer) for each further layer.

    The default is the non-linear head of the code published with MCR (Kontras et al. 2024, arXiv 2411.07335).
    """

    features: tuple[int, ...] = (64, 64)
    """Hidden widths; the first is that of the sum."""
    dropout: float = 0.1

    def setup(self) -> None:
        self.slices = LinearMaps(self._set_up_layers(), use_bias=False)

    def _set_up_layers(self) -> int:
        """Make all but the maps of the modalities, and return how wide these are."""
        first, *others = (*self.features, self.num_outputs)
        self.bias = self.param("bias", nn.initializers.zeros, (first,), jnp.float32)
        self.layers = [nn.Dense(width, dtype=jnp.float32) for width in others]
        self.dropping = nn.Dropout(self.dropout)
        return first

    def pieces(self, latents: Mapping[str, Array]) -> dict[str, Any]:
        """Return z_m W_m, modality to (batch, features[0]); that of a latent of zeros is zero."""
        return self.slices(latents)

    def combine(self, pieces: Mapping[str, Any], masks: Masks = None, *, train: bool = False) -> Array:
        """Return the logits (batch, num_outputs) of the pieces."""
        x = functools.reduce(operator.add, pieces.values()) + self.bias[None]
        for layer in self.layers:
            x = layer(self.dropping(nn.relu(x), deterministic=not train))
        return x


class ConcatMLP(SumMLP):
    """Fuse by an MLP on the concatenated latents, in the order of the modalities' names.

    Its first layer is a sum of linear maps as well; they are one matrix, whose label is "head".
    """

    features: tuple[int, ...] = (64,)
    """Hidden widths; the first is that of the sum."""
    dropout: float = 0.0

    def setup(self) -> None:
        self.joined = JoinedMaps(self._set_up_layers())

    def pieces(self, latents: Mapping[str, Array]) -> dict[str, Any]:
        """Return what each modality adds to the first layer, modality to (batch, features[0])."""
        return self.joined(latents)
