"""Data, renderers: what a modality looks like that shows factors: an image, a sequence, a set or a table.

The generators are ours. A renderer says how large a modality is, how a factor shows in its tokens, and how the tokens
become the array that a model gets.
"""

from dataclasses import astuple, dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jax import Array

WIDTH = 1.5
"""Of the Gaussian that smooths patterns, in tokens: neighbours have a correlation of about 0.9."""


class Renderer(Protocol):
    """A kind of modality; a frozen dataclass, so that renderers are equal where all their sizes are."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a sample's array."""

    @property
    def channels(self) -> int:
        """Of a token."""

    def pattern(self, key: Array, num_factors: int) -> Array:
        """Draw how each factor shows (num_tokens, num_factors, channels): Gaussian of variance 1."""

    def arrange(self, key: Array, tokens: Array) -> tuple[Array, Array | None]:
        """Make of tokens (n, num_tokens, channels) the array (n, *shape) and its token mask, if it has one."""


@dataclass(frozen=True)
class ImageRenderer:
    """Images (height, width, channels), whose patterns are smooth both ways."""

    height: int
    """In pixels."""
    width: int
    """In pixels."""
    channels: int
    """Of a pixel."""

    def __post_init__(self) -> None:
        """Refuse what has no size."""
        _check_sizes(self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    def pattern(self, key: Array, num_factors: int) -> Array:
        """Draw a pattern, see `Renderer`."""
        white = jax.random.normal(key, (self.height, self.width, num_factors, self.channels))
        return _smooth(_smooth(white, 0), 1).reshape(self.height * self.width, num_factors, self.channels)

    def arrange(self, key: Array, tokens: Array) -> tuple[Array, Array | None]:
        """Lay the tokens out row by row."""
        return tokens.reshape(-1, *self.shape), None


@dataclass(frozen=True)
class SequenceRenderer:
    """Sequences (length, channels), whose patterns are smooth in time."""

    length: int
    """In steps."""
    channels: int
    """Of a step."""

    def __post_init__(self) -> None:
        """Refuse what has no size."""
        _check_sizes(self)

    @property
    def shape(self) -> tuple[int, int]:
        """(length, channels)."""
        return self.length, self.channels

    def pattern(self, key: Array, num_factors: int) -> Array:
        """Draw a pattern, see `Renderer`."""
        return _smooth(jax.random.normal(key, (self.length, num_factors, self.channels)), 0)

    def arrange(self, key: Array, tokens: Array) -> tuple[Array, Array | None]:
        """Leave the tokens as they are."""
        return tokens, None


@dataclass(frozen=True)
class SetRenderer:
    """Sets of up to `max_size` tokens in random order: a part of a sequence whose order is lost.

    Patterns are smooth before that, so that tokens resemble each other.
    """

    max_size: int
    """Tokens of the largest sets; the smallest have half as many, rounded up."""
    channels: int
    """Of a token."""

    def __post_init__(self) -> None:
        """Refuse what has no size."""
        _check_sizes(self)

    @property
    def shape(self) -> tuple[int, int]:
        """(max_size, channels)."""
        return self.max_size, self.channels

    def pattern(self, key: Array, num_factors: int) -> Array:
        """Draw a pattern, see `Renderer`."""
        return _smooth(jax.random.normal(key, (self.max_size, num_factors, self.channels)), 0)

    def arrange(self, key: Array, tokens: Array) -> tuple[Array, Array | None]:
        """Permute the tokens of each sample and keep the first of them, of a uniformly random number.

        Returns:
          tokens (n, max_size, channels), 0 where there is none, and the mask (n, max_size), True where there is one.
        """
        order_key, size_key = jax.random.split(key)
        order = jnp.argsort(jax.random.uniform(order_key, tokens.shape[:2]), axis=1)
        size = jax.random.randint(size_key, tokens.shape[:1], (self.max_size + 1) // 2, self.max_size + 1)
        mask = jnp.arange(self.max_size)[None] < size[:, None]
        return jnp.where(mask[:, :, None], jnp.take_along_axis(tokens, order[:, :, None], axis=1), 0), mask


@dataclass(frozen=True)
class TableRenderer:
    """Rows of a table (num_features,): a single token, whose channels are the features."""

    num_features: int
    """Of a row."""

    def __post_init__(self) -> None:
        """Refuse what has no size."""
        _check_sizes(self)

    @property
    def shape(self) -> tuple[int]:
        """(num_features,)."""
        return (self.num_features,)

    @property
    def channels(self) -> int:
        """The features."""
        return self.num_features

    def pattern(self, key: Array, num_factors: int) -> Array:
        """Draw a pattern, see `Renderer`."""
        return jax.random.normal(key, (1, num_factors, self.num_features))

    def arrange(self, key: Array, tokens: Array) -> tuple[Array, Array | None]:
        """Take the token's channels for the row."""
        return tokens[:, 0], None


def _check_sizes(renderer: ImageRenderer | SequenceRenderer | SetRenderer | TableRenderer) -> None:
    if min(astuple(renderer)) < 1:
        raise ValueError(f"the sizes of a renderer must be positive; got {renderer}")


def _smooth(white: Array, axis: int) -> Array:
    """Smooth noise along an axis by a Gaussian, and keep its variance."""
    place = jnp.arange(white.shape[axis], dtype=white.dtype)
    kernel = jnp.exp(-(((place[:, None] - place[None]) / WIDTH) ** 2) / 2)
    kernel = kernel / jnp.linalg.norm(kernel, axis=1, keepdims=True)
    smooth = jnp.tensordot(kernel, white, axes=(1, axis), precision=jax.lax.Precision.HIGHEST)
    return jnp.moveaxis(smooth, 0, axis)
