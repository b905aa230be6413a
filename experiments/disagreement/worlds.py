"""Experiments, disagreement: pairs of modalities whose factors are known, and views that keep these.

Each world has a factor that both modalities show and factors of each alone. A label of redundancy is the first, unique
labels are the others', and that of synergy is the exclusive or of one factor of each: neither tells anything of it.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.data import nonlinear_views, shape_pairs

LABELS = ("redundancy", "unique 1", "unique 2", "synergy")
NUM_VALUES = 4
"""That each factor of the images takes."""
SHIFT = 2
"""Pixels by which a view of an image is rolled at most, each way."""
PIXEL_NOISE, NOISE = 0.1, 0.3
"""Standard deviations of what a view adds: to all colours of a pixel, in [0, 1]; to vectors, of variance about 0.4."""


class Pairs(NamedTuple):
    """Samples of two modalities, and labels that only some methods can tell."""

    x1: Array
    x2: Array
    labels: dict[str, Array]
    """Of `LABELS`, classes (n,)."""


class World(NamedTuple):
    """A source of pairs."""

    draw: Callable[[Array, int], Pairs]
    """From a key and a number of samples."""
    view: Callable[[Array, Array], Array]
    """From a key and samples (n, ...) of a modality to others of the same factors."""
    num_classes: Mapping[str, int]
    """Of each label."""


def _vectors(key: Array, num_samples: int) -> Pairs:
    views = nonlinear_views(key, num_samples=num_samples)
    shared, first, second = (factors[:, 0] > 0 for factors in (views.common, *views.individual))
    return _pairs(*views.views, shared, first, second, first ^ second)


def _noisy(key: Array, x: Array) -> Array:
    return x + NOISE * jax.random.normal(key, x.shape)


def _images(key: Array, num_samples: int) -> Pairs:
    """Draw images that share their shape; each has a colour of its own, and a texture, of which no label tells."""
    pairs = shape_pairs(key, 0, num_samples=num_samples)
    shape, colour = 0, 2
    first, second = pairs.factors[:, 0, colour], pairs.factors[:, 1, colour]
    half = NUM_VALUES // 2
    return _pairs(
        *pairs.batch.modalities.values(), pairs.factors[:, 0, shape], first, second, (first >= half) ^ (second >= half)
    )


def _moved(key: Array, x: Array) -> Array:
    """Roll images by whole pixels, each its own way, and add noise to each pixel's brightness."""
    roll_key, noise_key = jax.random.split(key)
    shifts = jax.random.randint(roll_key, (2, x.shape[0], 1), -SHIFT, SHIFT + 1)
    rows, columns = ((jnp.arange(size)[None] - shift) % size for size, shift in zip(x.shape[1:3], shifts, strict=True))
    rolled = jnp.take_along_axis(x, rows[:, :, None, None], axis=1)  # twice as fast as a mapped jnp.roll
    rolled = jnp.take_along_axis(rolled, columns[:, None, :, None], axis=2)
    return rolled + PIXEL_NOISE * jax.random.normal(noise_key, (*x.shape[:3], 1))


def _pairs(x1: Array, x2: Array, *labels: Array) -> Pairs:
    return Pairs(x1, x2, {name: label.astype(jnp.int32) for name, label in zip(LABELS, labels, strict=True)})


WORLDS: Mapping[str, World] = {
    "vectors": World(_vectors, _noisy, dict.fromkeys(LABELS, 2)),
    "images": World(_images, _moved, dict.fromkeys(LABELS[:3], NUM_VALUES) | {"synergy": 2}),
}
