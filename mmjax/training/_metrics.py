"""Room training: how good predictions are, sample by weight, as pure functions of logits and labels."""

import jax
import jax.numpy as jnp
import optax
from jax import Array

from mmjax.competition import weighted_mean

NUM_BINS = 15
"""Bins of the calibration error."""


def classification_metrics(logits: Array, label: Array, weight: Array) -> dict[str, Array]:
    """Measure predictions of classes.

    Args:
      logits: (n, num_classes).
      label: classes (n,), int.
      weight: (n,), 0 for samples that do not count.

    Returns:
      `loss`: mean negative log-likelihood in nats; `accuracy` in [0, 1]; `f1`: macro F1, the mean over the classes that
      occur or are predicted of 2 TP / (2 TP + FP + FN); `auroc`: area under the ROC curve, the mean over classes with
      samples inside and outside of one class against the rest, ties counted half, NaN where there is none;
      `calibration`: expected calibration error of the top class in `NUM_BINS` equal bins (Guo, Pleiss, Sun, Weinberger
      2017, arXiv 1706.04599). All 0 or NaN where no weight is positive. Only `loss` is meant to be differentiated.
    """
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, label)
    predicted = jnp.argmax(logits, axis=1)
    correct = (predicted == label).astype(logits.dtype)
    return {
        "loss": weighted_mean(losses, weight),
        "accuracy": weighted_mean(correct, weight),
        "f1": _macro_f1(predicted, label, weight, logits.shape[1]),
        "auroc": _macro_auroc(jax.nn.softmax(logits), jax.nn.one_hot(label, logits.shape[1]), weight),
        "calibration": _calibration_error(jnp.max(jax.nn.softmax(logits), axis=1), correct, weight),
    }


def multilabel_metrics(logits: Array, label: Array, weight: Array) -> dict[str, Array]:
    """Measure predictions of several binary labels.

    Args:
      logits: (n, num_labels).
      label: (n, num_labels) of 0 and 1, float.
      weight: (n,), 0 for samples that do not count.

    Returns:
      `loss`: mean over samples and labels of the negative log-likelihood in nats; `accuracy`: share of labels
      predicted right; `f1` and `auroc`: means over labels, as in `classification_metrics`.
    """
    losses = jnp.mean(optax.sigmoid_binary_cross_entropy(logits, label), axis=1)
    predicted = (logits > 0).astype(label.dtype)
    hits, claims, members = (jnp.sum(weight[:, None] * x, axis=0) for x in (predicted * label, predicted, label))
    return {
        "loss": weighted_mean(losses, weight),
        "accuracy": weighted_mean(jnp.mean((predicted == label).astype(logits.dtype), axis=1), weight),
        "f1": _mean_f1(hits, claims, members),
        "auroc": _macro_auroc(logits, label, weight),
    }


def regression_metrics(prediction: Array, target: Array, weight: Array) -> dict[str, Array]:
    """Measure predictions of numbers.

    Args:
      prediction: (n, num_targets).
      target: (n, num_targets).
      weight: (n,), 0 for samples that do not count.

    Returns:
      `loss`: mean squared error over samples and targets, in squared units of the target; `mae`: mean absolute error;
      `accuracy`: share of targets whose sign is predicted right, zeros left out (binary accuracy of sentiments).
    """
    error = prediction - target
    signed = weight[:, None] * (target != 0)
    right = (prediction > 0) == (target > 0)
    return {
        "loss": weighted_mean(jnp.mean(error**2, axis=1), weight),
        "mae": weighted_mean(jnp.mean(jnp.abs(error), axis=1), weight),
        "accuracy": jnp.sum(signed * right) / jnp.maximum(jnp.sum(signed), 1),
    }


def _macro_f1(predicted: Array, label: Array, weight: Array, num_classes: int) -> Array:
    classes = jnp.arange(num_classes)
    claimed, member = (x[:, None] == classes[None] for x in (predicted, label))
    hits, claims, members = (jnp.sum(weight[:, None] * x, axis=0) for x in (claimed & member, claimed, member))
    return _mean_f1(hits, claims, members)


def _mean_f1(hits: Array, claims: Array, members: Array) -> Array:
    counted = claims + members
    f1 = 2 * hits / jnp.where(counted > 0, counted, 1)
    return weighted_mean(f1, (counted > 0).astype(f1.dtype))


def _macro_auroc(scores: Array, member: Array, weight: Array) -> Array:
    """Mean over columns of P(score of a member > score of another), by ranks with ties halved."""

    def area(score: Array, member: Array) -> Array:
        inside, outside = weight * member, weight * (1 - member)
        order = jnp.argsort(score)
        ranked = score[order]
        below = jnp.concatenate([jnp.zeros(1, score.dtype), jnp.cumsum(outside[order])])
        first, last = (jnp.searchsorted(ranked, score, side=side) for side in ("left", "right"))
        beaten = (below[first] + below[last]) / 2
        pairs = jnp.sum(inside) * jnp.sum(outside)
        return jnp.where(pairs > 0, jnp.sum(inside * beaten) / jnp.where(pairs > 0, pairs, 1), jnp.nan)

    return jnp.nanmean(jax.vmap(area, in_axes=1)(scores, member.astype(scores.dtype)))


def _calibration_error(confidence: Array, correct: Array, weight: Array) -> Array:
    bins = jnp.clip(jnp.ceil(confidence * NUM_BINS).astype(jnp.int32) - 1, 0, NUM_BINS - 1)
    gaps = jnp.zeros(NUM_BINS, confidence.dtype).at[bins].add(weight * (correct - confidence))
    total = jnp.sum(weight)
    return jnp.sum(jnp.abs(gaps)) / jnp.where(total > 0, total, 1)
