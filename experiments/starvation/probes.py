"""Experiments, starvation: how well the label can be read off an encoder, by linear classifiers of its latents."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from experiments.starvation.training import NUM_CLASSES
from mmjax.competition import linear_probe, probe_logits
from mmjax.data import Batch, Splits
from mmjax.models import Model

NUM_PROBED = 4000
"""Training samples that probes are fitted to, at most: many more than a latent has entries."""
PENALTY = 2.0
"""L2 penalty of the probes, in units of samples; for two classes that of scikit-learn's C = 1."""


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
    right = _right(variables, first, data.test, model=model)
    return {name: np.mean(x, axis=1, dtype=np.float64) for name, x in jax.device_get(right).items()}


@functools.partial(jax.jit, static_argnames="model")
def _right(variables: dict[str, Any], fitted: Batch, held: Batch, *, model: Model) -> dict[str, Array]:
    """Return modality to 1 where the probe is right and 0 where it is not, (num_seeds, n); NaN if it is none."""

    def of_seed(variables: dict[str, Any], fitted: Batch, held: Batch) -> dict[str, Array]:
        latents, unseen = (model.encode(variables, batch.modalities, batch.masks)[0] for batch in (fitted, held))
        return {name: of_modality(latents[name], fitted.label, unseen[name], held.label) for name in model.modalities}

    def of_modality(latents: Array, label: Array, unseen: Array, unseen_label: Array) -> Array:
        probe = linear_probe(latents, label, num_classes=NUM_CLASSES, penalty=PENALTY)
        right = jnp.argmax(probe_logits(probe, unseen), axis=1) == unseen_label
        return jnp.where(jnp.isfinite(probe.gradient), right, jnp.nan)

    return jax.vmap(of_seed)(variables, fitted, held)
