"""Experiments, competition: one trial: a model trained by a method, chosen and then measured."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax import Array

from experiments.competition import encoders
from experiments.competition.columns import ABSOLUTE_ERROR, PUBLISHED
from experiments.competition.data import catalogue, fixed, generated
from experiments.competition.methods import Hparams, Setting, strategy_of
from mmjax import models
from mmjax.competition import Strategy, classification, coalition_logits, shapley_values, weighted_mean
from mmjax.data import Batch, Splits
from mmjax.models import Model
from mmjax.sweep import TrialFn
from mmjax.training import Best, Train, TrainConfig, best_of, make_train, predict, regression_metrics

HEADS: dict[str, Callable[[int, int], nn.Module]] = {
    "late linear": lambda num_outputs, width: models.LateLinear(num_outputs),
    "concatenation": lambda num_outputs, width: models.ConcatMLP(num_outputs, (width,)),
    "gated": lambda num_outputs, width: models.GatedFusion(num_outputs, width),
}
SHARED = ("width", "num_segments", "steps_per_segment", "batch_size", "num_permutations", "stop_after")
"""Static fields of all runs beside those that name data, head and method."""


class Setup(NamedTuple):
    """What all runs on a data set with a head have in common, whatever the method."""

    model: Model
    num_outputs: int
    config: TrainConfig
    setting: Setting
    splits: Callable[[Array, Any], Splits]
    """From a key and `data` to the parts."""
    data: Any
    """A file's parts; of generated data nothing."""

    def train(self, method: str) -> Train:
        """Make the runs of a method."""
        return make_train(self.config, self.model, functools.partial(self.strategy, method))

    def strategy(self, method: str, hparams: Hparams) -> Strategy:
        """Make the strategy of a method from the hyper-parameters of a run."""
        return strategy_of(method, hparams, self.setting)


def setup_of(static: Mapping[str, Any]) -> Setup:
    """Make what runs have in common.

    Args:
      static: `data` (a name, or the path of a file), `modalities` of the file, `column` (of the published comparison,
        or empty), `head`, `num_samples` and `data_seed`, and the fields of `SHARED`.
    """
    name, column = static["data"], PUBLISHED.get(static["column"])
    task = ABSOLUTE_ERROR if column and not column.num_classes else classification
    data: Any = ()
    if name in catalogue():
        example = jax.eval_shape(lambda key: generated(name, key, static["num_samples"]).train, jax.random.key(0))
        num_outputs = catalogue()[name].num_classes
    else:
        data = fixed(name, static["modalities"], static["data_seed"], target=task is ABSOLUTE_ERROR)
        example, num_outputs = data.train, num_outputs_of(data)
    encoders_of = encoders.published if column else encoders.small
    model = model_of(example, encoders_of, HEADS[static["head"]], num_outputs, static["width"])
    config = TrainConfig(
        num_segments=static["num_segments"],
        steps_per_segment=static["steps_per_segment"] or -(-example.label.shape[0] // static["batch_size"]),
        batch_size=static["batch_size"],
        patience=static["stop_after"],
        metrics_fn=loss_and_accuracy if task is classification else regression_metrics,
        **({"optimizer_fn": column.optimizer, "evaluation_batch": static["batch_size"]} if column else {}),
    )
    setting = Setting(
        task=task,
        modalities=model.modalities,
        width=static["width"],
        num_segments=static["num_segments"],
        num_permutations=static["num_permutations"],
        **({"window": column.window} if column else {}),
    )

    def splits(key: Array, data: Any) -> Splits:
        return generated(name, key, static["num_samples"]) if name in catalogue() else data

    return Setup(model, num_outputs, config, setting, splits, data)


def make_trial(static: Mapping[str, Any]) -> tuple[TrialFn, Any]:
    """Make the trials of a method on a data set: learning rate, penalty and its own numbers are what they differ by.

    Args:
      static: the fields of `setup_of`, and `method`.

    Returns:
      the trial, whose results are those of `measured` and the validation loss; and a file's data, or nothing.
    """
    setup, method = setup_of(static), static["method"]
    train = setup.train(method)

    def trial(key: Array, hparams: Mapping[str, Array], data: Any) -> dict[str, Any]:
        data_key, run_key = jax.random.split(key)
        parts = setup.splits(data_key, data)
        best = best_of(train, run_key, hparams, parts)
        return {"valid": {"loss": best.loss}, "test": measured(setup, setup.strategy(method, hparams), best, parts)}

    return trial, setup.data


def num_outputs_of(data: Splits) -> int:
    """Return the number of classes, or of targets, of a file's data."""
    if jnp.issubdtype(data.train.label.dtype, jnp.floating):
        return int(data.train.label.shape[1])
    return 1 + max(int(jnp.max(part.label)) for part in data)


def model_of(
    example: Batch,
    encoders_of: Callable[[Mapping[str, tuple[int, ...]], int], dict[str, nn.Module]],
    head_of: Callable[[int, int], nn.Module],
    num_outputs: int,
    width: int,
) -> Model:
    """Make a model of encoders, a fusion head and unimodal heads."""
    shapes = {name: jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype) for name, x in example.modalities.items()}
    made = encoders_of({name: shape.shape[1:] for name, shape in shapes.items()}, width)
    return models.functional(models.Multimodal(made, head_of(num_outputs, width), num_outputs), shapes)


def loss_and_accuracy(logits: Array, label: Array, weight: Array) -> dict[str, Array]:
    """Return mean negative log-likelihood, in nats, and accuracy, NaN where logits are not finite."""
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, label)
    right = (jnp.argmax(logits, axis=1) == label).astype(logits.dtype)
    right = jnp.where(jnp.all(jnp.isfinite(logits), axis=1), right, jnp.nan)
    return {"loss": weighted_mean(losses, weight), "accuracy": weighted_mean(right, weight)}


def measured(setup: Setup, strategy: Strategy, best: Best, data: Splits) -> dict[str, Any]:
    """Measure a chosen model on test data, by what the strategy predicts.

    Args:
      setup: how it was trained.
      strategy: what trained it.
      best: the model.
      data: whose test part counts.

    Returns:
      `loss`, `accuracy`, and `share` of each modality: its Shapley value of the accuracy, latents of missing modalities
      being zeros.
    """
    test, metrics = data.test, setup.config.metrics_fn
    logits = predict(setup.config, setup.model, best.variables, test, strategy)
    sets = test_coalitions(setup, strategy, best, test)
    accuracies = jax.vmap(lambda y: metrics(y, test.label, test.weight)["accuracy"])(sets)
    share = dict(zip(setup.model.modalities, shapley_values(accuracies), strict=True))
    found = metrics(logits, test.label, test.weight)
    return {name: found[name] for name in ("loss", "accuracy")} | {"share": share}


def test_coalitions(setup: Setup, strategy: Strategy, best: Best, test: Batch) -> Array:
    """Return the logits of a model for every set of modalities."""
    latents = latents_of(setup, best, test)
    return coalition_logits(setup.model, best.variables, latents, test.masks, strategy=strategy)


def latents_of(setup: Setup, best: Best, samples: Batch) -> dict[str, Array]:
    """Return the latents of samples, `evaluation_batch` of them at a time."""

    def one(sample: tuple[dict[str, Array], dict[str, Array]]) -> dict[str, Array]:
        latents, _ = setup.model.encode(best.variables, *jax.tree.map(lambda x: x[None], sample))
        return jax.tree.map(lambda z: z[0], latents)

    return jax.lax.map(one, (samples.modalities, samples.masks), batch_size=setup.config.evaluation_batch)
