"""Data, world tasks: labels to predict from what the modalities of a world show.

The generator is ours.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
from jax import Array

from mmjax.data._batch import Batch, batch_of
from mmjax.data._modality_world import ModalityWorld, WorldMaps, render_modality
from mmjax.data._world_rules import Rule


@dataclass(frozen=True)
class WorldTask:
    """A label to predict from some modalities of a world; hashable, so that it can be static."""

    name: str
    """Of the task."""
    modalities: tuple[str, ...]
    """Names of the modalities that it has, in the order of the rule."""
    rule: Rule
    """What they show of a sample, and its label."""

    def __post_init__(self) -> None:
        """Refuse modalities that are not for the rule."""
        if not self.modalities or len(set(self.modalities)) < len(self.modalities):
            raise ValueError(f"task {self.name!r} needs one modality or more, each once; got {self.modalities}")
        if self.rule.num_modalities not in (None, len(self.modalities)):
            raise ValueError(
                f"task {self.name!r} has a rule for {self.rule.num_modalities} modalities; got {self.modalities}"
            )


class TaskSample(NamedTuple):
    """Samples of a task, and what its modalities show."""

    batch: Batch
    """The modalities of the task and the classes; the masks of sets are of their tokens, (n, max_size)."""
    factors: dict[str, Array]
    """Modality to (n, num_factors), each N(0, 1): their signs are the bits of the rules."""


def sample_task(key: Array, world: ModalityWorld, maps: WorldMaps, task: WorldTask, *, num_samples: int) -> TaskSample:
    """Sample a task.

    Samples of other keys are new ones of the same task, as long as the maps are the same. What compiles is one program
    for each renderer, which the tasks of a suite share.

    Args:
      key: PRNG key; another one for each task, or tasks of one rule have the same labels.
      world: the modalities; static.
      maps: what `world_maps` drew for them.
      task: static.
      num_samples: number of samples; static.

    Returns:
      the samples, and the factors behind them.

    Raises:
      ValueError: if the world lacks a modality of the task, or has fewer factors than its rule reads.
    """
    check_task(world, task)
    rule_key, *keys = jax.random.split(key, 1 + len(task.modalities))
    drawn, label = task.rule.sample(rule_key, (len(task.modalities), num_samples, world.num_factors))
    factors = dict(zip(task.modalities, drawn, strict=True))
    shown = {
        name: render_modality(each, world, maps, name, factors[name])
        for each, name in zip(keys, task.modalities, strict=True)
    }
    masks = {name: mask for name, (_, mask) in shown.items() if mask is not None}
    return TaskSample(batch_of({name: x for name, (x, _) in shown.items()}, label, masks), factors)


def check_task(world: ModalityWorld, task: WorldTask) -> None:
    """Raise ValueError if the world lacks a modality of the task, or has fewer factors than its rule reads."""
    for name in task.modalities:
        world.modality(name)
    if task.rule.num_bits > world.num_factors:
        raise ValueError(f"task {task.name!r} reads {task.rule.num_bits} factors; the world has {world.num_factors}")


def interaction_class(
    world: ModalityWorld, rule: Rule, pair: tuple[str, str]
) -> frozenset[tuple[Rule, tuple[int, int]]]:
    """Return how two modalities interact in a rule, as the two descriptions of it, one for each order of the pair.

    Pairs of one class, with equal noise, are the same problem and have heterogeneity 0 in truth: one rule, of
    modalities of the same groups, in the same roles. Pairs of two classes are different problems. Any two modalities of
    a larger task of a `QuadrantRule` are such a pair. Mixtures are compared as they are written.

    Args:
      world: whose groups count.
      rule: of the task.
      pair: names of two modalities, in the order of the rule.

    Returns:
      {(rule, groups), (swapped rule, groups swapped)}; hashable.

    Raises:
      ValueError: if the world lacks a modality, or the rule is for another number of modalities than two.
    """
    if rule.num_modalities not in (None, 2):
        raise ValueError(f"only rules of two modalities have classes of interaction; got one of {rule.num_modalities}")
    first, second = (world.groups[world.modality(name).name] for name in pair)
    return frozenset({(rule, (first, second)), (rule.swapped, (second, first))})
