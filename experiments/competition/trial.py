"""Experiments, competition: one trial: a model trained by a method, chosen and then measured."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax import Array

from experiments.competition.data import catalogue, fixed, generated
from experiments.competition.methods import METHODS, Setting
from mmjax import models
from mmjax.competition import Strategy, coalition_logits, shapley_values, weighted_mean
from mmjax.data import Batch, Splits
from mmjax.models import Model
from mmjax.sweep import TrialFn
from mmjax.training import Best, TrainConfig, best_of, make_train, predict

HEADS: dict[str, Callable[[int, int], nn.Module]] = {
    "late linear": lambda num_outputs, width: models.LateLinear(num_outputs),
    "concatenation": lambda num_outputs, width: models.ConcatMLP(num_outputs, (width,)),
    "gated": lambda num_outputs, width: models.GatedFusion(num_outputs, width),
}


def make_trial(static: Mapping[str, Any]) -> tuple[TrialFn, Any]:
    """Make the trials of a method on a data set: learning rate, penalty and its own numbers are what they differ by.

    Args:
      static: `data` (a name, or the path of a file), `modalities` of the file, `method`, `head`, `width`,
        `num_samples`, `num_segments`, `steps_per_segment`, `batch_size`, `num_permutations` and `data_seed`.

    Returns:
      the trial, whose results are those of `measured` and the validation loss; and a file's data, or nothing.
    """
    drawn = static["data"] in catalogue()
    data = () if drawn else fixed(static["data"], static["modalities"], static["data_seed"])
    model = model_of(
        example_of(static["data"], data), classes_of(static["data"], data), static["head"], static["width"]
    )
    config = train_config(static)
    setting = Setting(model.modalities, static["width"], static["num_segments"], static["num_permutations"])

    def strategy(hparams: Mapping[str, Array]) -> Strategy:
        return METHODS[static["method"]].make(hparams, setting)

    train = make_train(config, model, strategy)

    def trial(key: Array, hparams: Mapping[str, Array], data: Any) -> dict[str, Any]:
        data_key, run_key = jax.random.split(key)
        parts = generated(static["data"], data_key, static["num_samples"]) if drawn else data
        best = best_of(train, run_key, hparams, parts)
        return {"valid": {"loss": best.loss}, "test": measured(config, model, strategy(hparams), best, parts)}

    return trial, data


def example_of(name: str, data: Any) -> Batch:
    """Return samples of a data set, or their shapes and dtypes."""
    drawn = name in catalogue()
    return jax.eval_shape(lambda key: generated(name, key, 1).train, jax.random.key(0)) if drawn else data.train


def classes_of(name: str, data: Any) -> int:
    """Return the number of classes of a data set."""
    return catalogue()[name].num_classes if name in catalogue() else 1 + max(int(jnp.max(part.label)) for part in data)


def model_of(example: Batch, num_classes: int, head: str, width: int) -> Model:
    """Make encoders of two layers, a fusion head and unimodal heads."""
    encoders = {name: models.MLP((width, width)) for name in example.modalities}
    module = models.Multimodal(encoders, HEADS[head](num_classes, width), num_classes)
    shapes = {name: jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype) for name, x in example.modalities.items()}
    return models.functional(module, shapes)


def train_config(static: Mapping[str, Any]) -> TrainConfig:
    """Return what is static of the runs."""
    names = ("num_segments", "steps_per_segment", "batch_size")
    return TrainConfig(**{name: static[name] for name in names}, metrics_fn=loss_and_accuracy)


def loss_and_accuracy(logits: Array, label: Array, weight: Array) -> dict[str, Array]:
    """Return mean negative log-likelihood, in nats, and accuracy, NaN where logits are not finite."""
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, label)
    right = (jnp.argmax(logits, axis=1) == label).astype(logits.dtype)
    right = jnp.where(jnp.all(jnp.isfinite(logits), axis=1), right, jnp.nan)
    return {"loss": weighted_mean(losses, weight), "accuracy": weighted_mean(right, weight)}


def measured(config: TrainConfig, model: Model, strategy: Strategy, best: Best, data: Splits) -> dict[str, Any]:
    """Measure a chosen model on test data, by what the strategy predicts.

    Args:
      config: how it was trained.
      model: the model.
      strategy: what trained it.
      best: its variables.
      data: whose test part counts.

    Returns:
      `loss`, `accuracy`, and `share` of each modality: its Shapley value of the accuracy, latents of missing modalities
      being zeros.
    """
    test = data.test
    logits = predict(config, model, best.variables, test, strategy)
    latents, _ = model.encode(best.variables, test.modalities, test.masks)
    sets = coalition_logits(model, best.variables, latents, test.masks, strategy=strategy)
    accuracies = jax.vmap(lambda y: loss_and_accuracy(y, test.label, test.weight)["accuracy"])(sets)
    share = dict(zip(model.modalities, shapley_values(accuracies), strict=True))
    return loss_and_accuracy(logits, test.label, test.weight) | {"share": share}
