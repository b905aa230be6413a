"""Experiments, HighMMT: groups of nodes and pairs, by measured transfer or by features."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from experiments.highmmt.config import Config
from experiments.highmmt.distances import direct_program, transfer_program
from mmjax.data import Splits
from mmjax.heterogeneity import SharingPlan, budgeted_groups, cluster, distance, null_losses
from mmjax.models.highmmt import HighMMT, Params
from mmjax.training import Node, stack_nodes


def by_transfer(config: Config, model: HighMMT, data: dict[str, Splits], key: Array) -> SharingPlan:
    """Group by transfer, under the configuration's budget of parameters.

    Each modality is measured on the task of which it tells the most by itself: of one that it tells nothing about, as
    half of an exclusive or, every model is as good as any. Pairs are measured on their own tasks.
    """
    layout = model.layout
    names = [modality.name for modality in layout.modalities]
    nodes = [(task, (name,)) for task, name in layout.nodes]
    num_outputs = max(task.num_outputs for task in layout.tasks)
    every = stack_nodes(layout, data, nodes, own_codes=False)
    told = _information(every, direct_program(config, model, num_outputs)(every, key))
    best = [max(_places(layout.nodes, name), key=lambda place: told[place]) for name in names]
    modalities = jax.tree.map(lambda x: x[np.asarray(best)], every)
    pairs = stack_nodes(layout, data, layout.pairs, own_codes=False)
    encoder, stack = (_size(model, part) for part in ("encoder", "crossmodal"))
    groups = budgeted_groups(
        *(
            np.asarray(distance(transfer_program(config, model, count, num_outputs, steps)(of, key)[1].transfer))
            for count, of, steps in ((1, modalities, config.num_steps), (2, pairs, config.num_pair_steps))
        ),
        budget=config.budget * (len(nodes) * encoder + len(pairs.num_outputs) * stack),
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


def _information(nodes: Node, losses: Array) -> NDArray[np.float64]:
    """Return how much each node tells about its label, in nats: entropy less loss."""
    num_classes = int(jnp.max(nodes.num_outputs))
    entropies = [
        float(jnp.mean(null_losses(valid, train, num_classes)))
        for valid, train in zip(nodes.valid.label, nodes.train.label, strict=True)
    ]
    return np.asarray(entropies) - np.asarray(losses)


def _places(nodes: Sequence[tuple[str, str]], name: str) -> list[int]:
    return [place for place, (_, modality) in enumerate(nodes) if modality == name]


def _size(model: HighMMT, part: str) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(model.init, jax.random.key(0))[part]))


def _squared_distances(features: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    stacked = np.asarray(features, float)
    return np.square(stacked[:, None] - stacked[None]).sum(axis=-1)
