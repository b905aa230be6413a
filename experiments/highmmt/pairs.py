"""Experiments, HighMMT: which pairs to fuse, where the label needs few of many."""

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jax import Array

from experiments.harness import Rows
from experiments.highmmt.config import Config
from experiments.highmmt.distances import direct_program, transfer_program
from experiments.highmmt.training import from_nothing, trainer, tuned
from experiments.highmmt.worlds import by_part, draw, layout_of, model_of
from mmjax.data import HETEROGENEITY_SUITE, PAIR_RULES, SEQUENCE_SUITE, GatesRule, Splits, WorldSuite, WorldTask
from mmjax.heterogeneity import SharingPlan, distance, interaction_gains, select_pairs
from mmjax.models.highmmt import HighMMT, TaskSpec
from mmjax.training import stack_nodes

Pairs = tuple[tuple[str, str], ...]
TASK = "two exclusive ors"
NUM_RANDOM = 3
"""Random thirds of a seed."""
_XOR = PAIR_RULES["xor"]
SMALL = WorldSuite(
    SEQUENCE_SUITE.world,
    (
        WorldTask(
            TASK,
            ("x1", "x2", "x3", "x4", "x5", "x6"),
            GatesRule((0, 1, 2, 3, 4, 5), ((0, 3, _XOR), (1, 4, _XOR))),
        ),
    ),
)
"""x1 xor x4 and x2 xor x5; x3 and x6 tell nothing."""
LARGE = WorldSuite(
    HETEROGENEITY_SUITE.world,
    (
        WorldTask(
            TASK,
            ("camera", "depth", "audio", "lidar", "force", "vitals"),
            GatesRule((0, 0, 1, 2, 3, 4), ((0, 1, _XOR), (2, 3, _XOR))),
        ),
    ),
)
"""Camera or depth xor audio, and lidar xor force; vitals tell nothing."""


def select(config: Config, seed: int) -> Rows:
    """Train models of all pairs of modalities and of a third of them, by several choices, on one task.

    Gains and distances are measured by fits of single modalities and of single pairs. The models are tasks of one
    layout that share nothing with each other, so that one program trains them all; each of them shares encoders among
    modalities of one group and has one crossmodal stack.
    """
    suite, config = LARGE if config.large else SMALL, dataclasses.replace(config, num_samples=config.num_pair_samples)
    data, key = draw(config, suite, seed), jax.random.key(seed)
    gains, distances = measure(config, suite, data, key)
    choices = chosen(seed, suite.tasks[0].modalities, gains, distances)
    model, plan = _side_by_side(config, suite, choices)
    parts = by_part(dict.fromkeys(choices, data[TASK]))
    fitted = tuned(config, trainer(config, model, config.num_pair_steps), from_nothing(model, key), plan, key, parts)
    return [
        {
            "part": "pairs",
            "seed": seed,
            "selection": name,
            "pairs": [" and ".join(pair) for pair in model.layout.task(name).pairs or ()],
            "accuracy": fitted.accuracies[name],
        }
        for name in choices
    ]


def measure(config: Config, suite: WorldSuite, data: dict[str, Splits], key: Array) -> tuple[Array, Array]:
    """Return the gain of fusing each pair, in nats, and the distances between interactions of pairs."""
    model = model_of(config, suite)
    names, num_outputs = suite.tasks[0].modalities, suite.tasks[0].rule.num_classes
    pairs = list(itertools.combinations(names, 2))
    stacked = functools.partial(stack_nodes, model.layout, data, own_codes=False)
    single = direct_program(config, model, num_outputs, config.num_pair_steps)
    losses = single(stacked([(TASK, (name,)) for name in names]), key)
    program = transfer_program(config, model, 2, num_outputs, config.num_pair_steps, budgets=(0,))
    matrix = program(stacked([(TASK, pair) for pair in pairs]), key)[0]
    return interaction_gains(losses, matrix.direct, _places(names, pairs)), distance(matrix.transfer)


def chosen(seed: int, names: Sequence[str], gains: Array, distances: Array) -> dict[str, Pairs]:
    """Return choices of pairs by name: all, a third by several rules, and all pairs of one modality."""
    pairs = tuple(itertools.combinations(names, 2))
    third = len(pairs) // 3
    generator = np.random.default_rng(seed)
    of_hub = {name: sum(float(gain) for gain, pair in zip(gains, pairs, strict=True) if name in pair) for name in names}
    hub = max(names, key=of_hub.__getitem__)
    places: Mapping[str, Sequence[int]] = {
        "all pairs": range(len(pairs)),
        "selected third": select_pairs(gains, distances, third).indices.tolist(),
        "third of largest gain": np.argsort(-np.asarray(gains), kind="stable")[:third].tolist(),
        "pairs of one modality": [place for place, pair in enumerate(pairs) if hub in pair],
        **{
            f"random third {number + 1}": generator.choice(len(pairs), third, replace=False).tolist()
            for number in range(NUM_RANDOM)
        },
    }
    return {name: tuple(pairs[place] for place in chosen) for name, chosen in places.items()}


def _side_by_side(config: Config, suite: WorldSuite, choices: Mapping[str, Pairs]) -> tuple[HighMMT, SharingPlan]:
    """Return the model whose tasks are the choices, and the plan that keeps them apart."""
    layout, task = layout_of(suite), suite.tasks[0]
    tasks = tuple(TaskSpec(name, task.modalities, task.rule.num_classes, pairs) for name, pairs in choices.items())
    layout = dataclasses.replace(layout, tasks=tasks)
    groups = suite.world.groups
    plan = SharingPlan.from_clusters(
        [(name, groups[modality]) for name, modality in layout.nodes], [name for name, _ in layout.pairs]
    )
    return dataclasses.replace(model_of(config, suite), layout=layout), plan


def _places(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    return np.array([[names.index(name) for name in pair] for pair in pairs])
