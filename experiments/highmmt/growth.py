"""Experiments, HighMMT: tasks that get one modality after the other, the last of them of noise alone."""

import dataclasses

import jax

from experiments.harness import Rows
from experiments.highmmt.config import Config
from experiments.highmmt.training import from_nothing, trainer, tuned
from experiments.highmmt.worlds import SEQUENCES, by_part, draw, model_of
from mmjax.data import HETEROGENEITY_SUITE, QuadrantRule, WorldModality, WorldSuite, WorldTask

LARGE = ("camera", "vitals", "audio", "lidar", "thermal", "force")
SMALL = ("x1", "x4", "x6", "x2", "x5")
NOISE = "noise"


def grow(config: Config, seed: int) -> Rows:
    """Train models of 1, 2, ... modalities of the same factors, each with parameters of its own, and one with noise.

    They are tasks of one layout that share nothing, so that one program trains them all.
    """
    suite = _suite(config)
    model = model_of(config, suite)
    train, key = trainer(config, model, config.num_steps), jax.random.key(seed)
    data = by_part(draw(config, suite, seed))
    trained = tuned(config, train, from_nothing(model, key), model.layout.share_none(), key, data)
    return [
        {
            "part": "growth",
            "seed": seed,
            "label": " + ".join(task.modalities),
            "accuracy": trained.accuracies[task.name],
        }
        for task in suite.tasks
    ]


def _suite(config: Config) -> WorldSuite:
    """Return a world with a modality of noise, and tasks of the first 1, 2, ... modalities."""
    world, names = (HETEROGENEITY_SUITE.world, LARGE) if config.large else (SEQUENCES.world, SMALL)
    like = world.modality(names[0])
    noise = WorldModality(NOISE, like.renderer, carries=False, noise=like.noise)
    shown = [names[: number + 1] for number in range(len(names))] + [(*names, NOISE)]
    return WorldSuite(
        dataclasses.replace(world, modalities=(*world.modalities, noise)),
        tuple(WorldTask(f"of {len(some)}", some, QuadrantRule()) for some in shown),
    )
