"""Experiments, HighMMT: trainings of some tasks, some parts of the parameters and any length, one program for all."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from experiments.highmmt.config import Config
from experiments.highmmt.training import Trained, accuracies, few_metrics, tuned
from mmjax.data import Batch, Splits
from mmjax.heterogeneity import PlanIndices, SharingPlan
from mmjax.models.highmmt import HighMMT, Params
from mmjax.training import TrainConfig, make_fit, multitask_objective

NUM_SEGMENTS = 6
"""Of a whole training; a trained model is adapted for the length of one."""
SMALL_TARGET, LARGE_TARGET = "of x2 and x5", "speaker"
WHOLE = ("encoder", "crossmodal", "heads")


class Aim(NamedTuple):
    """What a training is for; traced, so that one program serves all."""

    weights: dict[str, Array]
    """Task to the weight of its loss; 0 leaves it out."""
    chosen: dict[str, Array]
    """Task to the weight of its validation loss in the choice of the segment."""
    rates: dict[str, Array]
    """Part of the parameters to 1, or 0 where they are held."""
    num_segments: Array


Train = Callable[[Aim, Params, PlanIndices, Array, Array, Splits], Trained]


@dataclasses.dataclass(frozen=True)
class Setting:
    """A world, its samples, and new parameters for a model of all its tasks."""

    config: Config
    model: HighMMT
    data: Splits
    start: Params
    key: Array

    @property
    def tasks(self) -> list[str]:
        """All tasks."""
        return [task.name for task in self.model.layout.tasks]

    @property
    def target(self) -> str:
        """The task that others are to help."""
        return LARGE_TARGET if self.config.large else SMALL_TARGET

    def fit(
        self,
        weights: Mapping[str, float],
        *,
        chosen: Mapping[str, float] | None = None,
        plan: SharingPlan | None = None,
        start: Params | None = None,
        parts: Sequence[str] = WHOLE,
        num_segments: int = NUM_SEGMENTS,
        data: Splits | None = None,
    ) -> Trained:
        """Train the tasks that have weights; by default from new parameters, shared by all, the segment chosen by them.

        A single segment is the last one, whatever it is like.
        """

        def filled(names: Sequence[str], given: Mapping[str, float]) -> dict[str, Array]:
            return {name: jnp.float32(given.get(name, 0.0)) for name in names}

        aim = Aim(
            filled(self.tasks, weights),
            filled(self.tasks, weights if chosen is None else chosen),
            filled(WHOLE, dict.fromkeys(parts, 1.0)),
            jnp.int32(num_segments),
        )
        train = functools.partial(train_program(self.config, self.model), aim)
        return tuned(
            self.config,
            train,
            self.start if start is None else start,
            plan or self.model.layout.share_all(),
            self.key,
            self.data if data is None else data,
        )


@functools.lru_cache(maxsize=8)
def train_program(config: Config, model: HighMMT) -> Train:
    """Make the compiled training for any `Aim`."""
    settings = TrainConfig(
        num_segments=NUM_SEGMENTS,
        steps_per_segment=-(-config.num_steps // NUM_SEGMENTS),
        batch_size=config.batch_size,
        metrics_fn=few_metrics,
    )

    def train(aim: Aim, start: Params, plan: PlanIndices, learning_rate: Array, key: Array, data: Splits) -> Trained:
        counts = {task: batch.weight.shape[0] for task, batch in data.train.items()}
        objective = multitask_objective(settings, model, plan, counts, start=start, weights=aim.weights)

        def evaluate(variables: Params, data: Mapping[str, Batch]) -> dict[str, Array]:
            metrics = objective.evaluate(variables, data)
            return metrics | {"loss": sum(aim.chosen[task] * metrics[task]["loss"] for task in counts)}

        def rates(params: Params, memory: Array) -> Params:
            of_parts = objective.rates(params, memory)
            assert of_parts is not None  # small tasks join late by them
            return {part: jax.tree.map(lambda x, on=aim.rates[part]: x * on, of_parts[part]) for part in of_parts}

        run = make_fit(settings, objective._replace(evaluate=evaluate, rates=rates))
        hparams = {"learning_rate": learning_rate}
        state = jax.lax.fori_loop(
            0, aim.num_segments, lambda _, state: run.segment(state, hparams, data)[0], run.init(key, hparams)
        )
        params = state.best.variables["params"]
        right = accuracies(model, params, plan, data.test)
        found = jnp.isfinite(state.best.loss)
        return Trained(params, {task: jnp.where(found, x, jnp.nan) for task, x in right.items()}, state.best.loss)

    return jax.jit(train)


@functools.lru_cache(maxsize=8)
def accuracy_program(model: HighMMT) -> Callable[..., dict[str, Array]]:
    """Make the program from parameters, a plan and samples of tasks to their accuracies."""
    return jax.jit(functools.partial(accuracies, model))
