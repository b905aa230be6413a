"""Room estimators: total correlation of several variables as a chain of informations."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.estimators._estimator import Estimator
from mmjax.estimators._lower_bounds import info_nce


@functools.partial(jax.jit, static_argnames="estimator")
def total_correlation(
    scores: Sequence[Array] | Array, *, estimator: Estimator[...] = info_nce, negatives: Array | None = None
) -> Array:
    """Return an estimate of the total correlation of M variables from M - 1 score matrices.

    TC = sum_m H(X_m) - H(X_1,...,X_M) (Watanabe 1960) = sum_{m=2..M} I(X_1,...,X_m-1; X_m), each term by one
    estimator with a critic f_m that takes all earlier variables on one side.

    What the estimator is, the sum is: a bound of its side if `estimator.is_bound`, with a ceiling of (M - 1) log b if
    `estimator.log_b_ceiling`; bias and variance add up over the chain.

    Args:
      scores: for m = 2..M the matrix f_m((x_1,...,x_m-1)_i, x_m,j), shape (b, b); or one array (M - 1, b, b).
      estimator: any that takes scores alone; static.
      negatives: boolean (b, b), passed to each: total correlation given a cluster.

    Returns:
      a scalar in nats.

    Raises:
      ValueError: if there is no score matrix, or b < 2.

    Differentiable as the estimator is.
    """
    if len(scores) == 0:
        raise ValueError("expected scores of at least 2 variables, that is 1 matrix; got none")
    return functools.reduce(jnp.add, [estimator(matrix, negatives=negatives) for matrix in scores])
