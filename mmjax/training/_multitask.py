"""Room training: one HighMMT model on many tasks at once, with parameters shared by a plan."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmjax.data import Batch, num_batches, take
from mmjax.heterogeneity import PlanIndices
from mmjax.models.highmmt import HighMMT, Params, Plan
from mmjax.training._config import Metrics, TrainConfig
from mmjax.training._objective import NewStatistics, Objective, Variables

Tasks = Mapping[str, Batch]
"""Task to its samples."""


def multitask_objective(
    config: TrainConfig,
    model: HighMMT,
    plan: Plan,
    num_samples: Mapping[str, int],
    *,
    start: Params | None = None,
    weights: Mapping[str, float | Array] | None = None,
) -> Objective:
    """Make the objective of training on all tasks: the weighted sum of their mean cross-entropies, in nats.

    Tasks of fewer batches join late (Liang et al. 2023, arXiv 2203.01311, B.5): with n_t batches of task t in an epoch
    of max n_t steps, step j trains the tasks with n_t > max n - 1 - j, so that an epoch begins with the largest and
    ends with all, and small tasks are not seen more often than large ones. Batches of the others are drawn, of weight
    0. Where max n is no multiple of n_t, the steps of an epoch that train task t are parts of two orders of samples.
    What a step does not use keeps its values and its momentum: encoders and crossmodal stacks of groups that no active
    task uses, and heads of inactive tasks.

    Args:
      config: of the run; its batch size and metrics count.
      model: whose tasks they are; all of them are trained.
      plan: which groups nodes and pairs use; `PlanIndices` may come from hyper-parameters, for a sweep over plans.
      num_samples: of each task's training data.
      start: parameters to start from, such as those of a shared model after `expand_shared`; None draws new ones, for
        a `SharingPlan` as many groups as it has, for `PlanIndices` as many as there are nodes and pairs.
      weights: task to the weight of its loss, 1 by default; may be traced.

    Returns:
      the objective, for data of task to `Batch`. Its evaluation is task to `config.metrics_fn`, and "loss", their
      weighted sum, which selects the segment.

    Raises:
      ValueError: if tasks or weights are not those of the layout.
    """
    tasks = [task.name for task in model.layout.tasks]
    factors: dict[str, float | Array] = {**dict.fromkeys(tasks, 1.0), **(weights or {})}
    for what, names in (("num_samples", num_samples), ("weights", factors)):
        if set(names) != set(tasks):
            raise ValueError(f"{what} must be of the tasks {', '.join(tasks)}; got {', '.join(names)}")
    counts = {task: num_batches(num_samples[task], config.batch_size, drop_last=config.drop_last) for task in tasks}

    def init(key: Array) -> Variables:
        return {"params": model.init(key, **_numbers_of_groups(model, plan)) if start is None else start}

    def loss(params: Params, statistics: Any, step: Array, batches: Tasks, key: Array) -> tuple[Array, NewStatistics]:
        logits = _logits(model, params, plan, batches)
        losses = {
            task: config.metrics_fn(logits[task], batches[task].label, batches[task].weight)["loss"] for task in tasks
        }
        trained = active_tasks(counts, step)
        counted = [jnp.where(trained[task], factors[task] * losses[task], 0) for task in tasks]
        return jnp.sum(jnp.stack(counted)), NewStatistics({})

    def rates(params: Params, step: Array) -> Params:
        return _rates(model, params, plan, active_tasks(counts, step - 1))

    def evaluate(variables: Variables, data: Tasks) -> Metrics:
        logits = _in_blocks(
            lambda batches: _logits(model, variables["params"], plan, batches), data, config.evaluation_batch
        )
        metrics = {task: config.metrics_fn(logits[task], data[task].label, data[task].weight) for task in tasks}
        return {**metrics, "loss": sum(factors[task] * metrics[task]["loss"] for task in tasks)}

    return Objective(
        init=init,
        loss=loss,
        evaluate=evaluate,
        begin=lambda key, params: (params, jnp.int32(0)),
        update=lambda gradients, step, aux: (gradients, step + 1),
        rates=rates,
    )


def active_tasks(counts: Mapping[str, int], step: Array) -> dict[str, Array]:
    """Say which tasks a step trains, of `counts` batches in an epoch each: task to bool, as `multitask_objective`."""
    left = max(counts.values()) - 1 - step % max(counts.values())
    return {task: count > left for task, count in counts.items()}


def predict_tasks(
    model: HighMMT, params: Params, plan: Plan, data: Tasks, *, batch_size: int = 1024
) -> dict[str, Array]:
    """Compute the logits of all samples of some tasks, task to (n, num_outputs), `batch_size` of each at a time."""
    return _in_blocks(lambda batches: _logits(model, params, plan, batches), data, batch_size)


def _logits(model: HighMMT, params: Params, plan: Plan, batches: Tasks) -> dict[str, Array]:
    modalities = {task: batch.modalities for task, batch in batches.items()}
    return model.apply(params, modalities, plan, {task: batch.masks for task, batch in batches.items()})


def _numbers_of_groups(model: HighMMT, plan: Plan) -> dict[str, int]:
    if isinstance(plan, PlanIndices):
        counts = len(model.layout.nodes), len(model.layout.pairs)
    else:
        counts = plan.num_unimodal_groups, plan.num_crossmodal_groups
    return dict(zip(("num_unimodal_groups", "num_crossmodal_groups"), counts, strict=True))


def _rates(model: HighMMT, params: Params, plan: Plan, active: Mapping[str, Array]) -> Params:
    """Return 1 for the parameters that an active task uses and 0 for others, as arrays that broadcast with them."""

    def of_groups(name: str, groups: Any, members: tuple[tuple[str, Any], ...]) -> Any:
        leaves = params[name]
        used = jnp.zeros(jax.tree.leaves(leaves)[0].shape[0])
        used = used.at[jnp.asarray(groups)].max(jnp.stack([active[task] for task, _ in members]).astype(used.dtype))
        return jax.tree.map(lambda leaf: used.reshape(-1, *(1,) * (leaf.ndim - 1)), leaves)

    rates = jax.tree.map(lambda leaf: jnp.ones((1,) * leaf.ndim), params)
    rates["encoder"] = of_groups("encoder", plan.unimodal, model.layout.nodes)
    if model.layout.pairs:
        rates["crossmodal"] = of_groups("crossmodal", plan.crossmodal, model.layout.pairs)
    for task, on in active.items():
        rates["heads"][task] = jax.tree.map(lambda rate, on=on: rate * on.astype(rate.dtype), rates["heads"][task])
    return rates


def _in_blocks(fn: Callable[[dict[str, Batch]], dict[str, Array]], data: Tasks, block: int) -> dict[str, Array]:
    """Apply a function of samples to all of several tasks, so many of each at a time."""
    sizes = {task: batch.weight.shape[0] for task, batch in data.items()}
    block = min(block, max(sizes.values()))
    starts = np.arange(0, max(sizes.values()), block)

    def of_block(start: Array) -> dict[str, Array]:
        places = {task: jnp.minimum(start + jnp.arange(block), size - 1) for task, size in sizes.items()}
        return fn({task: take(data[task], places[task], jnp.ones(block)) for task in data})

    outputs = jax.lax.map(of_block, jnp.asarray(starts))
    return {task: outputs[task].reshape(-1, *outputs[task].shape[2:])[:size] for task, size in sizes.items()}
