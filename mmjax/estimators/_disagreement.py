"""Room estimators: how far the predictions of several modalities are from each other, and what that is worth.

Scores of each modality against the same candidates are predictions of which candidate belongs to a sample. Fused by
their weighted sum they know more than the predictions do on average, by exactly as much as these disagree. (Ours, from
the disagreement bound of `mmjax.synergy.conditional_entropy_bound`, whose label is here the candidate's place.)
"""

import functools
from collections.abc import Sequence

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.estimators._estimator import estimator


@estimator(side=None)
def disagreement(scores: Sequence[Array] | Array, *, weights: Array | None = None) -> Array:
    """Return how much the predictions of modalities disagree (Chernoff's divergence).

    With f_m(j|i) = softmax_j of s_m(i, j),
      D = mean over i of -log sum_j prod_m f_m(j|i)^w_m  >=  0,
    and 0 only where all modalities of positive weight predict the same. For square scores

      info_nce(sum_m w_m s_m) = sum_m w_m info_nce(s_m) + D,

    so that D is what the mean score tells beyond what one modality tells on average, and a lower bound on what all of
    them tell beyond it if predictions are exact: a loss that maximises the first term alone asks each modality to
    recognise the sample by itself, one that maximises the sum lets them differ. The identity holds sample by sample,
    ours; it is the disagreement bound on H(Y|X1,...,XM) with the place of the right candidate as Y.

    Args:
      scores: for each of M >= 1 modalities s_m(i, j) of n samples and b candidates, shape (n, b); or one array
        (M, n, b). Stable for any finite values.
      weights: w_m >= 0 of sum 1, (M,); equal ones by default. Nothing checks them.

    Returns:
      a scalar in nats, at least 0, up to rounding; 0 for one modality.

    Raises:
      ValueError: if there is no modality.

    Differentiable, any number of times.
    """
    if len(scores) == 0:
        raise ValueError("expected scores of one modality or more; got none")
    chex.assert_rank(list(scores), 2)
    chex.assert_equal_shape(list(scores))
    shares = jnp.full(len(scores), 1 / len(scores), scores[0].dtype) if weights is None else weights
    chex.assert_shape(shares, (len(scores),))
    predictions = [jax.nn.log_softmax(of, axis=1) for of in scores]
    mixture = functools.reduce(jnp.add, [share * of for share, of in zip(shares, predictions, strict=True)])
    return -jnp.mean(jax.nn.logsumexp(mixture, axis=1))
