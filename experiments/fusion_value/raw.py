"""Experiments, fusion value: one trial: what unpaired labels prove of fusing raw modalities, and what it reaches."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from experiments.estimators.sources import source_of
from experiments.estimators.unpaired import models_of
from mmjax import models
from mmjax.competition import joint
from mmjax.data import Splits, cut, standardised, unpaired
from mmjax.sweep import TrialFn
from mmjax.synergy import accuracy_lower_bound
from mmjax.training import TrainConfig, make_fit, make_train, select, unpaired_objective

LEARNING_RATE = 3e-3
NUM_SEGMENTS = 10
BATCH = 128
WIDTH = 32
DEVIATIONS = 1.645
"""Standard errors by which the conditional entropy, of the label given both modalities, is raised: one-sided 95 %."""


def make_trial(static: Mapping[str, Any]) -> tuple[TrialFn, tuple[()]]:
    """Make the repetitions on a source: each draws samples, bounds the accuracy of fusion, and fuses.

    The bound is trained and evaluated on three sets that share no sample: the labelled samples of each modality, and
    unlabelled pairs. The head is trained on all of them as labelled pairs.

    Args:
      static: `source`, a name of `experiments.estimators`; `num_samples` of each of the three sets, half to train on,
        a quarter to choose the segment by and a quarter to bound and test on; `num_steps`.

    Returns:
      the trial, and no data.
    """
    source = source_of(static["source"])
    names = sorted(jax.eval_shape(lambda key: source.draw(key, 4), jax.random.key(0)).modalities)
    num_sets, quarter = len(names) + 1, static["num_samples"] // 4
    sizes = [num_sets * part for part in (2 * quarter, quarter, quarter)]
    config = TrainConfig(
        num_segments=NUM_SEGMENTS,
        steps_per_segment=-(-static["num_steps"] // NUM_SEGMENTS),
        batch_size=BATCH,
        drop_last=True,
    )
    hparams = {"learning_rate": jnp.float32(LEARNING_RATE)}

    def trial(key: Array, traced: Mapping[str, Array], data: tuple[()]) -> dict[str, Any]:
        sample_key, deal_key, bound_key, head_key = jax.random.split(key, 4)
        parts = standardised(cut(source.draw(sample_key, sum(sizes)), sizes))
        dealt = Splits(*(unpaired(part, key=k) for part, k in zip(parts, jax.random.split(deal_key, 3), strict=True)))
        objective = unpaired_objective(models_of(parts.train, source.num_classes), num_samples=sizes[0] // num_sets)
        proven = select(make_fit(config, objective).train(bound_key, hparams, dealt))
        reached = select(
            make_train(config, _fusion(parts, source.num_classes), joint()).train(head_key, hparams, parts)
        )
        frequencies = jnp.mean(jax.nn.one_hot(parts.test.label, source.num_classes), axis=0)
        entropy = proven["test"]["conditional_entropy"] + DEVIATIONS * proven["test"]["conditional_entropy_error"]
        bound = accuracy_lower_bound(entropy, num_classes=source.num_classes, base=math.e)
        return {
            "valid": {"loss": reached["valid"]["loss"]},
            "test": {"bound": bound, "accuracy": reached["test"]["accuracy"], "chance": jnp.max(frequencies)},
        }

    return trial, ()


def _fusion(parts: Splits, num_classes: int) -> models.Model:
    """Make two perceptrons and a head that concatenates them."""
    module = models.Multimodal(
        {name: models.MLP((WIDTH, WIDTH)) for name in parts.train.modalities},
        models.ConcatMLP(num_classes, (WIDTH,)),
        num_classes,
    )
    shapes = {name: jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype) for name, x in parts.train.modalities.items()}
    return models.functional(module, shapes)
