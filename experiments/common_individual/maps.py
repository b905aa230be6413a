"""Experiments, common and individual: where in images common and individual scores come from."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.common_individual.cases import Images
from experiments.common_individual.systems import Fitted
from mmjax.correlation import agreement, common_energy, individual_energy, jacobian_energy, saliency, smooth_saliency

NUM_IMAGES, NUM_SHOWN = 256, 3
NOISE = 0.2
"""Standard deviation of the noise of smoothed gradients."""


def gradient_shares(images: Images, fitted: Fitted) -> dict[str, list[float]]:
    """Return the share of squared gradients inside the shared region, mean over images, a number a view.

    "common in the other view's region" is the control with the regions of the two views swapped.
    """
    found: dict[str, list[float]] = {}
    for view, region in enumerate(images.shared_region):
        maps = squared_maps(images, fitted, view)
        shares = {f"{name} in region": share_inside(energy, region) for name, energy in maps.items()}
        shares["common in the other view's region"] = share_inside(maps["common"], images.shared_region[1 - view])
        shares["ratio in region"] = shares["common in region"] / shares["individual in region"]
        for name, share in shares.items():
            found.setdefault(name, []).append(share)
    return found


def squared_maps(images: Images, fitted: Fitted, view: int) -> dict[str, Array]:
    """Return squared gradients by the images of a view, score to (n, height, width)."""
    x = tuple(of[:NUM_IMAGES] for of in images.images)
    others = fitted.variates(_features(images, x))[0][1 - view]

    def variates(image: Array) -> tuple[Array, Array]:
        features = _features(images, tuple(image if k == view else of for k, of in enumerate(x)))
        common, individual = fitted.variates(features)
        return common[view], individual[view]

    def common(image: Array) -> Array:
        return common_energy(variates(image)[0], fitted.correlations)

    scores: dict[str, Callable[[Array], Array]] = {
        "common": lambda image: saliency(common, image) ** 2,
        "agreement": lambda image: saliency(lambda one: agreement(variates(one)[0], others), image) ** 2,
        "individual": lambda image: saliency(lambda one: individual_energy(variates(one)[1]), image) ** 2,
        "common, smoothed": lambda image: (
            smooth_saliency(jax.random.key(0), common, image, scale=NOISE, num_draws=16) ** 2
        ),
        "common, all variates": lambda image: jacobian_energy(lambda one: variates(one)[0], image),
    }
    return {name: jax.jit(map_)(x[view])[..., 0] for name, map_ in scores.items()}


def share_inside(energy: Array, region: Array) -> float:
    """Return the mean over images of the share of an energy (n, height, width) inside a region."""
    inside = jnp.sum(jnp.where(region[None], energy, 0), axis=(1, 2))
    return float(jnp.mean(inside / jnp.sum(energy, axis=(1, 2))))


def shown(images: Images, fitted: Fitted) -> dict[str, Any]:
    """Return some images and their maps, and mean maps over all, for the figure."""

    def of_view(view: int) -> dict[str, Any]:
        maps = squared_maps(images, fitted, view)
        kept = {name: _rounded(maps[name][:NUM_SHOWN]) for name in ("common", "individual")}
        means = {f"mean {name}": _rounded(jnp.mean(maps[name], axis=0)) for name in ("common", "individual")}
        return {"image": _rounded(images.images[view][:NUM_SHOWN, ..., 0]), **kept, **means}

    return {"views": [of_view(view) for view in range(2)], "region": np.asarray(images.shared_region).tolist()}


def _features(images: Images, x: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(extractor(of) for extractor, of in zip(images.extractors, x, strict=True))


def _rounded(x: Array) -> list[Any]:
    """Return four digits of each number: a picture needs no more."""
    digits: list[Any] = np.vectorize(lambda number: float(f"{number:.4g}"))(np.asarray(x, np.float64)).tolist()
    return digits
