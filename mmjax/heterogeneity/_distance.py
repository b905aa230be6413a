"""Room heterogeneity: distances between nodes, from how badly each transfers to the other."""

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.numerics import as_floats


def distance(transfer: ArrayLike, *, standard_error: ArrayLike | None = None, num_errors: ArrayLike = 1.0) -> Array:
    """Turn a transfer matrix into distances: what is lost in both directions, gains counted as no loss.

      d(i, j) = max(T(i -> j), 0) + max(T(j -> i), 0),  d(i, i) = 0

    (Liang et al. 2023, arXiv 2203.01311, section 2.1), for pairs of modalities as for modalities. Clipping counts
    noise on one side only: where both T are 0 with standard error s, d is 2 s / sqrt(2 pi), 0.80 s, on average. With
    `standard_error`, each direction counts only as far as it exceeds `num_errors` of these (ours): the average is then
    0.17 s at one, 0.02 s at two, and a true loss is understated by as many.

    Distances are symmetric and not negative; triangle inequalities need not hold (`triangle_share`). Several seeds:
    average the transfer matrices first, as less noise is left to clip.

    Args:
      transfer: (n, n) signed, axes (source, target).
      standard_error: (n, n) of it, in the same units; None clips at 0.
      num_errors: how many standard errors a loss must exceed, >= 0.

    Returns:
      (n, n), in the units of `transfer`; NaN in either direction gives NaN. Differentiable; 0 at the corner.
    """
    transfer, error = as_floats(transfer, 0.0 if standard_error is None else standard_error)
    chex.assert_rank(transfer, 2)
    chex.assert_shape(transfer, transfer.shape[::-1])
    if standard_error is not None:
        chex.assert_equal_shape([transfer, error])
        transfer = transfer - jnp.asarray(num_errors, transfer.dtype) * error
    loss = jax.nn.relu(transfer)
    return jnp.where(jnp.eye(len(loss), dtype=bool), 0, loss + loss.T)
