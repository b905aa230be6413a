"""Room competition: what a label is, as the functions of it that strategies need."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from mmjax.competition._strategy import weighted_mean


class Task(NamedTuple):
    """A kind of label: classes, several binary labels, or numbers."""

    losses: Callable[[Array, Array], Array]
    """From logits (n, num_outputs) and labels to losses (n,)."""
    score: Callable[[Array, Array, Array], Array]
    """From logits, labels and weights (n,) to how well the logits do on the batch: positive, higher is better."""
    accuracy: Callable[[Array, Array], Array]
    """From logits and labels to how right each sample is (n,), in [0, 1]."""
    divergence: Callable[[Array, Array], Array]
    """From two arrays of logits (..., num_outputs) to how far the predictions are apart (...,): symmetric, 0 where
    they are equal."""


def jensen_shannon(logits1: Array, logits2: Array) -> Array:
    """Return the Jensen-Shannon divergence of two distributions over classes.

    JSD(p, q) = 1/2 KL(p || m) + 1/2 KL(q || m) with m = (p + q) / 2 (Lin 1991).

    Args:
      logits1: of p (..., num_classes).
      logits2: of q, of the same shape.

    Returns:
      (...,), in nats, in [0, ln 2].

    Differentiable, with finite derivatives for logits of any finite size; the derivative is 0 where p = q.
    """
    p, q = jax.nn.log_softmax(logits1), jax.nn.log_softmax(logits2)
    return _mean_divergence(p, q)


def bernoulli_jensen_shannon(logits1: Array, logits2: Array) -> Array:
    """Return the mean over labels of the Jensen-Shannon divergence of two Bernoulli distributions.

    Both outcomes of each label count; a sum over the probabilities of 1 alone would not be a divergence.

    Args:
      logits1: log-odds (..., num_labels).
      logits2: log-odds, of the same shape.

    Returns:
      (...,), in nats, in [0, ln 2]. Differentiable as `jensen_shannon`.
    """
    p, q = (jnp.stack([jax.nn.log_sigmoid(x), jax.nn.log_sigmoid(-x)], axis=-1) for x in (logits1, logits2))
    return jnp.mean(_mean_divergence(p, q), axis=-1)


def squared_difference(prediction1: Array, prediction2: Array) -> Array:
    """Return the mean over targets of the squared difference of two predictions (..., num_targets): (...,)."""
    return jnp.mean((prediction1 - prediction2) ** 2, axis=-1)


@jax.custom_jvp
def _mean_divergence(p: Array, q: Array) -> Array:
    """Average the divergences of exp(p) and exp(q) from their mean, over the last axis."""
    from_p, from_q = _log_ratios(p, q)
    return jnp.sum(jnp.exp(p) * from_p + jnp.exp(q) * from_q, axis=-1) / 2


@_mean_divergence.defjvp
def _mean_divergence_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    """Differentiate through the factors exp(p) and exp(q) alone, as the derivatives of the log-ratios cancel.

    Their kinks do not cancel in floating point: a compiler that computes q - p twice may see two signs of it.
    """
    (p, q), (dp, dq) = primals, tangents
    from_p, from_q = _log_ratios(p, q)
    tangent = jnp.sum(jnp.exp(p) * from_p * dp + jnp.exp(q) * from_q * dq, axis=-1) / 2
    return _mean_divergence(p, q), tangent


def _log_ratios(p: Array, q: Array) -> tuple[Array, Array]:
    """Return p and q less the logarithm of the mean of exp(p) and exp(q): exactly 0 where they are equal.

    With d = q - p, p - log mean = -log((1 + exp d) / 2) = -max(d, 0) - log1p(expm1(-|d|) / 2).
    """
    d = q - p
    common = jnp.log1p(jnp.expm1(-jnp.abs(d)) / 2)
    return -jnp.maximum(d, 0) - common, -jnp.maximum(-d, 0) - common


def _class_score(logits: Array, label: Array, weight: Array) -> Array:
    probability = jnp.exp(-optax.softmax_cross_entropy_with_integer_labels(logits, label))
    return weighted_mean(probability, weight)


def _binary_losses(logits: Array, label: Array) -> Array:
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, label), axis=-1)


def _binary_score(logits: Array, label: Array, weight: Array) -> Array:
    right = jnp.exp(-optax.sigmoid_binary_cross_entropy(logits, label))
    return weighted_mean(jnp.mean(right, axis=-1), weight)


def _squared_score(prediction: Array, target: Array, weight: Array) -> Array:
    error = weighted_mean(squared_difference(prediction, target), weight)
    return 1 / jnp.maximum(error, jnp.finfo(error.dtype).eps)


classification = Task(
    losses=optax.softmax_cross_entropy_with_integer_labels,
    score=_class_score,
    accuracy=lambda logits, label: (jnp.argmax(logits, axis=-1) == label).astype(logits.dtype),
    divergence=jensen_shannon,
)
"""Classes (n,): cross-entropy in nats, mean probability of the right class, Jensen-Shannon divergence."""

multilabel = Task(
    losses=_binary_losses,
    score=_binary_score,
    accuracy=lambda logits, label: jnp.mean(((logits > 0) == (label > 0)).astype(logits.dtype), axis=-1),
    divergence=bernoulli_jensen_shannon,
)
"""Labels (n, num_labels) of 0 and 1: the same as means over labels."""

regression = Task(
    losses=squared_difference,
    score=_squared_score,
    accuracy=lambda prediction, target: jnp.mean(((prediction > 0) == (target > 0)).astype(prediction.dtype), axis=-1),
    divergence=squared_difference,
)
"""Targets (n, num_targets): squared error, its inverse as the score, sign agreement as accuracy."""
