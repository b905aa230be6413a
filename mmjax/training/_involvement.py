"""Room training: which parameters of one HighMMT model matter for which of its tasks."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.data import Batch, take
from mmjax.models.highmmt import HighMMT, Params, Plan
from mmjax.training._multitask import Tasks


def involvement(model: HighMMT, params: Params, plan: Plan, data: Tasks, *, batch_size: int = 16) -> dict[str, Params]:
    """Compute how much the probability of the true class depends on each parameter, by task.

    I_t(theta) = E |d p(y | x) / d theta| over the samples of task t (Liang et al. 2023, arXiv 2203.01311, section 3.4).
    The absolute value is of each sample's derivative, as defined there: in a mean of signed ones, samples that pull
    opposite ways cancel.

    The backward passes of all tasks are one, so that there is one program to compile, however many tasks. It holds a
    gradient of all parameters for each task and each of `batch_size` samples. Pure: jit it over parameters and data.

    Args:
      model: whose tasks they are.
      params: parameters.
      plan: which groups nodes and pairs use.
      data: task to its samples, classes as labels; all or some of the tasks.
      batch_size: samples of each task at a time.

    Returns:
      task to the tree of `params`: weighted means over its samples, not negative, 0 for what the task does not use.
      Samples of weight 0 do not count; without any that does, all is NaN.

    Raises:
      ValueError: if there is no sample at a time.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1; got {batch_size}")
    sizes = {task: batch.weight.shape[0] for task, batch in data.items()}

    def of_samples(samples: Tasks) -> dict[str, Params]:
        derivatives = jax.jacrev(lambda params: _probabilities(model, params, plan, samples))(params)
        return {
            task: jax.tree.map(lambda x, weight=samples[task].weight: _weighted(jnp.abs(x), weight), of_task)
            for task, of_task in derivatives.items()
        }

    def add(total: dict[str, Params], start: Array) -> tuple[dict[str, Params], None]:
        places = start + jnp.arange(batch_size)
        block = {task: take(data[task], jnp.minimum(places, n - 1), places < n) for task, n in sizes.items()}
        return jax.tree.map(lambda x, new: x + jnp.sum(new, axis=0), total, jax.vmap(of_samples)(block)), None

    nothing = {task: jax.tree.map(jnp.zeros_like, params) for task in data}
    total, _ = jax.lax.scan(add, nothing, jnp.arange(0, max(sizes.values()), batch_size))
    weights = {task: jnp.sum(batch.weight) for task, batch in data.items()}
    return {
        task: jax.tree.map(lambda x, weight=weight: x / weight.astype(x.dtype), total[task])
        for task, weight in weights.items()
    }


def involvement_shares(involvements: Mapping[str, Params], *, threshold: float = 0.2) -> dict[str, Array]:
    """Compute which share of the parameters is involved in 1, 2, ... tasks.

    A parameter is involved in n(theta) = #{t: I_t(theta) > threshold max_t' I_t'(theta)} tasks (Liang et al. 2023,
    arXiv 2203.01311, section 3.4, Table 6); in none where all I_t are 0, as in groups that no task uses.

    Args:
      involvements: task to what `involvement` gives.
      threshold: share of the largest, in [0, 1).

    Returns:
      "encoder" and, where there are crossmodal stacks, "crossmodal" to shares (num_tasks,) of 1, 2, ... tasks; their
      sum is 1 less the share of parameters involved in none. NaN if there is a NaN among the involvements.

    Raises:
      ValueError: if the threshold is none.
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold must be in [0, 1); got {threshold}")
    trees = list(involvements.values())
    numbers = jnp.arange(1, len(trees) + 1)

    def shares(part: str) -> Array:
        leaves = jax.tree.map(lambda *x: jnp.stack(x).reshape(len(trees), -1), *(tree[part] for tree in trees))
        values = jnp.concatenate(jax.tree.leaves(leaves), axis=1)
        peaks = jnp.max(values, axis=0)
        counts = jnp.sum(values > threshold * peaks[None], axis=0)
        found = jnp.mean(counts[None] == numbers[:, None], axis=1, dtype=values.dtype)
        return jnp.where(jnp.any(jnp.isnan(peaks)), jnp.nan, found)

    return {part: shares(part) for part in ("encoder", "crossmodal") if part in trees[0]}


def _probabilities(model: HighMMT, params: Params, plan: Plan, samples: Tasks) -> dict[str, Array]:
    """Return the probability of the true class of one sample of each task."""
    batches: dict[str, Batch] = jax.tree.map(lambda x: x[None], dict(samples))
    modalities = {task: batch.modalities for task, batch in batches.items()}
    logits = model.apply(params, modalities, plan, {task: batch.masks for task, batch in batches.items()})
    return {task: jax.nn.softmax(logits[task])[0, batch.label[0]] for task, batch in batches.items()}


def _weighted(x: Array, weight: Array) -> Array:
    """Multiply by a weight; by 0 whatever it is."""
    return jnp.where(weight > 0, weight.astype(x.dtype) * x, 0)
