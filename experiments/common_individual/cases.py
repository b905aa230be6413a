"""Experiments, common and individual: samples of several views, as features, with what is known of their factors."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array
from numpy.typing import NDArray

from experiments.common_individual.config import Setting
from experiments.harness import UserError
from mmjax import models
from mmjax.data import FactorViews, GlyphImages, Splits, glyph_images, linear_views, nonlinear_views

NUM_TRAIN, NUM_TEST = 4000, 2000
NUM_FEATURES, NUM_FITTED = 64, 700
"""Principal components of an extractor's outputs, and images that they are fitted to."""
LEAST_RANK = 2
"""Of a view: one common and one individual component."""
WEAK, STRONG = {"common_scale": 1.0, "individual_scale": 1.5}, {"common_scale": 1.5, "individual_scale": 1.0}


class Case(NamedTuple):
    """Features of the same samples in K views."""

    train: tuple[Array, ...]
    """(n, p_k)."""
    test: tuple[Array, ...]
    common: tuple[NDArray[np.generic], NDArray[np.generic]] | None
    """What all views share, of train and test: factors (n, d), or classes (n,), -1 where a file has none."""
    individual: tuple[tuple[NDArray[np.generic], ...], tuple[NDArray[np.generic], ...]] | None
    """Factors of each view alone (n, d), of train and test."""


class Images(NamedTuple):
    """Test images, and the frozen network that features were made by."""

    images: tuple[Array, ...]
    """(n, height, width, 1)."""
    extractors: tuple[Callable[[Array], Array], ...]
    """Of each view, from images to features (n, p); differentiable."""
    shared_region: Array
    """(K, height, width), True where a view shows what is shared."""


def factor_case(setting: Setting, seed: int) -> Case:
    """Draw views of known factors."""
    num_samples = NUM_TRAIN + NUM_TEST
    key = jax.random.key(seed)
    match setting:
        case "weak common":
            drawn = linear_views(key, num_samples=num_samples, **WEAK)
        case "strong common":
            drawn = linear_views(key, num_samples=num_samples, **STRONG)
        case "three views":
            drawn = linear_views(key, num_samples=num_samples, dims=(30, 24, 20), **WEAK)
        case _:
            drawn = nonlinear_views(key, num_samples=num_samples)
    return _cut(drawn)


def image_case(seed: int) -> tuple[Case, Images]:
    """Draw images with a shared glyph on textures of their own, and features of them by a frozen random network."""
    drawn: GlyphImages = glyph_images(jax.random.key(seed), num_samples=NUM_TRAIN + NUM_TEST // 2)
    images = tuple(drawn.batch.modalities.values())
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), 1), len(images))
    extractors = tuple(_extractor(key, x[:NUM_FITTED]) for key, x in zip(keys, images, strict=True))
    features = tuple(jax.jit(f)(x) for f, x in zip(extractors, images, strict=True))
    factors = FactorViews(features, drawn.batch.label, tuple(jnp.moveaxis(drawn.individual, 1, 0)))
    test_images = tuple(x[NUM_TRAIN:] for x in images)
    return _cut(factors), Images(test_images, extractors, drawn.shared_region)


def file_case(splits: Splits) -> Case:
    """Take standardised data as features: principal components of each view, on train."""
    from sklearn.decomposition import PCA

    def components(name: str) -> tuple[Array, Array]:
        flat = [np.asarray(part.modalities[name]).reshape(len(part.label), -1) for part in (splits.train, splits.test)]
        rank = int(np.linalg.matrix_rank(flat[0] - flat[0].mean(axis=0)))
        if rank < LEAST_RANK:
            raise UserError(f"{name}: needs {LEAST_RANK} features or more that vary, none a copy; got {rank}")
        fit = PCA(min(NUM_FEATURES, rank), svd_solver="full").fit(flat[0])
        train, test = (jnp.asarray(fit.transform(x), jnp.float32) for x in flat)
        return train, test

    train, test = zip(*map(components, splits.train.modalities), strict=True)
    labels = [np.where(np.asarray(part.weight) > 0, np.asarray(part.label), -1) for part in (splits.train, splits.test)]
    return Case(train, test, (labels[0], labels[1]), None)


def _cut(drawn: FactorViews) -> Case:
    def parts(x: Array) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
        return np.asarray(x[:NUM_TRAIN]), np.asarray(x[NUM_TRAIN:])

    train, test = zip(*((x[:NUM_TRAIN], x[NUM_TRAIN:]) for x in drawn.views), strict=True)
    of_train, of_test = zip(*map(parts, drawn.individual), strict=True)
    return Case(train, test, parts(drawn.common), (of_train, of_test))


class _Convolutions(nn.Module):
    """Two convolutions without pooling, so that features know where in the image they come from."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.gelu(nn.Conv(12, (3, 3))(x))
        x = nn.gelu(nn.Conv(16, (3, 3), strides=(2, 2))(x))
        return x.reshape(x.shape[0], -1)


def _extractor(key: Array, images: Array) -> Callable[[Array], Array]:
    """Return a random network followed by the principal components of its outputs for some images."""
    from sklearn.decomposition import PCA

    net = models.network(_Convolutions(), images[:1])
    variables = net.init(key)
    fit = PCA(NUM_FEATURES, svd_solver="full").fit(np.asarray(net.apply(variables, images)))
    map_ = jnp.asarray(fit.components_.T / np.sqrt(fit.explained_variance_[0]), jnp.float32)
    mean = jnp.asarray(fit.mean_, jnp.float32)[None]
    return lambda x: (net.apply(variables, x) - mean) @ map_
