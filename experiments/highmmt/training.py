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
from mmjax.data import Batch, Splits
from mmjax.heterogeneity import PlanIndices, SharingPlan
from mmjax.models.highmmt import HighMMT, Params, expand_shared
from mmjax.training import Best, TrainConfig, best_of, make_fit, multitask_objective, predict_tasks

NUM_SEGMENTS = 10


class Trained(NamedTuple):
    """The model of the segment that the validation data choose."""

    params: Params
    accuracies: dict[str, Any]
    """Of tasks, on test samples."""
    loss: Array
    """Sum over tasks, on validation samples, in nats."""


Trainer = Callable[[Params, PlanIndices, Array, Array, Splits], Trained]


@functools.lru_cache(maxsize=8)
def trainer(config: Config, model: HighMMT, num_steps: int) -> Trainer:
    """Make the compiled training of all tasks.

    Args:
      config: its batches and samples.
      model: whose tasks they are.
      num_steps: of the training.

    Returns:
      a function of parameters to start from, with as many groups as there are nodes and pairs, a plan, a learning rate,
      a key and the data.
    """
    settings = TrainConfig(
        num_segments=NUM_SEGMENTS,
        steps_per_segment=-(-num_steps // NUM_SEGMENTS),
        batch_size=config.batch_size,
        metrics_fn=few_metrics,
    )

    def train(start: Params, plan: PlanIndices, learning_rate: Array, key: Array, data: Splits) -> Trained:
        counts = {task: batch.weight.shape[0] for task, batch in data.train.items()}
        run = make_fit(settings, multitask_objective(settings, model, plan, counts, start=start))
        best: Best = best_of(run, key, {"learning_rate": learning_rate}, data)
        params = best.variables["params"]
        return Trained(params, accuracies(model, params, plan, data.test), best.loss)

    return jax.jit(train)


def from_nothing(model: HighMMT, key: Array) -> Params:
    """Draw parameters of as many groups as there are nodes and pairs, for plans of any number of them."""
    nodes, pairs = len(model.layout.nodes), len(model.layout.pairs)
    init = functools.partial(model.init, num_unimodal_groups=nodes, num_crossmodal_groups=pairs)
    return jax.jit(init)(key)


def from_shared(model: HighMMT, shared: Params) -> Params:
    """Copy the groups that a training that shares all has used, the first ones, into as many as there may be."""
    one = {name: jax.tree.map(lambda leaf: leaf[:1], shared[name]) for name in ("encoder", "crossmodal")}
    return expand_shared(shared | one, model.layout.share_none())


def few_metrics(logits: Array, label: Array, weight: Array) -> dict[str, Array]:
    """Return the mean cross-entropy, in nats."""
    return {"loss": weighted_mean(optax.softmax_cross_entropy_with_integer_labels(logits, label), weight)}


def accuracies(model: HighMMT, params: Params, plan: PlanIndices, data: Mapping[str, Batch]) -> dict[str, Array]:
    """Return task to accuracy on samples."""
    logits = predict_tasks(model, params, plan, data)
    return {
        task: weighted_mean((jnp.argmax(logits[task], axis=1) == batch.label).astype(float), batch.weight)
        for task, batch in data.items()
    }


def tuned(config: Config, train: Trainer, start: Params, plan: SharingPlan, key: Array, data: Splits) -> Trained:
    """Train with each learning rate and return what the validation data choose."""
    rates = map(jnp.asarray, config.rates)
    tried = [jax.device_get(train(start, plan.indices(), rate, key, data)) for rate in rates]
    chosen = min(tried, key=lambda one: float(one.loss))
    return chosen._replace(accuracies={task: float(accuracy) for task, accuracy in chosen.accuracies.items()})
