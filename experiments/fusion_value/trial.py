"""Experiments, fusion value: one trial: a fusion head fed the cells of one data set, one program for all data sets."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.fusion_value.config import Config
from experiments.fusion_value.sets import CellSet, sets_of
from experiments.sweep.task import HEADS
from mmjax import models
from mmjax.competition import joint
from mmjax.data import Batch, Splits, batch_of
from mmjax.sweep import TrialFn
from mmjax.training import TrainConfig, make_train, select

WIDTH = 32
NUM_SEGMENTS = 6
BATCH = 128


def make_trial(config: Config, static: Mapping[str, Any]) -> tuple[TrialFn, Splits]:
    """Make the trials of a head: they differ by `set`, the place of the data set, and `learning_rate`.

    Args:
      config: of the experiment.
      static: `head`.

    Returns:
      the trial, whose results are those of the segment of least validation loss, and the samples of all data sets.
    """
    data = stacked(list(sets_of(config).values()))
    num_cells = 1 + max(int(jnp.max(x)) for x in data.train.modalities.values())
    num_classes = 1 + int(jnp.max(data.train.label))
    module = models.Multimodal(
        encoders={name: models.MLP((WIDTH,)) for name in data.train.modalities},
        head=HEADS[static["head"]](num_classes, WIDTH, "x1"),
        num_outputs=num_classes,
    )
    example = {name: jnp.zeros((1, num_cells)) for name in data.train.modalities}
    model = models.functional(module, example)
    settings = TrainConfig(
        num_segments=NUM_SEGMENTS, steps_per_segment=-(-config.num_steps // NUM_SEGMENTS), batch_size=BATCH
    )
    train = make_train(settings, model, joint())

    def trial(key: Array, hparams: Mapping[str, Array], data: Splits) -> dict[str, Any]:
        place = hparams["set"].astype(int)
        of_set = Splits(*(_one_hot(jax.tree.map(lambda x: x[place], part), num_cells) for part in data))
        best = select(train.train(key, {"learning_rate": hparams["learning_rate"]}, of_set))
        return {part: {name: best[part][name] for name in ("loss", "accuracy")} for part in ("valid", "test")}

    return trial, data


def stacked(sets: list[CellSet]) -> Splits:
    """Return the samples of all data sets, with a first axis for these.

    Smaller sets repeat their training samples, so that steps of all are of as many samples; validation and test samples
    are filled up by such of weight 0.
    """
    batches = []
    for code in range(3):
        rows = [np.flatnonzero(of.part == code) for of in sets]
        most = max(map(len, rows))
        places = [np.resize(chosen, most) for chosen in rows]
        weights = [np.arange(most) < (most if code == 0 else len(chosen)) for chosen in rows]
        batches.append(_stack([_batch(of, *chosen) for of, *chosen in zip(sets, places, weights, strict=True)]))
    return Splits(*batches)


def _batch(of: CellSet, places: np.ndarray, weight: np.ndarray) -> Batch:
    return batch_of({"x1": of.x1[places], "x2": of.x2[places]}, of.label[places], weight=weight.astype(float))


def _stack(batches: list[Batch]) -> Batch:
    return jax.tree.map(lambda *x: jnp.stack(x), *batches)


def _one_hot(batch: Batch, num_cells: int) -> Batch:
    return batch._replace(modalities={name: jax.nn.one_hot(x, num_cells) for name, x in batch.modalities.items()})
