"""Room training: fits of single nodes of HighMMT, from random parameters or from another node's model.

For `mmjax.heterogeneity.transfer_matrix`, which asks how much worse a model of one modality, or pair of modalities,
serves another one (Liang et al. 2023, arXiv 2203.01311, section 2.1). All nodes are brought to one shape, so that all
fits are one program.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from mmjax.competition import weighted_mean
from mmjax.data import Batch, Splits
from mmjax.heterogeneity import Fit, FitFn
from mmjax.models.highmmt import HighMMT, Layout, ModalitySpec, Params, TaskSpec, Tokens, standardise
from mmjax.training._config import Hparams, TrainConfig
from mmjax.training._fit import best_of, make_fit
from mmjax.training._objective import NewStatistics, Objective, Variables

TASK = "node"


class Node(NamedTuple):
    """A modality, or several, with a task; or n nodes, with a first axis n."""

    train: Batch
    """Its modalities are `Tokens`, named "0", "1", ... in the order of the node."""
    valid: Batch
    """What its losses are of."""
    num_outputs: Array
    """Classes of its task."""


def stack_nodes(
    layout: Layout,
    data: Mapping[str, Splits],
    nodes: Sequence[tuple[str, tuple[str, ...]]],
    *,
    own_codes: bool = True,
) -> Node:
    """Bring nodes to one shape: tokens are padded by masked ones, samples by such of weight 0.

    Args:
      layout: modalities and tasks; positions and codes are its own.
      data: task to its samples, classes as labels; test parts are not used.
      nodes: (task, modalities), each with the same number of modalities, all of them of the task.
      own_codes: whether a modality's tokens have its own code, as the paper has it; otherwise they have that of their
        place in the node, so that a code that a source has not seen does not count as heterogeneity.

    Returns:
      the n nodes.

    Raises:
      ValueError: if there is no node, or their numbers of modalities differ.
    """
    counts = {len(names) for _, names in nodes}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(f"nodes need one number of modalities, at least 1; got {sorted(counts)}")
    num_tokens = max(layout.modality(name).num_tokens for _, names in nodes for name in names)

    def stacked(part: str) -> Batch:
        batches = [_as_tokens(layout, getattr(data[task], part), names, num_tokens, own_codes) for task, names in nodes]
        num_samples = max(batch.weight.shape[0] for batch in batches)
        filled = [jax.tree.map(lambda x, n=num_samples: _filled(x, 0, n), batch) for batch in batches]
        return jax.tree.map(lambda *x: jnp.stack(x), *filled)

    num_outputs = jnp.array([layout.task(task).num_outputs for task, _ in nodes])
    return Node(stacked("train"), stacked("valid"), num_outputs)


def node_fit(
    model: HighMMT,
    hparams: Hparams,
    *,
    num_modalities: int,
    num_outputs: int,
    direct: TrainConfig,
    transferred: TrainConfig | None,
    new_head: bool = True,
) -> FitFn:
    """Make the `fit_fn` of a transfer matrix: train a model of the same architecture on one node's data.

    Its parameters are an encoder, for nodes of several modalities a crossmodal stack, and a head; one of each, however
    many modalities. Losses are cross-entropies over the node's classes.

    Args:
      model: whose architecture and layout count.
      hparams: of the optimiser; may be traced.
      num_modalities: of each node.
      num_outputs: the largest number of classes of a node.
      direct: length, batches and optimiser of a fit from random parameters.
      transferred: those of a fit from a source's model; None for zero-shot, which only evaluates it.
      new_head: whether a transferred fit begins with a new head, as tasks differ; False where classes of one number
        mean the same in all tasks. Zero-shot always keeps the head.

    Returns:
      the function; see `mmjax.heterogeneity.FitFn`. Models are parameters, losses in nats.
    """
    single = node_model(model, num_modalities, num_outputs)
    plan = single.layout.share_all()

    def losses_of(params: Params, batch: Batch, num_outputs: Array) -> Array:
        logits = single.apply_tokens(params, {TASK: batch.modalities}, plan)[TASK]
        known = jnp.arange(logits.shape[1]) < num_outputs
        logits = jnp.where(known[None], logits, jnp.finfo(logits.dtype).min)
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch.label)

    def fit_fn(key: Array, node: Node, start: Params | None) -> Fit:
        config = direct if start is None else transferred
        if config is None:
            assert start is not None  # only then is there no budget
            return Fit(start, losses_of(start, node.valid, node.num_outputs), node.valid.weight)

        def init(key: Array) -> Variables:
            new = single.init(key)
            if start is not None:
                new = {**start, "heads": new["heads"] if new_head else start["heads"]}
            return {"params": new}

        def loss(params: Any, statistics: Any, memory: Any, batch: Batch, key: Array) -> tuple[Array, NewStatistics]:
            return weighted_mean(losses_of(params, batch, node.num_outputs), batch.weight), NewStatistics({})

        def evaluate(variables: Variables, batch: Batch) -> dict[str, Array]:
            return {"loss": weighted_mean(losses_of(variables["params"], batch, node.num_outputs), batch.weight)}

        run = make_fit(config, Objective(init, loss, evaluate))
        best = best_of(run, key, hparams, Splits(node.train, node.valid, node.valid))
        fitted = best.variables["params"]
        return Fit(fitted, losses_of(fitted, node.valid, node.num_outputs), node.valid.weight)

    return fit_fn


def node_model(model: HighMMT, num_modalities: int, num_outputs: int) -> HighMMT:
    """Return the model of one node, whose parameters are those that `node_fit` trains.

    Args:
      model: whose architecture and layout count.
      num_modalities: of the node.
      num_outputs: the largest number of classes of a node.

    Returns:
      a model of one task, of the modalities "0", "1", ..., whose tokens come ready-made, as those of `stack_nodes`.
    """
    names = tuple(map(str, range(num_modalities)))
    modalities = tuple(ModalitySpec(name, (), model.layout.input_width) for name in names)
    layout = Layout(modalities, (TaskSpec(TASK, names, num_outputs),), num_slots=model.layout.slots)
    return dataclasses.replace(model, layout=layout)


def _as_tokens(layout: Layout, batch: Batch, names: tuple[str, ...], num_tokens: int, own_codes: bool) -> Batch:
    def padded(place: int, name: str) -> Tokens:
        values, mask, slot = standardise(layout, name, batch.modalities[name], batch.masks[name])
        code = slot if own_codes else jnp.full_like(slot, place)
        return Tokens(_filled(values, 1, num_tokens), _filled(mask, 1, num_tokens), code)

    modalities = {str(place): padded(place, name) for place, name in enumerate(names)}
    return batch._replace(modalities=modalities, masks={})  # type: ignore[arg-type]


def _filled(x: Array, axis: int, length: int) -> Array:
    """Append zeros, or False, along an axis."""
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, length - x.shape[axis])
    return jnp.pad(x, widths)
