"""Room pid: joints of two samples from alignment scores, and their information about the label.

Alignment scores A(x1, x2, y), from any network, and posteriors p(y|x1), p(y|x2) on a batch give one joint q with the
tables p(x1, y), p(x2, y) of the batch: exp A, scaled class by class. Its information is an upper end of the union
information of the batch, to be minimised over the network (BATCH; Liang et al. 2023, arXiv 2302.12247).
"""

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.numerics import as_floats, divide_or_zero, log_or_zero, nan_unless, scaled_entropy, xlogx
from mmjax.pid._totals import project_posteriors, row_weights

ABSENT = -1e30
"""Log of no mass, finite so that differences and derivatives are."""


class Alignment(NamedTuple):
    """A joint of two samples and a label."""

    q: Array
    """(n1, n2, ny); on the marginals to rounding."""
    error: Array
    """Total-variation distance from the marginals before rounding: what more sweeps would remove."""


@functools.partial(jax.jit, static_argnames="num_sweeps")
def sinkhorn(
    alignment: ArrayLike,
    posterior1: ArrayLike,
    posterior2: ArrayLike,
    *,
    weights1: ArrayLike | None = None,
    weights2: ArrayLike | None = None,
    num_sweeps: int = 50,
) -> Alignment:
    """Scale exp(alignment) to the joint with the tables p(x1, y) and p(x2, y) of two samples.

    q(i,j,y) = exp(A(i,j,y) + f(i,y) + g(j,y)) with sum_j q = w1_i p(y|x1_i), sum_i q = w2_j p(y|x2_j) for each y, by
    alternate scaling of logarithms (Sinkhorn 1964; Cuturi 2013, arXiv 1306.0895), then moved onto the marginals
    (Altschuler, Weed, Rigollet 2017, arXiv 1705.09634, algorithm 2): q is feasible after any number of sweeps. The
    posteriors are first made to agree about p(y) (`project_posteriors`).

    Args:
      alignment: (n1, n2, ny), any finite scores; +-1e4 do not overflow.
      posterior1: (n1, ny), rows that sum to 1.
      posterior2: (n2, ny).
      weights1: (n1,), nonnegative; None means equal ones.
      weights2: (n2,).
      num_sweeps: sweeps over both modalities, static.

    Returns:
      the joint and its error before rounding; NaN where a posterior is none.

    Raises:
      ValueError: if `num_sweeps` is not positive.

    Differentiable in `alignment` through the sweeps, which are done again rather than stored; posteriors and weights
    are constants. Memory O(n1 n2 ny).
    """
    if num_sweeps < 1:
        raise ValueError(f"num_sweeps must be 1 or more; got {num_sweeps}")
    alignment, posterior1, posterior2 = as_floats(alignment, posterior1, posterior2)
    chex.assert_rank([alignment, posterior1, posterior2], [3, 2, 2])
    chex.assert_shape(alignment, (posterior1.shape[0], *posterior2.shape))
    both = project_posteriors(posterior1, posterior2, weights1=weights1, weights2=weights2)
    first = row_weights(posterior1, weights1)[:, None] * both.posterior1
    second = row_weights(posterior2, weights2)[:, None] * both.posterior2
    q = _scale(alignment, first, second, num_sweeps)
    error = (jnp.sum(jnp.abs(jnp.sum(q, axis=1) - first)) + jnp.sum(jnp.abs(jnp.sum(q, axis=0) - second))) / 2
    return Alignment(nan_unless(jnp.isfinite(both.distance), move_onto(q, first, second)), error)


@functools.partial(jax.jit, static_argnames="num_sweeps")
def aligned_information(
    alignment: ArrayLike,
    posterior1: ArrayLike,
    posterior2: ArrayLike,
    *,
    weights1: ArrayLike | None = None,
    weights2: ArrayLike | None = None,
    num_sweeps: int = 50,
) -> Array:
    """Return I_q(X1,X2;Y) of the joint that alignment scores give on a batch: the loss of the BATCH estimator.

    q is that of `sinkhorn` (Liang et al. 2023, arXiv 2302.12247; there without common totals and rounding). For any
    scores it is at least the union information of the batch, whose both ends `from_posteriors` gives; minimising it
    over an alignment network approaches that. Redundancy is I(X1;Y) + I(X2;Y) minus it.

    Args:
      alignment: (n1, n2, ny), scores of the pairs of a batch.
      posterior1: (n1, ny).
      posterior2: (n2, ny).
      weights1: (n1,), nonnegative; None means equal ones.
      weights2: (n2,).
      num_sweeps: as in `sinkhorn`, static.

    Returns:
      a scalar in nats, between the union information of the batch and the entropy of its p(y); NaN where a posterior
      is none. Of the posteriors as given: a bound for them, not for wrong ones.

    Raises:
      ValueError: if `num_sweeps` is not positive.

    Differentiable in `alignment`.
    """
    q, _ = sinkhorn(alignment, posterior1, posterior2, weights1=weights1, weights2=weights2, num_sweeps=num_sweeps)
    return scaled_entropy(jnp.sum(q, axis=(0, 1))) + negative_conditional_entropy(q)


def negative_conditional_entropy(q: Array) -> Array:
    """Return -H(Y|X1,X2) in nats of a joint (n1, n2, ny)."""
    return jnp.sum(xlogx(q)) - jnp.sum(xlogx(jnp.sum(q, axis=2)))


def move_onto(q: Array, first: Array, second: Array) -> Array:
    """Move a joint (n1, n2, ny) onto its marginals: shrink what exceeds them, hand out what is missing."""
    q = q * jnp.minimum(1, divide_or_zero(first, jnp.sum(q, axis=1)))[:, None]
    q = q * jnp.minimum(1, divide_or_zero(second, jnp.sum(q, axis=0)))[None]
    missing1 = jnp.maximum(first - jnp.sum(q, axis=1), 0)
    missing2 = jnp.maximum(second - jnp.sum(q, axis=0), 0)
    # As in `upper_end`: at most 1, and by the larger of two sums that rounding tells apart.
    most = jnp.maximum(jnp.sum(missing1, axis=0), jnp.sum(missing2, axis=0))
    share = jnp.minimum(1, divide_or_zero(missing2, jnp.broadcast_to(most, missing2.shape)))
    return q + missing1[:, None] * share[None]


def _scale(alignment: Array, first: Array, second: Array, num_sweeps: int) -> Array:
    logs1, logs2 = (jnp.where(table > 0, log_or_zero(table), ABSENT) for table in (first, second))

    @jax.checkpoint
    def sweep(state: tuple[Array, Array], nothing: None) -> tuple[tuple[Array, Array], None]:
        g = state[1]
        f = jnp.where(first > 0, logs1 - jax.nn.logsumexp(alignment + g[None], axis=1), ABSENT)
        g = jnp.where(second > 0, logs2 - jax.nn.logsumexp(alignment + f[:, None], axis=0), ABSENT)
        return (f, g), None

    start = (jnp.zeros_like(first), jnp.where(second > 0, 0, logs2))
    f, g = jax.lax.scan(sweep, start, length=num_sweeps)[0]
    return jnp.exp(alignment + f[:, None] + g[None])
