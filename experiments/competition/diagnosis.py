"""Experiments, competition: a closer look at chosen models: what their encoders know, and where they are right."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from experiments.competition.trial import Setup, latents_of, setup_of, test_coalitions
from mmjax.competition import coalitions, error_groups, linear_probe, logit_scales, probe_logits, shapley_values
from mmjax.data import Splits
from mmjax.sweep import TrialFn
from mmjax.training import Best, best_of, classification_metrics, predict

ALONE = "ensemble"
"""The method whose encoders are trained alone: the unimodal twins of all others'."""
TWIN = "twin_"
"""Before the names of the twins' hyper-parameters."""


def make_trial(static: Mapping[str, Any]) -> tuple[TrialFn, Any]:
    """Make trials that train a method and its unimodal twins on the same data and measure both on test data.

    With the key of a trial of `experiments.competition.trial` data and model are those of that trial.

    Args:
      static: as there.

    Returns:
      the trial, whose hyper-parameters are the method's and, after `TWIN`, the twins'; and a file's data, or nothing.
    """
    setup, method = setup_of(static), static["method"]
    train, train_twin = setup.train(method), setup.train(ALONE)

    def trial(key: Array, hparams: Mapping[str, Array], data: Any) -> dict[str, Any]:
        data_key, run_key = jax.random.split(key)
        parts = setup.splits(data_key, data)
        own = {name: x for name, x in hparams.items() if not name.startswith(TWIN)}
        theirs = {name.removeprefix(TWIN): x for name, x in hparams.items() if name.startswith(TWIN)}
        best, twin = best_of(train, run_key, own, parts), best_of(train_twin, run_key, theirs, parts)
        found = _measured(setup, method, own, best, twin, parts)
        return {"valid": {"loss": best.loss}, "diagnosis": found}

    return trial, setup.data


def group_names(modalities: tuple[str, ...]) -> list[str]:
    """Return which unimodal models are right in each error group, such as "x1+x2"."""
    sets = coalitions(len(modalities))
    return ["+".join(m for m, member in zip(modalities, row, strict=True) if member) or "none" for row in sets]


def _measured(
    setup: Setup, method: str, hparams: Mapping[str, Array], best: Best, twin: Best, parts: Splits
) -> dict[str, Any]:
    model, test, strategy = setup.model, parts.test, setup.strategy(method, hparams)
    logits = predict(setup.config, model, best.variables, test, strategy)
    scales = logit_scales(shapley_values(test_coalitions(setup, strategy, best, test)), test.weight)
    alone = model.unimodal(twin.variables, latents_of(setup, twin, test))
    right = jnp.stack([jnp.argmax(alone[name], axis=1) == test.label for name in model.modalities])
    groups = error_groups(setup.setting.task.accuracy(logits, test.label), right, test.weight)
    names = group_names(model.modalities)
    return {
        "calibration": classification_metrics(logits, test.label, test.weight)["calibration"],
        "scale": dict(zip(model.modalities, scales / jnp.sum(scales), strict=True)),
        "probe": _probed(setup, best, parts),
        "twin": _probed(setup, twin, parts),
        "group": dict(zip(names, groups.share, strict=True)),
        "right": dict(zip(names, groups.accuracy, strict=True)),
    }


def _probed(setup: Setup, best: Best, parts: Splits) -> dict[str, Array]:
    """Return modality to the test accuracy of a linear classifier that was fitted to its latents of train."""
    train, test = parts.train, parts.test
    fitted, held = latents_of(setup, best, train), latents_of(setup, best, test)
    num_classes = setup.num_outputs

    def accuracy(name: str) -> Array:
        probe = linear_probe(fitted[name], train.label, num_classes=num_classes, weight=train.weight)
        return setup.config.metrics_fn(probe_logits(probe, held[name]), test.label, test.weight)["accuracy"]

    return {name: accuracy(name) for name in setup.model.modalities}
