"""Experiments, estimators: the bound on information trained without a labelled tuple, again and again."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from experiments.estimators.runs import config_of, parts_of
from experiments.estimators.sources import source_of
from mmjax.data import Batch, Splits, cut, standardised, unpaired
from mmjax.models import MLP, LateLinear, Model, Multimodal, functional
from mmjax.sweep import TrialFn
from mmjax.training import make_fit, select, unpaired_objective

WIDTH = 32


def make_trial(static: Mapping[str, Any]) -> tuple[TrialFn, tuple[()]]:
    """Make the repetitions on a source: each draws its samples, trains, and bounds on samples of its own.

    Args:
      static: `source`, a name of `SOURCES`; `num_samples` of each labelled modality and of the tuples, half of it to
        train on, a quarter to choose the segment by and a quarter to bound with; `num_segments`,
        `steps_per_segment`, `batch_size`, `learning_rate`.

    Returns:
      the trial, and no data.
    """
    source = source_of(static["source"])
    names = sorted(jax.eval_shape(lambda key: source.draw(key, 4), jax.random.key(0)).modalities)
    num_sets = len(names) + 1
    sizes = [num_sets * part for part in parts_of(static["num_samples"])]
    config = config_of(static)

    def trial(key: Array, hparams: Mapping[str, Array], data: tuple[()]) -> dict[str, Any]:
        sample_key, deal_key, run_key = jax.random.split(key, 3)
        parts = standardised(cut(source.draw(sample_key, sum(sizes)), sizes))
        dealt = Splits(*(unpaired(part, key=k) for part, k in zip(parts, jax.random.split(deal_key, 3), strict=True)))
        models = models_of(parts.train, source.num_classes)
        train = make_fit(config, unpaired_objective(models, num_samples=sizes[0] // num_sets))
        best = select(train.train(run_key, {"learning_rate": jnp.float32(static["learning_rate"])}, dealt))
        kept = ("information", "information_error", "accuracy")
        return {"valid": {"loss": best["valid"]["loss"]}, "test": {name: best["test"][name] for name in kept}}

    return trial, ()


def models_of(batch: Batch, num_classes: int) -> dict[str, Model]:
    """Make a small perceptron for each modality."""

    def one(name: str, x: Array) -> Model:
        module = Multimodal({name: MLP((WIDTH, WIDTH))}, LateLinear(num_classes), num_classes)
        return functional(module, {name: jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype)})

    return {name: one(name, x) for name, x in batch.modalities.items()}
