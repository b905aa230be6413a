"""Experiments, model selection: one trial: a method on one data set, and what its predictions take from the cells."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.model_selection.config import Config
from experiments.model_selection.methods import METHODS, NAMES, model_of
from experiments.model_selection.sets import SampleSet, groups_of, sets_of
from mmjax.data import Batch, Splits, batch_of
from mmjax.sweep import TrialFn
from mmjax.training import TrainConfig, best_of, classification_metrics, make_train, predict

NUM_SEGMENTS = 6
BATCH = 128


class Stack(NamedTuple):
    """The samples of the data sets of a group, with a first axis for these."""

    splits: Splits
    cells: Array
    """(num_sets, 2, n) int32, of the test samples."""


def make_trial(config: Config, static: Mapping[str, Any]) -> tuple[TrialFn, Stack]:
    """Make the trials of a method: they differ by `set`, the place of the data set in its group, and `learning_rate`.

    Args:
      config: of the experiment.
      static: `group` of data sets, and `method`.

    Returns:
      the trial, and the samples. Its results are those of the segment of least validation loss, and `table`: how many
      test samples are in each cell of x1 and of x2 and predicted to be of each class (n1, n2, ny).
    """
    sets = [sets_of(config)[name] for name in groups_of(config)[static["group"]]]
    sizes = tuple(np.max([of.cells.sizes for of in sets], axis=0).tolist())
    method = METHODS[static["method"]]
    model = model_of(method, (sets[0].x1.shape[1], sets[0].x2.shape[1]), sizes[2])
    settings = TrainConfig(
        num_segments=NUM_SEGMENTS, steps_per_segment=-(-config.num_steps // NUM_SEGMENTS), batch_size=BATCH
    )
    train = make_train(settings, model, method.strategy)

    def trial(key: Array, hparams: Mapping[str, Array], data: Stack) -> dict[str, Any]:
        place = hparams["set"].astype(int)
        splits, (first, second) = jax.tree.map(lambda x: x[place], data)
        best = best_of(train, key, {"learning_rate": hparams["learning_rate"]}, splits)
        results: dict[str, Any] = {}
        for name, part in (("valid", splits.valid), ("test", splits.test)):
            logits = predict(settings, model, best.variables, part, method.strategy)
            metrics = classification_metrics(logits, part.label, part.weight)
            results[name] = {result: metrics[result] for result in ("loss", "accuracy")}
        predicted = jnp.argmax(logits, axis=1)
        return results | {"table": jnp.zeros(sizes, jnp.int32).at[first, second, predicted].add(1)}

    return trial, stacked(sets)


def stacked(sets: list[SampleSet]) -> Stack:
    """Return the samples of data sets of one size, with a first axis for these."""
    parts = [_stack([_batch(of, of.cells.part == code) for of in sets]) for code in range(3)]
    ids = [np.stack([x[of.cells.part == 2] for x in (of.cells.x1, of.cells.x2)]) for of in sets]
    return Stack(Splits(*parts), jnp.asarray(np.stack(ids), jnp.int32))


def _batch(of: SampleSet, rows: np.ndarray) -> Batch:
    return batch_of(dict(zip(NAMES, (of.x1[rows], of.x2[rows]), strict=True)), of.cells.label[rows])


def _stack(batches: list[Batch]) -> Batch:
    return jax.tree.map(lambda *x: jnp.stack(x), *batches)
