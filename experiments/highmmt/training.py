"""Experiments, HighMMT: the training of all tasks of a suite at once, one program for all plans."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from experiments.highmmt.config import Config
from mmjax.competition import weighted_mean
from mmjax.data import Splits
from mmjax.heterogeneity import PlanIndices
from mmjax.models.highmmt import HighMMT, Params
from mmjax.training import Best, TrainConfig, best_of, make_fit, multitask_objective, predict_tasks

NUM_SEGMENTS = 10


class Trained(NamedTuple):
    """The model of the segment that the validation data choose."""

    params: Params
    accuracies: dict[str, Any]
    """Of tasks, on test samples."""
    loss: Array
    """Sum over tasks, on validation samples, in nats."""


Trainer = Callable[[Array, PlanIndices, Array, Splits], Trained]


@functools.lru_cache(maxsize=8)
def trainer(config: Config, model: HighMMT) -> Trainer:
    """Make the compiled training of all tasks, as a function of a key, a plan, a learning rate and the data."""
    settings = TrainConfig(
        num_segments=NUM_SEGMENTS,
        steps_per_segment=-(-config.num_steps // NUM_SEGMENTS),
        batch_size=config.batch_size,
        metrics_fn=few_metrics,
    )
    counts = {task.name: config.num_samples for task in model.layout.tasks}

    def plan_of(hparams: Mapping[str, Array]) -> PlanIndices:
        return PlanIndices(hparams["unimodal"], hparams["crossmodal"])

    run = make_fit(settings, lambda hparams: multitask_objective(settings, model, plan_of(hparams), counts))

    def train(key: Array, plan: PlanIndices, learning_rate: Array, data: Splits) -> Trained:
        hparams = {"learning_rate": learning_rate, **plan._asdict()}
        best: Best = best_of(run, key, hparams, data)
        params = best.variables["params"]
        logits = predict_tasks(model, params, plan, data.test)
        accuracies = {task: jnp.mean(jnp.argmax(logits[task], axis=1) == data.test[task].label) for task in counts}
        return Trained(params, accuracies, best.loss)

    return jax.jit(train)


def few_metrics(logits: Array, label: Array, weight: Array) -> dict[str, Array]:
    """Return the mean cross-entropy, in nats."""
    return {"loss": weighted_mean(optax.softmax_cross_entropy_with_integer_labels(logits, label), weight)}


def tuned(config: Config, train: Trainer, key: Array, plan: PlanIndices, data: Splits) -> Trained:
    """Train with each learning rate and return what the validation data choose."""
    tried = [jax.device_get(train(key, plan, jnp.asarray(rate), data)) for rate in config.rates]
    chosen = min(tried, key=lambda one: float(one.loss))
    return chosen._replace(accuracies={task: float(accuracy) for task, accuracy in chosen.accuracies.items()})
