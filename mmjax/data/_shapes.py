"""Data, shapes: pairs of small images of a shape with a texture and a colour, which share one of the three.

In the manner of Trifeature (Hermann and Lampinen 2020, arXiv 2006.12433), drawn by formulae; shapes, textures,
colours and sizes are ours.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.data._batch import Batch, batch_of

NUM_VALUES = 4
"""Values that each of shape, texture and colour takes."""

COLOURS = ((1.0, 0.2, 0.2), (0.2, 1.0, 0.2), (0.3, 0.3, 1.0), (1.0, 1.0, 0.2))
"""Red, green, blue, yellow."""

DARKENING = 0.6
"""What the dark parts of a texture lose."""

RADIUS = 0.55
"""Of the shapes; the image reaches from -1 to 1."""

SHIFT = 0.35
"""How far the shapes move from the centre, each way; from 16 pixels on, they stay off the border."""


class ShapePairs(NamedTuple):
    """Pairs of images, and what is in them."""

    batch: Batch
    """Modalities "x1", "x2" (n, size, size, 3) in [0, 1]; the label is the shared factor's value."""
    factors: Array
    """Shape, texture and colour of both images (n, 2, 3), int32 in [0, 4): other labels are made of these."""


@functools.partial(jax.jit, static_argnames=("num_samples", "size"))
def shape_pairs(key: Array, shared: Array | int, *, num_samples: int, size: int = 16) -> ShapePairs:
    """Sample pairs of images that agree in one factor.

    Factors are uniform and independent of each other; those of the two images are independent too, except the shared
    one, which is the same. Each shape is shifted on its own, and stays inside of its image. The label being the shared
    factor, each image knows it fully, 2 bits; the others are unique to each image and say nothing of it.

    Args:
      key: PRNG key.
      shared: the factor that both images share: 0 shape, 1 texture, 2 colour.
      num_samples: number of pairs; static.
      size: height and width of the images, in pixels; static.

    Returns:
      the pairs and their factors.
    """
    factor_key, shift_key = jax.random.split(key)
    factors = jax.random.randint(factor_key, (num_samples, 2, 3), 0, NUM_VALUES, jnp.int32)
    same = jnp.arange(3) == shared
    factors = factors.at[:, 1].set(jnp.where(same[None], factors[:, 0], factors[:, 1]))
    shifts = jax.random.uniform(shift_key, (num_samples, 2, 2), minval=-SHIFT, maxval=SHIFT)
    images = jax.vmap(jax.vmap(functools.partial(_draw, size=size)))(factors, shifts)
    label = jnp.sum(jnp.where(same[None], factors[:, 0], 0), axis=1, dtype=jnp.int32)
    return ShapePairs(batch_of({"x1": images[:, 0], "x2": images[:, 1]}, label), factors)


def _draw(factors: Array, shift: Array, *, size: int) -> Array:
    """Draw one image (size, size, 3) on black."""
    shape, texture, colour = factors
    row, column = jnp.meshgrid(jnp.arange(size), jnp.arange(size), indexing="ij")
    centres = (2 * jnp.arange(size, dtype=shift.dtype) + 1) / size - 1
    y, x = jnp.meshgrid(centres - shift[0], centres - shift[1], indexing="ij")
    brightness = jnp.where(_shapes(x, y)[shape], 1 - DARKENING * _textures(row, column)[texture].astype(x.dtype), 0)
    return brightness[:, :, None] * jnp.array(COLOURS, x.dtype)[colour][None, None]


def _shapes(x: Array, y: Array) -> Array:
    """Return where a disc, a square, a triangle and a cross are, (4, size, size) of bool."""
    widest, narrowest = jnp.maximum(jnp.abs(x), jnp.abs(y)), jnp.minimum(jnp.abs(x), jnp.abs(y))
    return jnp.stack(
        [
            x**2 + y**2 < RADIUS**2,
            widest < RADIUS,
            (jnp.abs(y) < RADIUS) & (jnp.abs(x) < (y + RADIUS) / 2),
            (widest < RADIUS) & (narrowest < RADIUS / 3),
        ]
    )


def _textures(row: Array, column: Array) -> Array:
    """Return where a plain texture, rows, columns and checks, two pixels wide, are dark, (4, size, size) of 0 and 1."""
    rows, columns = row // 2 % 2, column // 2 % 2
    return jnp.stack([jnp.zeros_like(rows), rows, columns, (rows + columns) % 2])
