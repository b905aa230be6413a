"""Room models: which modalities and tokens a sample has, and that those it lacks count as zeros."""

from collections.abc import Iterable, Mapping

import jax.numpy as jnp
from jax import Array

Masks = Mapping[str, Array] | None
"""Modality to (batch,) bools, False where absent; or, for encoders of tokens, to (batch, tokens)."""


def check_modalities(got: Iterable[str], expected: Iterable[str]) -> None:
    """Raise ValueError unless both name the same modalities."""
    if set(got) != set(expected):
        raise ValueError(f"got modalities {sorted(got)}, expected {sorted(expected)}")


def presence(masks: Masks, modalities: Mapping[str, Array]) -> dict[str, Array]:
    """Return modality to (batch,) bools; a sample without a token lacks the modality, one without a mask has it.

    Raises:
      ValueError: if there is a mask of no modality.
    """
    masks = masks or {}
    if set(masks) - set(modalities):
        raise ValueError(f"got masks of {sorted(masks)}, expected some of the modalities {sorted(modalities)}")
    return {
        name: jnp.any(masks[name].reshape(x.shape[0], -1), axis=1) if name in masks else jnp.ones(x.shape[0], bool)
        for name, x in modalities.items()
    }


def zero_where_absent(x: Array, mask: Array) -> Array:
    """Replace by zeros what the mask (batch,) or (batch, tokens) says x (batch, ...) lacks, NaN too."""
    return jnp.where(mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim)), x, 0)


def present_latents(latents: Mapping[str, Array], masks: Masks) -> dict[str, Array]:
    """Replace the latents (batch, width) of absent modalities by zeros, and order the modalities by name."""
    present = presence(masks, latents)
    return {name: zero_where_absent(latents[name], present[name]) for name in sorted(latents)}
