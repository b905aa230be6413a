"""Room pid: posteriors of two modalities that agree about p(y)."""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.numerics import TABLE_TOLERANCE, as_floats, divide_or_zero, is_table, log_or_zero, nan_unless
from mmjax.pid._newton import maximise


class ConsistentPosteriors(NamedTuple):
    """Posteriors on two samples with one p(y), and what was moved."""

    posterior1: Array
    """(n1, ny)."""
    posterior2: Array
    """(n2, ny)."""
    label: Array
    """(ny,), the common p(y): the weighted mean of either modality's posteriors."""
    distance: Array
    """Larger total-variation distance, of the two, between a table p(x, y) and its projection."""


@jax.jit
def project_posteriors(
    posterior1: ArrayLike,
    posterior2: ArrayLike,
    *,
    label: ArrayLike | None = None,
    weights1: ArrayLike | None = None,
    weights2: ArrayLike | None = None,
) -> ConsistentPosteriors:
    """Move the posteriors of two samples to agree about p(y).

    Each row becomes softmax_y(log posterior + v(y)) with one offset v for each class, such that the weighted mean
    of the rows is p(y): the I-projection of the table p(x, y) onto its old p(x) and the new p(y) (Csiszar 1975),
    found by Newton. It keeps odds ratios and zeros, and is the identity where the posteriors agree already. What
    Newton cannot reach (zeros may contradict p(y)) is added as an independent product, as in
    `mmjax.information.project_marginals`, so that the totals always agree to rounding.

    Args:
      posterior1: (n1, ny), rows that sum to 1.
      posterior2: (n2, ny); n2 may differ from n1.
      label: (ny,), the p(y) to agree about, such as the label frequencies; None means the mean of the two.
      weights1: (n1,), nonnegative; None means equal ones.
      weights2: (n2,).

    Returns:
      the projected posteriors; NaN where an argument has a negative entry, a NaN, or a row that does not sum to 1.

    Not differentiable: constants to whatever is computed from them.
    """
    posterior1, posterior2 = as_floats(*jax.lax.stop_gradient((posterior1, posterior2)))
    chex.assert_rank([posterior1, posterior2], 2)
    chex.assert_equal_shape_suffix([posterior1, posterior2], 1)
    weights = (row_weights(posterior1, weights1), row_weights(posterior2, weights2))
    posteriors = (_normalised(posterior1), _normalised(posterior2))
    means = [jnp.sum(w[:, None] * p, axis=0) for w, p in zip(weights, posteriors, strict=True)]
    target = (means[0] + means[1]) / 2 if label is None else jnp.asarray(label, posterior1.dtype)
    chex.assert_shape(target, (posterior1.shape[1],))
    target = nan_unless(is_table(target), target) / jnp.sum(target)
    moved = [tilt(p, w, target) for p, w in zip(posteriors, weights, strict=True)]
    changes = [jnp.sum(w[:, None] * jnp.abs(p - old)) / 2 for w, p, old in zip(weights, moved, posteriors, strict=True)]
    valid = jnp.isfinite(changes[0]) & jnp.isfinite(changes[1])
    return ConsistentPosteriors(*(nan_unless(valid, x) for x in (*moved, target, jnp.max(jnp.stack(changes)))))


def row_weights(posterior: Array, weights: ArrayLike | None) -> Array:
    """Return weights (n,) that sum to 1; NaN if one is negative."""
    if weights is None:
        return jnp.full(posterior.shape[:1], 1 / posterior.shape[0], posterior.dtype)
    weights = jnp.asarray(jax.lax.stop_gradient(weights)).astype(posterior.dtype)
    chex.assert_equal_shape([weights, posterior[:, 0]])
    return nan_unless(jnp.all(weights >= 0), weights) / jnp.sum(weights)


def tilt(posterior: Array, weights: Array, target: Array) -> Array:
    """Project rows (n, ny) of sum 1, weighted by (n,), onto the mean `target` (ny,)."""
    logs = jnp.log(posterior)

    def dual(offset: Array) -> Array:
        rows = jax.nn.logsumexp(logs + offset[None], axis=1)
        return jnp.sum(target * offset) - jnp.sum(weights * rows)

    offset = maximise(dual, jnp.zeros_like(target))
    table = weights[:, None] * jax.nn.softmax(logs + offset[None], axis=1)
    table = table * jnp.minimum(1, divide_or_zero(target, jnp.sum(table, axis=0)))[None]
    missing = jnp.maximum(target - jnp.sum(table, axis=0), 0)
    share = divide_or_zero(missing, jnp.broadcast_to(jnp.sum(missing), missing.shape))
    table = table + jnp.maximum(weights - jnp.sum(table, axis=1), 0)[:, None] * share[None]
    rows = jnp.broadcast_to(weights[:, None], table.shape)
    return jnp.where(rows == 0, posterior, divide_or_zero(table, rows))


def posterior_information(posterior: Array, weights: Array) -> Array:
    """Return I(X;Y) in nats of the table weights * posterior."""
    label = jnp.sum(weights[:, None] * posterior, axis=0)
    return jnp.sum(weights[:, None] * posterior * (log_or_zero(posterior) - log_or_zero(label)[None]))


def _normalised(posterior: Array) -> Array:
    total = jnp.sum(posterior, axis=1, keepdims=True)
    valid = jnp.all(posterior >= 0) & jnp.all(jnp.abs(total - 1) <= TABLE_TOLERANCE)
    return nan_unless(valid, posterior) / total
