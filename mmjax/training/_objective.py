"""Room training: what a run minimises, as pure functions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.data import Batch
from mmjax.training._config import Metrics, Tree

Variables = dict[str, Tree]
"""Collection to tree of arrays: "params", which are trained, and perhaps running statistics, which the loss returns."""


class NewStatistics(NamedTuple):
    """What the step must know of a loss beside its value; a loss may return more under names of its own."""

    statistics: dict[str, Tree]
    """All collections but "params", as they are after this batch."""


class Objective(NamedTuple):
    """What a run minimises and how it is measured; `make_fit` makes the run.

    A step is `losses, aux = loss(params, statistics, memory, batch, key)`, the gradients of `losses` by `params`,
    `gradients, memory = update(gradients, memory, aux)`, and the optimiser's step at `rates(params, memory)` times its
    learning rate. Where `losses` is a vector, `gradients` has one more axis in front: one gradient a loss. The fields
    with defaults are those of `mmjax.competition.Strategy`, for one model.
    """

    init: Callable[[Array], Variables]
    """From a key to variables."""
    loss: Callable[[Tree, dict[str, Tree], Tree, Any, Array], tuple[Array, Any]]
    """A scalar or a vector of losses, and `NewStatistics` or what has its field."""
    evaluate: Callable[[Variables, Any], Metrics]
    """From variables and the validation or test data to metrics; the lowest `loss` among them selects a segment."""
    begin: Callable[[Array, Tree], tuple[Tree, Tree]] = lambda key, params: (params, ())
    """From a key and parameters to those to train, perhaps more, and the memory that `update` and `on_segment` keep."""
    update: Callable[[Tree, Tree, Any], tuple[Tree, Tree]] = lambda gradients, memory, aux: (gradients, memory)
    """From the losses' gradients to those the optimiser gets, and the new memory."""
    on_segment: Callable[[Variables, Tree, Any, Any], tuple[Tree, Tree]] = lambda variables, memory, train, valid: (
        variables["params"],
        memory,
    )
    """From variables, memory, and all training and validation data to new parameters and memory."""
    rates: Callable[[Tree, Tree], Tree | None] = lambda params, memory: None
    """From parameters and memory to factors of the learning rate, a tree like `params`; None: all are 1."""
    selectable: Callable[[Tree], Array] = lambda memory: jnp.asarray(True)
    """From the memory to whether the model as it is may be selected."""
    steps_per_batch: int = 1
    """Steps made with each batch."""
    full_batches: bool = False
    """Whether the loss does not heed weights, and so needs batches without samples that only fill them up."""


def blockwise(
    metrics_fn: Callable[[Variables, Batch], Metrics], batch_size: int
) -> Callable[[Variables, Batch], Metrics]:
    """Make the evaluation of metrics that a batch has and a sample has not, such as those of score matrices.

    Args:
      metrics_fn: from variables and a batch to metrics.
      batch_size: samples of a batch; those of training, for what depends on their number.

    Returns:
      from variables and data to the means of the metrics over the data's disjoint batches, in order; samples that do
      not fill a last batch are left out. It raises ValueError for data of less than one batch.
    """

    def evaluate(variables: Variables, data: Batch) -> Metrics:
        num_samples = data.label.shape[0]
        num_blocks = num_samples // batch_size
        if num_blocks < 1:
            raise ValueError(f"data of {num_samples} samples hold no batch of {batch_size}; use a smaller batch_size")

        def block(x: Array) -> Array:
            return x[: num_blocks * batch_size].reshape(num_blocks, batch_size, *x.shape[1:])

        metrics = jax.lax.map(lambda batch: metrics_fn(variables, batch), jax.tree.map(block, data))
        return jax.tree.map(lambda x: jnp.mean(x, axis=0), metrics)

    return evaluate
