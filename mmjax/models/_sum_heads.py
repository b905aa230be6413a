"""Room models: fusion heads whose first layer is a sum of linear maps, one a modality.

Row-wise changes of one modality's latents, such as permutations, then act on its partial alone: the other maps are
not computed again.
"""

import functools
import operator
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array

from mmjax.models._linear_maps import LinearMaps
from mmjax.models._presence import Masks, present_latents


class LateLinear(nn.Module):
    """Fuse linearly: y = sum_m z_m W_m + b, as `merge(sum of partials)`."""

    num_outputs: int

    def setup(self) -> None:
        self.slices = LinearMaps(self.num_outputs, use_bias=False)
        self.bias = self.param("bias", nn.initializers.zeros, (self.num_outputs,), jnp.float32)

    def partials(self, latents: Mapping[str, Array]) -> dict[str, Array]:
        """Return z_m W_m, modality to (batch, width); that of a latent of zeros is zero."""
        return self.slices(latents)

    def merge(self, total: Array, *, train: bool = False) -> Array:
        """Return the logits (batch, num_outputs) of the sum (batch, width) of the partials."""
        return total + self.bias[None]

    def __call__(self, latents: Mapping[str, Array], masks: Masks = None, *, train: bool = False) -> Array:
        """Fuse latents (batch, d_m), any number of them, into logits; absent ones are replaced by zeros."""
        partials = self.partials(present_latents(latents, masks))
        return self.merge(functools.reduce(operator.add, partials.values()), train=train)


class SumMLP(LateLinear):
    """Fuse by an MLP on a sum: a = sum_m z_m W_m + b, then (ReLU, dropout, dense layer) for each further layer.

    The default is the non-linear head of the code published with MCR (Kontras et al. 2024, arXiv 2411.07335).
    """

    features: tuple[int, ...] = (64, 64)
    """Hidden widths; the first is that of the partials."""
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

    def merge(self, total: Array, *, train: bool = False) -> Array:
        """Return the logits of the sum (batch, features[0]) of the partials."""
        x = total + self.bias[None]
        for layer in self.layers:
            x = layer(self.dropping(nn.relu(x), deterministic=not train))
        return x


class ConcatMLP(SumMLP):
    """Fuse by an MLP on the concatenated latents, in the order of the modalities' names.

    Its first layer is a sum of linear maps as well. But they are one matrix, which is initialised as one and belongs to
    no modality: its label is "head".
    """

    features: tuple[int, ...] = (64,)
    """Hidden widths; the first is that of the partials."""
    dropout: float = 0.0

    def setup(self) -> None:
        self.joined = _JoinedMaps(self._set_up_layers())

    def partials(self, latents: Mapping[str, Array]) -> dict[str, Array]:
        """Return what each modality adds to the first layer, modality to (batch, width)."""
        return self.joined(latents)


class _JoinedMaps(nn.Module):
    """Map each modality's latent by its rows of one matrix, that of a dense layer on all of them."""

    width: int

    @nn.compact
    def __call__(self, latents: Mapping[str, Array]) -> dict[str, Array]:
        """Map modality to (batch, d) into modality to (batch, width), float32; d may differ."""
        names = sorted(latents)
        sizes = [latents[name].shape[1] for name in names]
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (sum(sizes), self.width), jnp.float32)
        rows = jnp.split(kernel, np.cumsum(sizes)[:-1])
        return {name: latents[name].astype(jnp.float32) @ part for name, part in zip(names, rows, strict=True)}
