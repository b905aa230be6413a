"""Room synergy: what logits trained without labelled tuples prove on held-out samples, with standard errors.

Logits Bm(xm, .) of each modality, of any origin, give an upper bound on H(Y|X1,...,XM)
(`conditional_entropy_bound`) and with it lower bounds on what all modalities tell about the label and on the accuracy
of the best classifier that sees them all.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.numerics import log_or_zero, xlogx
from mmjax.synergy._accuracy import accuracy_lower_bound
from mmjax.synergy._conditional_entropy import (
    conditional_entropy_bound,
    conditional_entropy_standard_error,
)

Samples = Sequence[Array] | Array


class Estimate(NamedTuple):
    """A mean over samples and how far it is from its expectation."""

    value: Array
    standard_error: Array


class UnpairedBounds(NamedTuple):
    """Estimated bounds for the logits at hand; those linear in the samples are valid in expectation."""

    conditional_entropy: Estimate
    """Upper bound on H(Y|X1,...,XM), in nats."""
    information: Estimate
    """Lower bound on I(X1,...,XM;Y), in nats."""
    accuracy: Estimate
    """Lower bound on the accuracy of the best classifier of all modalities: convex in L, so too large by up to its
    standard error on average where it bends (at L = log k), and never below chance, where its standard error is 0. For
    a claim, map an upper confidence limit of L by `accuracy_lower_bound`."""
    classifier_accuracy: Estimate
    """Lower bound on the accuracy of the classifier argmax_y sum_m Bm(xm,y); may be negative."""


@jax.jit
def unpaired_bounds(pair_logits: Samples, logits: Samples, labels: Samples) -> UnpairedBounds:
    """Bound information and accuracy of all modalities without a labelled tuple.

    With L of `conditional_entropy_bound`: H(Y|X1,...,XM) <= L, I(X1,...,XM;Y) >= H(Y) - L, the best accuracy is at
    least Feder and Merhav's of L (`accuracy_lower_bound`), and the classifier of the summed logits is right with
    probability at least 1 - L / log 2, for an error costs it at least log 2. H(Y) is the entropy of the pooled labels'
    frequencies, which is too small in expectation, never too large. Ours.

    It bounds the synergy too, under a named assumption only: S = I(X1,X2;Y) - I_Q, and an upper end of I_Q needs
    p(y|x1) and p(y|x2). If classifiers equal these posteriors, S >= information - union_upper of
    `mmjax.pid.from_posteriors(..., base=math.e)`; if they do not, that difference bounds nothing.

    Args:
      pair_logits: for each modality its logits Bm(xm, .) on the n unlabelled tuples, (n, ny).
      logits: for each modality its logits on its own labelled samples, (nm, ny).
      labels: for each modality the classes of these, (nm,), int in [0, ny); the sets are independent of each other.

    Returns:
      the bounds. The standard errors, sqrt(sum of squared influences), take logits as fixed: samples the logits were
      trained or chosen on make L too small. NaN errors where a mean is of a single sample; all NaN for a label that is
      no class.

    Raises:
      ValueError: if the three do not name the same number of modalities, or none.
    """
    if not len(pair_logits) == len(logits) == len(labels):
        raise ValueError(
            "pair_logits, logits and labels must hold one entry for each modality; "
            f"got {len(pair_logits)}, {len(logits)} and {len(labels)}"
        )
    chex.assert_rank(list(logits), 2)
    for rows in zip(logits, labels, strict=True):
        chex.assert_equal_shape_prefix(rows, 1)
    chex.assert_equal_shape_suffix([*pair_logits, *logits], 1)
    own = [_of_label(b, y) for b, y in zip(logits, labels, strict=True)]
    entropy = Estimate(
        conditional_entropy_bound(pair_logits, own), conditional_entropy_standard_error(pair_logits, own)
    )
    num_classes = pair_logits[0].shape[1]
    return UnpairedBounds(
        conditional_entropy=entropy,
        information=_information(entropy, pair_logits, own, labels, num_classes),
        accuracy=_of(entropy, functools.partial(accuracy_lower_bound, num_classes=num_classes, base=math.e)),
        classifier_accuracy=_of(entropy, lambda nats: 1 - nats / math.log(2)),
    )


def _of_label(logits: Array, labels: Array) -> Array:
    known = (labels >= 0) & (labels < logits.shape[1])
    return jnp.where(known, jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0], jnp.nan)


def _information(
    entropy: Estimate, pair_logits: Samples, own: Sequence[Array], labels: Samples, num_classes: int
) -> Estimate:
    """H(Y) - L; the labels enter both terms, so their influences are added before they are squared."""
    dtype = entropy.value.dtype
    total = sum(y.shape[0] for y in labels)
    counts = functools.reduce(jnp.add, [jnp.bincount(y, length=num_classes) for y in labels])
    frequency = counts.astype(dtype) / total
    label_entropy = -jnp.sum(xlogx(frequency))
    surprise = -log_or_zero(frequency) - label_entropy
    influences = [(b - jnp.mean(b)) / b.shape[0] + surprise[y] / total for b, y in zip(own, labels, strict=True)]
    rows = jax.nn.logsumexp(functools.reduce(jnp.add, list(pair_logits)), axis=1)
    squares = [jnp.sum(x**2) * _unbiased(x.shape[0]) for x in influences]
    squares.append(jnp.sum((rows - jnp.mean(rows)) ** 2) / rows.shape[0] ** 2 * _unbiased(rows.shape[0]))
    return Estimate(label_entropy - entropy.value, jnp.sqrt(functools.reduce(jnp.add, squares)))


def _unbiased(size: int) -> float:
    return size / (size - 1) if size > 1 else math.nan


def _of(entropy: Estimate, fn: Callable[[Array], Array]) -> Estimate:
    """A function of L, by the delta method."""
    value, slope = jax.value_and_grad(fn)(entropy.value)
    return Estimate(value, jnp.abs(slope) * entropy.standard_error)
