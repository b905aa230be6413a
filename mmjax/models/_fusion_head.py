"""Room models: what fusion heads have in common, fusing in two steps."""

from collections.abc import Mapping
from typing import Any, ClassVar

from flax import linen as nn
from jax import Array

from mmjax.models._presence import Masks, present_latents


class FusionHead(nn.Module):
    """Fuse latents: what each modality brings by itself (`pieces`), then what they give together (`combine`).

    Both work on each sample by itself. So whoever permutes one modality within a batch many times makes the pieces
    once and permutes those. A head of one's own need not derive from this class, but is fast there if it does.
    """

    num_outputs: int
    linear: ClassVar[bool] = False
    """Whether pieces are linear in the latents, and the logits are their sum, but for a bias."""

    def pieces(self, latents: Mapping[str, Array]) -> dict[str, Any]:
        """Return what each modality brings, modality to arrays (batch, ...), of latents that are 0 where absent."""
        return dict(latents)

    def combine(self, pieces: Mapping[str, Any], masks: Masks = None, *, train: bool = False) -> Array:
        """Return the logits (batch, num_outputs) of the pieces of all modalities; each head has its own."""
        raise TypeError(f"{type(self).__name__} must define combine(pieces, masks, *, train)")

    def __call__(self, latents: Mapping[str, Array], masks: Masks = None, *, train: bool = False) -> Array:
        """Fuse latents (batch, d_m), any number of them unless said otherwise, into logits (batch, num_outputs)."""
        return self.combine(self.pieces(present_latents(latents, masks)), masks, train=train)
