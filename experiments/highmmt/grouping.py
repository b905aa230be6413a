"""Experiments, HighMMT: groups of nodes and pairs, by measured transfer or by features."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from experiments.highmmt.config import Config
from experiments.highmmt.distances import direct_program, transfer_program
from mmjax.data import Splits
from mmjax.heterogeneity import SharingPlan, TransferMatrix, budgeted_groups, cluster, distance, null_losses
from mmjax.models.highmmt import HighMMT, Layout, Params
from mmjax.training import stack_nodes


class Measured(NamedTuple):
    """Transfer between the modalities and between the pairs of a layout, and what nodes know by themselves."""

    modalities: TransferMatrix
    """In the order of the layout, each on the task of which it tells the most."""
    pairs: TransferMatrix
    """In the order of the layout's pairs, each on its own task."""
    losses: NDArray[np.float64]
    """Of the layout's nodes by themselves, in nats."""


def measured(config: Config, model: HighMMT, data: dict[str, Splits], key: Array) -> Measured:
    """Measure the transfer between modalities and between pairs.

    Each modality is measured on the task of which it tells the most by itself: of one that it tells nothing about, as
    half of an exclusive or, every model is as good as any.
    """
    layout = model.layout
    num_outputs = max(task.num_outputs for task in layout.tasks)
    stacked = functools.partial(stack_nodes, layout, data, own_codes=False)
    every = stacked([(task, (name,)) for task, name in layout.nodes])
    losses = np.asarray(direct_program(config, model, num_outputs, config.num_steps)(every, key), float)
    told = np.array([_entropy(layout, data, task) for task, _ in layout.nodes]) - losses
    best = [max(_places(layout.nodes, one.name), key=lambda place: told[place]) for one in layout.modalities]
    modalities = jax.tree.map(lambda x: x[np.asarray(best)], every)
    budget = (config.num_transfer_steps,)
    of_modalities, of_pairs = (
        transfer_program(config, model, count, num_outputs, steps, budget)(of, key)[0]
        for count, of, steps in ((1, modalities, config.num_steps), (2, stacked(layout.pairs), config.num_pair_steps))
    )
    return Measured(of_modalities, of_pairs, losses)


def by_transfer(config: Config, model: HighMMT, of: Measured) -> SharingPlan:
    """Group by transfer, under the configuration's budget of parameters."""
    encoder, stack = (_size(model, part) for part in ("encoder", "crossmodal"))
    all_apart = len(model.layout.nodes) * encoder + len(model.layout.pairs) * stack
    groups = budgeted_groups(
        *(np.asarray(distance(matrix.transfer)) for matrix in (of.modalities, of.pairs)),
        budget=max(config.budget * all_apart, encoder + stack),
        unimodal_size=encoder,
        crossmodal_size=stack,
    )
    return _on_nodes(model, groups.unimodal, groups.crossmodal)


def by_features(model: HighMMT, shared: Params, data: dict[str, Splits], size: SharingPlan) -> SharingPlan:
    """Group by the distance of mean latents of a model that shares all, into as many groups as another plan has.

    The published control: squared distances of features, here of their means over the validation samples, as samples of
    different tasks are not paired; those of a pair are both its modalities'.
    """
    layout = model.layout
    tokens = model.tokens(
        {task: splits.valid.modalities for task, splits in data.items()},
        {task: splits.valid.masks for task, splits in data.items()},
    )
    latents = jax.jit(lambda tokens: model.encode(shared, tokens, layout.share_all()))(tokens)
    means = {node: np.asarray(latents[node[0]][node[1]]).mean(axis=0).ravel() for node in layout.nodes}
    of_modality = {
        modality.name: np.mean([means[node] for node in layout.nodes if node[1] == modality.name], axis=0)
        for modality in layout.modalities
    }
    pairs = [np.concatenate([means[task, name] for name in pair]) for task, pair in layout.pairs]
    return _on_nodes(
        model,
        cluster(_squared_distances(list(of_modality.values())), size.num_unimodal_groups),
        cluster(_squared_distances(pairs), size.num_crossmodal_groups),
    )


def _on_nodes(model: HighMMT, modalities: Sequence[int], pairs: Sequence[int]) -> SharingPlan:
    """Give each node the group of its modality."""
    layout = model.layout
    return SharingPlan.from_clusters([modalities[layout.slot(name)] for _, name in layout.nodes], pairs)


def _entropy(layout: Layout, data: dict[str, Splits], task: str) -> float:
    """Return the loss of knowing nothing but how frequent classes are in training, in nats."""
    train, valid = (part.label[np.asarray(part.weight) > 0] for part in (data[task].train, data[task].valid))
    return float(jnp.mean(null_losses(valid, train, layout.task(task).num_outputs)))


def _places(nodes: Sequence[tuple[str, str]], name: str) -> list[int]:
    return [place for place, (_, modality) in enumerate(nodes) if modality == name]


def _size(model: HighMMT, part: str) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(model.init, jax.random.key(0))[part]))


def _squared_distances(features: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    stacked = np.asarray(features, float)
    return np.square(stacked[:, None] - stacked[None]).sum(axis=-1)
