"""Experiments, sweep: one trial: a fusion head on two modalities, trained and chosen by its validation loss."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from mmjax import models
from mmjax.competition import joint
from mmjax.data import (
    CompetitionTask,
    Splits,
    competition_data,
    cut,
    digits_halves,
    load_npz,
    only,
    splits_of,
    standardised,
)
from mmjax.sweep import TrialFn
from mmjax.training import TrainConfig, make_train, select

COMPETITION = CompetitionTask(num_shared=2, num_unique=(1, 1), dims=(24, 24), depths=(0, 1))
"""A strong linear modality, and a weak one whose bits are hidden by signs; 16 classes."""
SIGNAL_TO_NOISE = (2.5, 2.0)
RESULTS = ("loss", "accuracy")
HEADS: dict[str, Callable[[int, int, str], nn.Module]] = {
    "late linear": lambda num_outputs, width, first: models.LateLinear(num_outputs),
    "concatenation": lambda num_outputs, width, first: models.ConcatMLP(num_outputs, (width,)),
    "FiLM": lambda num_outputs, width, first: models.FiLM(num_outputs, first),
    "gated": lambda num_outputs, width, first: models.GatedFusion(num_outputs, width),
}


def make_trial(static: Mapping[str, Any]) -> tuple[TrialFn, Splits]:
    """Make the trials of a head on a data set: `learning_rate` is what they differ by.

    Args:
      static: `data` ("digits", "competition", or the path of an npz file), `head`, `width`, `num_segments`,
        `steps_per_segment`, `batch_size`, `num_samples` (of generated data) and `data_seed`.

    Returns:
      the trial, whose results are those of the best segment on validation and test data, and the data.
    """
    data = load(static["data"], static["num_samples"], static["data_seed"])
    num_classes = 1 + max(int(jnp.max(part.label)) for part in data)
    names = sorted(data.train.modalities)
    width = static["width"]
    module = models.Multimodal(
        encoders={name: models.MLP((width, width)) for name in names},
        head=HEADS[static["head"]](num_classes, width, names[0]),
        num_outputs=num_classes,
    )
    model = models.functional(module, jax.tree.map(lambda x: x[:1], data.train.modalities))
    config = TrainConfig(
        num_segments=static["num_segments"],
        steps_per_segment=static["steps_per_segment"],
        batch_size=static["batch_size"],
    )
    train = make_train(config, model, joint())

    def trial(key: Array, hparams: Mapping[str, Array], data: Splits) -> dict[str, Any]:
        best = select(train.train(key, hparams, data))  # what is not returned is not computed either
        return {part: {name: best[part][name] for name in RESULTS} for part in ("valid", "test")}

    return trial, data


def load(name: str, num_samples: int, seed: int) -> Splits:
    """Load or generate the two modalities of a data set, in their parts, standardised."""
    key = jax.random.key(seed)
    if name == "competition":
        return standardised(_generated(key, num_samples))
    if name == "digits":
        return standardised(splits_of(only(digits_halves(), ("top", "bottom")), key=key))
    return standardised(splits_of(load_npz(Path(name)), key=key))


def _generated(key: Array, num_samples: int) -> Splits:
    """Draw one sample, as its hiding map is drawn once, and cut it in three: for training, 1/4 and 1/2 of that."""
    sizes = (num_samples, num_samples // 4, num_samples // 2)
    everything = competition_data(key, COMPETITION, jnp.array(SIGNAL_TO_NOISE), num_samples=sum(sizes))
    return cut(everything, sizes)
