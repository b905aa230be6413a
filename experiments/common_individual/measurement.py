"""Experiments, common and individual: what each system makes of a case, as rows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.common_individual import leakage
from experiments.common_individual.cases import Case, factor_case, image_case
from experiments.common_individual.config import Setting
from experiments.common_individual.heads import Heads
from experiments.common_individual.maps import gradient_shares, shown
from experiments.common_individual.probes import readings
from experiments.common_individual.systems import (
    Fitted,
    System,
    ajive,
    closed_form,
    principal_components,
    random_heads,
    trained,
)
from experiments.harness import Row, Rows
from mmjax.correlation import cca, variate_correlations

LINEAR = Heads(3, 3, ridge=1e-5, learning_rate=2e-2)
NONLINEAR = Heads(2, 2, hidden=(64, 64), num_steps=1000)
SHOWN = ("heads", "heads, not trained")
"""Systems whose maps are in the figure."""
OF_IMAGES = Heads(7, 4, num_steps=800, weight_decay=1e-3)


def _linear_systems(thorough: bool) -> dict[str, System]:
    systems = {
        "closed form": closed_form(3, 3),
        "linear heads": trained(LINEAR),
        "AJIVE": ajive(3, 3),
        "PCA": principal_components(3, 3),
    }
    more = {
        "linear heads, two stages": trained(replace(LINEAR, stages=True)),
        "linear heads, all samples a step": trained(replace(LINEAR, batch_size=10**6)),
    }
    return systems | more if thorough else systems


def _nonlinear_systems(thorough: bool) -> dict[str, System]:
    systems = {
        "linear heads": trained(Heads(2, 2, learning_rate=2e-2, num_steps=1000)),
        "heads": trained(NONLINEAR),
        "heads, adversary": trained(replace(NONLINEAR, penalty=leakage.adversary())),
    }
    more = {
        "heads, cosines": trained(replace(NONLINEAR, penalty=leakage.random_features(10.0))),
        "heads, independence": trained(replace(NONLINEAR, penalty=leakage.independence(10.0))),
        "heads, products": trained(replace(NONLINEAR, penalty=leakage.quadratic())),
        "heads, two stages": trained(replace(NONLINEAR, stages=True)),
    }
    return systems | more if thorough else systems


def _image_systems() -> dict[str, System]:
    hidden = replace(OF_IMAGES, hidden=(64,))
    linear = replace(OF_IMAGES, learning_rate=2e-2)
    return {"linear heads": trained(linear), "heads": trained(hidden), "heads, not trained": random_heads(hidden)}


def systems_of(setting: Setting, *, thorough: bool) -> Mapping[str, System]:
    """Return the systems that are compared on a setting, by name."""
    match setting:
        case "nonlinear":
            return _nonlinear_systems(thorough)
        case "images":
            return _image_systems()
        case "strong common":
            undone = replace(LINEAR, decorrelation=0.0, residual=False)
            return _linear_systems(thorough) | {"linear heads, no decorrelation": trained(undone)}
        case _:
            return _linear_systems(thorough)


def measure(setting: Setting, seed: int, *, thorough: bool, with_maps: bool) -> Rows:
    """Fit all systems of a setting to the data of a seed.

    Args:
      setting: which data.
      seed: of data and training.
      thorough: whether to fit the systems that the quick preset leaves out.
      with_maps: whether the rows of images hold maps for the figure.

    Returns:
      a row a system.
    """
    images = None
    if setting == "images":
        case, images = image_case(seed)
    else:
        case = factor_case(setting, seed)
    key = jax.random.fold_in(jax.random.key(seed), 7)
    fitted = {name: system(key, case.train) for name, system in systems_of(setting, thorough=thorough).items()}
    rows: list[Row] = []
    for name, fit in fitted.items():
        row = {"setting": setting, "seed": seed, "system": name, **_summary(case, fit), **readings(case, fit)}
        if "closed form" in fitted:
            row |= _beside(case, fit, fitted["closed form"])
        if images is not None:
            row |= gradient_shares(images, fit)
            if with_maps and name in SHOWN:
                row["maps"] = shown(images, fit)
        rows.append(row)
    return rows


def _summary(case: Case, fit: Fitted) -> dict[str, Any]:
    return {name: _sum(fit, of) for name, of in (("sum", case.train), ("sum, test", case.test))}


def _sum(fit: Fitted, features: tuple[Array, ...]) -> float:
    """Return the sum over common variates of their correlation, the mean over pairs of views."""
    return float(jnp.sum(variate_correlations(fit.variates(features)[0])))


def _beside(case: Case, fit: Fitted, closed: Fitted) -> dict[str, Any]:
    """Return how far common and individual variates are from those of the closed form, a number a view."""
    ours, theirs = fit.variates(case.train), closed.variates(case.train)
    names = ("sine of C", "sine of I")
    sines = {
        name: [_sine(x, y) for x, y in zip(*pair, strict=True)] for name, *pair in zip(names, ours, theirs, strict=True)
    }
    return sines | {"gap": abs(_sum(fit, case.train) - _sum(closed, case.train))}


def _sine(x: Array, y: Array) -> float:
    """Return the sine of the largest angle between the spaces of two sets of variates."""
    smallest = float(cca(x, y, x.shape[1]).correlations[-1])
    return float(np.sqrt(max(0.0, 1 - smallest**2)))
