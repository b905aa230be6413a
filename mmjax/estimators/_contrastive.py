"""Room estimators: the supervised contrastive loss."""

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.estimators._estimator import estimator
from mmjax.estimators._negatives import negatives_of, same_cluster, weighted_sum


@estimator(side=None)
def supervised_contrastive(similarities: Array, labels: Array) -> Array:
    """Return the supervised contrastive loss.

    Mean over anchors i of -1/|P(i)| sum_{p in P(i)} log( exp s_ip / sum_{a != i} exp s_ia ), P(i) the other samples of
    label i: the form with the sum outside the logarithm (Khosla et al. 2020, arXiv 2004.11362, equation 2, as a mean).

    A loss to be minimised, NO bound on an information and no estimate of one. Biased by the batch as all softmax
    losses are; low variance. It lies between 0 and about log(b - 1) for similarities of the size of 0.

    Args:
      similarities: s_ij, similarity of samples i and j divided by the temperature, shape (b, b), b >= 2. The diagonal
        is not used. Stable for any finite values.
      labels: (b,), of any dtype that compares. An anchor whose label no other sample has is left out of the mean.

    Returns:
      a scalar in nats, 0 if no label occurs twice.

    Raises:
      ValueError: if b < 2.

    Differentiable in the similarities, any number of times.
    """
    chex.assert_shape(labels, similarities.shape[:1])
    others = negatives_of(similarities, None).allowed
    positives = negatives_of(similarities, same_cluster(labels))
    log_softmax = similarities - jax.nn.logsumexp(similarities, axis=1, where=others, keepdims=True)
    return jnp.where(positives.share > 0, -weighted_sum(positives.weights, log_softmax), 0)
