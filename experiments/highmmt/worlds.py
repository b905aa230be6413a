"""Experiments, HighMMT: generated worlds of modalities, their tasks, and what the model must know of them."""

import dataclasses
from collections.abc import Sequence

import jax

from experiments.highmmt.config import Config
from mmjax.data import (
    HETEROGENEITY_SUITE,
    PAIR_RULES,
    SEQUENCE_SUITE,
    ModalityWorld,
    QuadrantRule,
    SetRenderer,
    Splits,
    WorldMaps,
    WorldModality,
    WorldSuite,
    WorldTask,
    cut,
    interaction_class,
    sample_task,
    world_maps,
)
from mmjax.heterogeneity import SharingPlan
from mmjax.models.highmmt import Architecture, HighMMT, Layout, ModalitySpec, TaskSpec

NUM_VALID, NUM_TEST = 1000, 2000
NUM_BANDS = 3
PAIRS = (("x1", "x4"), ("x2", "x5"))
"""Of the sequences: twice a modality of the first cluster with one of the second."""
SEQUENCES = WorldSuite(
    world=dataclasses.replace(
        SEQUENCE_SUITE.world,
        modalities=tuple(dataclasses.replace(one, noise=1.0) for one in SEQUENCE_SUITE.world.modalities),
    ),
    tasks=(
        *(WorldTask(f"of {one.name}", (one.name,), QuadrantRule()) for one in SEQUENCE_SUITE.world.modalities),
        WorldTask("of x1 and x4", ("x1", "x4"), QuadrantRule()),
        WorldTask("of x2 and x5", ("x2", "x5"), QuadrantRule()),
        WorldTask("of x3, x5 and x6", ("x3", "x5", "x6"), QuadrantRule()),
        WorldTask("xor of x1 and x4", ("x1", "x4"), PAIR_RULES["xor"]),
        WorldTask("xor of x2 and x5", ("x2", "x5"), PAIR_RULES["xor"]),
        WorldTask("and of x3 and x6", ("x3", "x6"), PAIR_RULES["and"]),
    ),
)
"""6 sequences in 3 clusters and 12 tasks of 1 to 3 of them."""


def suite_of(config: Config) -> WorldSuite:
    """Return the world and tasks of a configuration."""
    return HETEROGENEITY_SUITE if config.large else SEQUENCES


def alone(world: ModalityWorld) -> WorldSuite:
    """Return a task of four classes for each modality of a world by itself."""
    return WorldSuite(world, tuple(WorldTask(one.name, (one.name,), QuadrantRule()) for one in world.modalities))


def interacting(world: ModalityWorld, rules: Sequence[str]) -> WorldSuite:
    """Return two tasks for each rule, of modalities of the same clusters."""
    tasks = (WorldTask(f"{rule} of {' and '.join(pair)}", pair, PAIR_RULES[rule]) for rule in rules for pair in PAIRS)
    return WorldSuite(world, tuple(tasks))


def layout_of(suite: WorldSuite) -> Layout:
    """Return the modalities and tasks of a suite as the model knows them."""
    tasks = tuple(TaskSpec(task.name, task.modalities, task.rule.num_classes) for task in suite.tasks)
    return Layout(tuple(map(_spec, suite.world.modalities)), tasks)


def architecture_of(config: Config) -> Architecture:
    """Return the sizes of a model."""
    return Architecture(
        num_latents=config.num_latents, width=config.width, head_size=8, num_latent_heads=2, num_crossmodal_heads=2
    )


def model_of(config: Config, suite: WorldSuite) -> HighMMT:
    """Return the model of a suite."""
    return HighMMT(architecture_of(config), layout_of(suite))


def draw(config: Config, suite: WorldSuite, seed: int, *, angle: float | None = None) -> dict[str, Splits]:
    """Draw a world and samples of all its tasks; with an angle of 0, all clusters of a renderer are one."""
    key = jax.random.key(seed)
    maps = world_maps(key, suite.world, angle=angle)
    return {
        task.name: _sample(config, jax.random.fold_in(key, 1 + place), suite, maps, task)
        for place, task in enumerate(suite.tasks)
    }


def by_part(data: dict[str, Splits]) -> Splits:
    """Turn task to parts into parts of task to samples."""
    return Splits(*({task: splits[part] for task, splits in data.items()} for part in range(3)))


def true_plan(suite: WorldSuite, layout: Layout) -> SharingPlan:
    """Return the plan that shares exactly what is alike: modalities of one group, interactions of one class."""
    rules = {task.name: task for task in suite.tasks}
    groups = suite.world.groups

    def interaction(task: WorldTask, pair: tuple[str, str]) -> object:
        first, second = (name for name in task.modalities if name in pair)
        return interaction_class(suite.world, task.rule, (first, second))

    return SharingPlan.from_clusters(
        [groups[name] for _, name in layout.nodes], [interaction(rules[task], pair) for task, pair in layout.pairs]
    )


def _sample(config: Config, key: jax.Array, suite: WorldSuite, maps: WorldMaps, task: WorldTask) -> Splits:
    sizes = (config.num_samples, NUM_VALID, NUM_TEST)
    return cut(sample_task(key, suite.world, maps, task, num_samples=sum(sizes)).batch, sizes)


def _spec(modality: WorldModality) -> ModalitySpec:
    *axes, channels = modality.renderer.shape
    unordered = isinstance(modality.renderer, SetRenderer)
    return ModalitySpec(modality.name, tuple(axes), channels, num_bands=None if unordered else NUM_BANDS)
