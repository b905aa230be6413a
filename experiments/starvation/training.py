"""Experiments, starvation: fits of a system on all seeds at all learning rates as one program."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.competition import joint
from mmjax.data import Batch, Splits
from mmjax.models import MLP, LateLinear, Model, Multimodal, functional
from mmjax.training import Best, TrainConfig, best_of, make_train, predict

NUM_CLASSES = 2


class Fits(NamedTuple):
    """Models of one system, the seeds along the first axis."""

    variables: dict[str, Any]
    """At the learning rate and segment of the lowest validation loss."""
    initial: dict[str, Any]
    """Before the first step."""
    chosen: Array
    """Index of that learning rate (num_seeds,)."""


def model_of(example: Batch, width: int) -> Model:
    """Make encoders of two hidden layers for the modalities of a batch, and a late linear head."""
    encoders = {name: MLP((width, width)) for name in example.modalities}
    shapes = {name: jax.ShapeDtypeStruct((1, x.shape[-1]), x.dtype) for name, x in example.modalities.items()}
    return functional(Multimodal(encoders, LateLinear(NUM_CLASSES), NUM_CLASSES), shapes)


@functools.partial(jax.jit, static_argnames=("config", "model"))
def fit(keys: Array, rates: Array, decay: Array, data: Splits, *, config: TrainConfig, model: Model) -> Fits:
    """Train a model on the data of each seed at each learning rate, and keep one a seed by its validation loss.

    A twin and its encoder in joint training begin from the same parameters and see samples in the same order, as both
    depend on the key and the encoder's name only.

    Args:
      keys: PRNG keys of the runs (num_seeds,).
      rates: learning rates of Adam (num_rates,).
      decay: factor of the parameters that is added to their gradients.
      data: of each seed, (num_seeds, n, ...).
      config: steps and batch size; static.
      model: the system; static.

    Returns:
      the models.
    """
    run = make_train(config, model, joint())

    def best_of_rates(key: Array, data: Splits) -> Fits:
        initial, best = jax.vmap(lambda rate: trained(key, {"learning_rate": rate, "weight_decay": decay}, data))(rates)
        chosen = jnp.argmin(best.loss)  # inf for a run that diverged at once, never NaN
        variables, untrained = jax.tree.map(lambda x: x[chosen], (best.variables, initial.variables))
        return Fits(variables, untrained, chosen)

    def trained(key: Array, hparams: dict[str, Array], data: Splits) -> tuple[Best, Best]:
        return run.init(key, hparams).best, best_of(run, key, hparams, data)

    return jax.vmap(best_of_rates)(keys, data)


@functools.partial(jax.jit, static_argnames=("config", "model"))
def log_probabilities(variables: dict[str, Any], batch: Batch, *, config: TrainConfig, model: Model) -> Array:
    """Return what the models make of the samples of their seeds, (num_seeds, n, classes)."""
    logits = jax.vmap(lambda variables, batch: predict(config, model, variables, batch))(variables, batch)
    return jax.nn.log_softmax(logits)
