"""Room models: encoders, a fusion head and unimodal heads as one module."""

from collections.abc import Mapping
from typing import NamedTuple

import chex
from flax import linen as nn
from flax.core import FrozenDict
from jax import Array

from mmjax.models._linear_maps import LinearMaps
from mmjax.models._presence import Masks, check_modalities, presence, zero_where_absent


class Outputs(NamedTuple):
    """All that a multimodal module makes of a batch."""

    logits: Array
    """Of the fusion head (batch, num_outputs), float32."""
    unimodal: dict[str, Array]
    """Modality to the logits of its unimodal head (batch, num_outputs), float32."""
    latents: dict[str, Array]
    """Modality to its encoder's output (batch, width), float32; zeros where it is absent."""


class Multimodal(nn.Module):
    """Encode each modality, fuse the latents into logits, and map each latent to logits of its own.

    What an absent modality holds changes nothing, and its encoder gets no gradient from the sample. Modalities are
    handled in the order of their names, however the dicts are ordered.
    """

    encoders: Mapping[str, nn.Module]
    """Modality to a module that maps (x, mask, *, train) to a latent."""
    head: nn.Module
    """A module that maps (latents, masks, *, train) to logits."""
    num_outputs: int
    """Of the unimodal heads; the fusion head has as many."""

    def __post_init__(self) -> None:
        self.encoders = FrozenDict(self.encoders)  # a dict has no hash
        super().__post_init__()

    def setup(self) -> None:
        self.unimodal_heads = LinearMaps(self.num_outputs)

    def encode(self, modalities: Mapping[str, Array], masks: Masks = None, *, train: bool = False) -> dict[str, Array]:
        """Encode.

        Args:
          modalities: modality to array (batch, ...).
          masks: modality to bools (batch,), False where it is absent from the sample; or, for encoders of tokens,
            (batch, tokens), False where padded, and a sample without a token lacks the modality. Modalities without
            a mask are present.
          train: whether dropout is on and statistics of the batch are used.

        Returns:
          the latents, modality to (batch, width), float32; zeros where absent.

        Raises:
          ValueError: if the modalities are not those of the encoders, or a mask belongs to none.
        """
        check_modalities(modalities, self.encoders)
        present = presence(masks, modalities)
        latents = {}
        for name in sorted(modalities):
            mask = (masks or {}).get(name, present[name])
            latent = self.encoders[name](zero_where_absent(modalities[name], mask), mask, train=train)
            latents[name] = zero_where_absent(latent, present[name])
        return latents

    def fuse(self, latents: Mapping[str, Array], masks: Masks = None, *, train: bool = False) -> Array:
        """Fuse latents into logits (batch, num_outputs), float32.

        Raises:
          ValueError: if the latents are not those of the encoders, or a mask belongs to none.
        """
        check_modalities(latents, self.encoders)
        logits = self.head(latents, masks, train=train)
        chex.assert_axis_dimension(logits, 1, self.num_outputs)
        return logits

    def unimodal(self, latents: Mapping[str, Array]) -> dict[str, Array]:
        """Map each latent by its unimodal head, modality to (batch, num_outputs), float32.

        Raises:
          ValueError: if the latents are not those of the encoders.
        """
        check_modalities(latents, self.encoders)
        return self.unimodal_heads(latents)

    def __call__(self, modalities: Mapping[str, Array], masks: Masks = None, *, train: bool = False) -> Outputs:
        """Encode, fuse and map each latent; arguments as for `encode`."""
        latents = self.encode(modalities, masks, train=train)
        return Outputs(self.fuse(latents, masks, train=train), self.unimodal(latents), latents)
