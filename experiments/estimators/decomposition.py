"""Experiments, estimators: decompositions of raw modalities by trained classifiers, and what their intervals hold."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from experiments.estimators.runs import config_of, parts_of
from experiments.estimators.sources import source_of
from mmjax import pid
from mmjax.data import Batch, cut, only, standardised
from mmjax.models import MLP, ConcatMLP, LateLinear, Model, Multimodal, functional
from mmjax.sweep import TrialFn
from mmjax.training import NewStatistics, Objective, best_of, make_fit

WIDTH = 32
PARTS = ("redundancy", "unique1", "unique2", "synergy")


def make_trial(static: Mapping[str, Any]) -> tuple[TrialFn, tuple[()]]:
    """Make the repetitions on a source: each draws its samples, trains three classifiers, calibrates and decomposes.

    Args:
      static: `source`, a name of `SOURCES` of two modalities; `num_samples`, half of them to train on, a quarter to
        choose the segment by and to calibrate on, a quarter to decompose; `num_segments`, `steps_per_segment`,
        `batch_size`, `learning_rate`.

    Returns:
      the trial, and no data.
    """
    source = source_of(static["source"])
    sizes = parts_of(static["num_samples"])
    config = config_of(static)

    def trial(key: Array, hparams: Mapping[str, Array], data: tuple[()]) -> dict[str, Any]:
        sample_key, run_key = jax.random.split(key)
        splits = standardised(cut(source.draw(sample_key, sum(sizes)), sizes))
        classifiers = Classifiers.of(splits.train, source.num_classes)
        train = make_fit(config, classifiers.objective())
        best = best_of(train, run_key, {"learning_rate": jnp.float32(static["learning_rate"])}, splits)
        posteriors = classifiers.posteriors(best.variables, splits.valid, splits.test)
        found = pid.held_out_pid(*posteriors, splits.test.label)
        parts = {name: getattr(found, name) for name in PARTS}
        return {
            "valid": {"loss": best.loss},
            "test": {
                name: {"value": part.value, "lower": part.lower, "upper": part.upper} for name, part in parts.items()
            },
            "gap": found.gap,
            "information": found.information12.value,
        }

    return trial, ()


class Classifiers(NamedTuple):
    """One for each modality and one for both."""

    views: dict[str, tuple[str, ...]]
    """What each sees."""
    models: dict[str, Model]

    @classmethod
    def of(cls, batch: Batch, num_classes: int) -> "Classifiers":
        """Make small perceptrons for the modalities of a batch."""

        def one(names: tuple[str, ...]) -> Model:
            head = LateLinear(num_classes) if len(names) == 1 else ConcatMLP(num_classes, (WIDTH,))
            module = Multimodal({name: MLP((WIDTH, WIDTH)) for name in names}, head, num_classes)
            shapes = {name: batch.modalities[name] for name in names}
            return functional(
                module, {name: jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype) for name, x in shapes.items()}
            )

        first, second = sorted(batch.modalities)
        views = {"first": (first,), "second": (second,), "both": (first, second)}
        return cls(views, {view: one(names) for view, names in views.items()})

    def logits(self, params: Any, batch: Batch) -> dict[str, Array]:
        """Return the logits of each classifier, (n, ny)."""
        found = {}
        for view, names in self.views.items():
            variables, seen = {"params": params[view]}, only(batch, names)
            latents, _ = self.models[view].encode(variables, seen.modalities, seen.masks)
            found[view] = self.models[view].fuse(variables, latents, seen.masks)
        return found

    def objective(self) -> Objective:
        """Make the sum of the three cross-entropies."""

        def init(key: Array) -> dict[str, Any]:
            keys = jax.random.split(key, len(self.views))
            return {"params": {v: self.models[v].init(k)["params"] for v, k in zip(self.views, keys, strict=True)}}

        def entropy(params: Any, batch: Batch) -> Array:
            losses = [
                optax.softmax_cross_entropy_with_integer_labels(logits, batch.label)
                for logits in self.logits(params, batch).values()
            ]
            return jnp.mean(jnp.stack(losses)) * len(losses)

        def loss(params: Any, statistics: Any, memory: Any, batch: Batch, key: Array) -> tuple[Array, NewStatistics]:
            return entropy(params, batch), NewStatistics({})

        return Objective(init, loss, lambda variables, batch: {"loss": entropy(variables["params"], batch)})

    def posteriors(self, variables: dict[str, Any], calibration: Batch, test: Batch) -> list[Array]:
        """Return what each says of the test samples after calibration on others, (n, ny) each."""
        known, new = (self.logits(variables["params"], batch) for batch in (calibration, test))
        return [pid.recalibrate(new[view], pid.calibrate(known[view], calibration.label)) for view in self.views]
