"""Models, HighMMT: any modality as a sequence of tokens of one width (Liang et al. 2023, arXiv 2203.01311, B.1)."""

import functools
from typing import NamedTuple

import chex
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from mmjax.models._presence import zero_where_absent
from mmjax.models.highmmt._layout import Layout, ModalitySpec


class Tokens(NamedTuple):
    """A modality of a batch as tokens."""

    values: Array
    """(batch, tokens, width): data, zeros, position; the encoder appends the modality's code."""
    mask: Array
    """(batch, tokens), False where there is none."""
    slot: Array
    """(batch,), int32: the modality's code."""


def standardise(layout: Layout, name: str, x: Array, mask: Array | None = None) -> Tokens:
    """Bring a modality to tokens of the layout's width: [data | zeros | Fourier features of the position].

    Args:
      layout: modalities and tasks.
      name: of the modality.
      x: arrays (batch, *axes, channels).
      mask: (batch,), False where the modality is absent; or (batch, tokens), False where padded; None: all are there.

    Returns:
      the tokens, row-major along the axes; zeros where the mask is False, whatever x holds there.

    Raises:
      AssertionError: if x has not the shape of the modality.
    """
    modality = layout.modality(name)
    chex.assert_shape(x, (None, *modality.axes, modality.channels), custom_message=f"modality {name!r}")
    batch, num_tokens = x.shape[0], modality.num_tokens
    valid = jnp.ones((batch, num_tokens), bool) if mask is None else mask
    if valid.ndim == 1:
        valid = jnp.broadcast_to(valid[:, None], (batch, num_tokens))
    chex.assert_shape(valid, (batch, num_tokens), custom_message=f"mask of modality {name!r}")
    data = x.reshape(batch, num_tokens, modality.channels).astype(float)
    places = jnp.asarray(positions(modality), data.dtype)
    places = jnp.broadcast_to(places[None], (batch, *places.shape))
    zeros = jnp.zeros((batch, num_tokens, layout.input_width - modality.input_width), data.dtype)
    values = zero_where_absent(jnp.concatenate([data, zeros, places], axis=-1), valid)
    return Tokens(values, valid, jnp.full(batch, layout.slot(name), jnp.int32))


@functools.cache
def positions(modality: ModalitySpec) -> NDArray[np.float64]:
    """Return the Fourier features of all tokens (tokens, position_width).

    Of each axis with grid x in [-1, 1]: sin(pi f x) of all frequencies f, cos(pi f x), then x. The frequencies are
    spaced evenly in their logarithm from `base` to max_frequency / 2, as the released code has it.
    """
    if modality.num_bands is None or not modality.axes:
        return np.zeros((modality.num_tokens, 0))
    last = np.log(modality.max_frequency / 2) / np.log(modality.base)
    frequencies = modality.base ** np.linspace(1, last, modality.num_bands)
    grid = np.meshgrid(*(np.linspace(-1, 1, length) for length in modality.axes), indexing="ij")
    angles = [np.pi * x.reshape(-1, 1) * frequencies[None] for x in grid]
    features = [
        np.concatenate([np.sin(angle), np.cos(angle), x.reshape(-1, 1)], axis=1)
        for angle, x in zip(angles, grid, strict=True)
    ]
    return np.concatenate(features, axis=1)
