"""Experiments, starvation: how well the label can be read off an encoder, by linear classifiers of its latents."""

import functools
from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from mmjax.data import Batch, Splits
from mmjax.models import Model

NUM_PROBED = 4000
"""Training samples that probes are fitted to, at most: many more than a latent has entries."""


def probe(variables: dict[str, Any], data: Splits, *, model: Model) -> dict[str, NDArray[np.float64]]:
    """Fit linear probes to the latents of each seed's model: logistic regressions on standardised latents.

    Args:
      variables: of the models, the seeds along the first axis.
      data: of each seed, (num_seeds, n, ...), of the model's modalities.
      model: the system.

    Returns:
      modality to test accuracies (num_seeds,).
    """
    first = jax.tree.map(lambda x: x[:, :NUM_PROBED], data.train)
    fitted, held = (_latents(variables, batch, model=model) for batch in (first, data.test))
    return {name: _accuracies(fitted[name], first.label, held[name], data.test.label) for name in model.modalities}


@functools.partial(jax.jit, static_argnames="model")
def _latents(variables: dict[str, Any], batch: Batch, *, model: Model) -> dict[str, Array]:
    return jax.vmap(lambda variables, batch: model.encode(variables, batch.modalities, batch.masks)[0])(
        variables, batch
    )


def _accuracies(fitted: Array, fitted_label: Array, held: Array, held_label: Array) -> NDArray[np.float64]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    seeds = zip(*map(np.asarray, (fitted, fitted_label, held, held_label)), strict=True)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    return np.array([classifier.fit(x, y).score(held_x, held_y) for x, y, held_x, held_y in seeds])
