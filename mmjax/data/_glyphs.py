"""Data, glyphs: pairs of small images that share a class, in a known place, on textures of their own.

The generator is ours. It tells whether what is found common, or individual, in images is found where it is.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.data._batch import Batch, batch_of

SIZE = 20
"""Height and width of the images, in pixels."""

GLYPH_SIZE = 7
"""Of the glyphs."""

NUM_CLASSES = 8
"""Glyphs of each modality, one a class."""

NUM_TEXTURES = 4
"""Textures of each modality."""

CORNERS = ((2, 3), (10, 9))
"""Row and column of the first pixel of the glyphs in each modality, where they are not shifted."""

MAX_SHIFT = 2
"""How far glyphs can be shifted and stay inside of their image."""

NOISE = 0.15
"""Standard deviation of each pixel's noise, before the pixels are bounded."""


class GlyphImages(NamedTuple):
    """Pairs of images, and what is in them."""

    batch: Batch
    """Modalities "x1", "x2" (n, 20, 20, 1) in [-1, 1]; the label is the shared class, in [0, 8)."""
    individual: Array
    """Weights of the textures in each modality (n, 2, 4), independent N(0, 1)."""
    shared_region: Array
    """Where the glyph of each modality is, before shifts (2, 20, 20) of bool: 49 of 400 pixels."""


@functools.partial(jax.jit, static_argnames=("num_samples", "shift"))
def glyph_images(key: Array, *, num_samples: int, shift: int = 0) -> GlyphImages:
    """Sample pairs of images with the same class of glyph inside a box, and with textures of their own outside of it.

    Each modality has 8 glyphs G of 7 x 7 signs and 4 textures T, drawn once a call: white noise that a Gaussian has
    smoothed, of 1 pixel for the glyphs, whose signs are taken, and of 2 for the textures, which are made orthogonal and
    of mean square 1 outside of the box, so that each is seen as well as the others. With y uniform, r ~ U(0.6, 1.4)
    and u_k ~ N(0, I), a pixel of modality k is

        tanh(r G_ky + 0.15 eps)  inside of the box,  tanh(sum_i u_ki T_ki / 2 + 0.15 eps)  outside of it.

    The modalities have the class y and the amplitude r in common, which only the box shows; u_k is individual, and
    only what is outside of the box shows it. Without shifts `shared_region` is thus where saliency of what is common
    belongs, and its share of the image, 0.1225, is that of a saliency that knows nothing.

    Args:
      key: PRNG key.
      num_samples: number of pairs; static. Training and test sets are parts of one sample.
      shift: how many pixels, 0 to 2, each box moves at most, both ways and for each image on its own; static.

    Returns:
      the images, the weights of their textures, and where the boxes are before they move.

    Raises:
      ValueError: if `shift` would move a box out of the image.
    """
    if not 0 <= shift <= MAX_SHIFT:
        raise ValueError(f"shift must be in [0, {MAX_SHIFT}]; got {shift}")
    label_key, amplitude_key, *keys = jax.random.split(key, 4)
    label = jax.random.randint(label_key, (num_samples,), 0, NUM_CLASSES, jnp.int32)
    amplitude = jax.random.uniform(amplitude_key, (num_samples,), minval=0.6, maxval=1.4)
    modality = functools.partial(_modality, label=label, amplitude=amplitude, shift=shift)
    images, individual = jax.vmap(modality)(jnp.stack(keys), jnp.array(CORNERS))
    batch = batch_of({"x1": images[0, ..., None], "x2": images[1, ..., None]}, label)
    return GlyphImages(batch, individual.swapaxes(0, 1), jax.vmap(_box)(jnp.array(CORNERS)))


def _modality(key: Array, corner: Array, *, label: Array, amplitude: Array, shift: int) -> tuple[Array, Array]:
    """Draw glyphs, textures and images (n, 20, 20) of one modality; return these and the textures' weights (n, 4)."""
    glyph_key, texture_key, weight_key, shift_key, noise_key = jax.random.split(key, 5)
    glyphs = jnp.where(_smooth_noise(glyph_key, NUM_CLASSES, size=GLYPH_SIZE, width=1) < 0, -1, 1)
    textures = _orthogonal(_smooth_noise(texture_key, NUM_TEXTURES, size=SIZE, width=2), ~_box(corner))
    weights = jax.random.normal(weight_key, (label.size, NUM_TEXTURES))
    background = jnp.einsum("ni,iab->nab", weights, textures, precision=jax.lax.Precision.HIGHEST)
    corners = corner[None] + jax.random.randint(shift_key, (label.size, 2), -shift, shift + 1)
    shown = amplitude[:, None, None] * glyphs[label].astype(amplitude.dtype)
    clean = jax.vmap(jax.lax.dynamic_update_slice)(background / NUM_TEXTURES**0.5, shown, corners)
    return jnp.tanh(clean + NOISE * jax.random.normal(noise_key, clean.shape)), weights


def _smooth_noise(key: Array, count: int, *, size: int, width: float) -> Array:
    """Smooth white noise by a Gaussian that goes round the borders; (count, size, size), each of mean square 1."""
    apart = jnp.abs(jnp.arange(size)[:, None] - jnp.arange(size)[None])
    kernel = jnp.exp(-((jnp.minimum(apart, size - apart) / width) ** 2) / 2)
    white = jax.random.normal(key, (count, size, size))
    smooth = jnp.einsum("ab,nbc,cd->nad", kernel, white, kernel, precision=jax.lax.Precision.HIGHEST)
    return smooth / jnp.sqrt(jnp.mean(smooth**2, axis=(1, 2), keepdims=True))


def _orthogonal(textures: Array, seen: Array) -> Array:
    """Mix textures so that their products over the pixels seen are 0, and their mean squares there 1."""
    flat = jnp.where(seen[None], textures, 0).reshape(len(textures), -1)
    gram = jnp.einsum("ip,jp->ij", flat, flat, precision=jax.lax.Precision.HIGHEST) / jnp.sum(seen).astype(flat.dtype)
    values, vectors = jnp.linalg.eigh(gram)
    root = (vectors * jax.lax.rsqrt(values)[None]) @ vectors.T
    return jnp.einsum("ij,jab->iab", root, textures, precision=jax.lax.Precision.HIGHEST)


def _box(corner: Array) -> Array:
    """Return where the glyph is whose first pixel is given (20, 20), of bool."""
    inside = (jnp.arange(SIZE)[None] >= corner[:, None]) & (jnp.arange(SIZE)[None] < corner[:, None] + GLYPH_SIZE)
    return inside[0][:, None] & inside[1][None]
