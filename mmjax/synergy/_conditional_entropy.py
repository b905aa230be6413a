"""Room synergy: what no labelled pair is needed to know about H(Y | X1,...,XM), as a loss on raw data.

Among all joints with given marginals p(x1,...,xM) and p(xm,y), the largest H(Y|X1,...,XM) has a dual: a
cross-entropy of additive logits, whose terms need unlabelled tuples or labelled single modalities only.
(Ours, from the maximum-entropy dual of arXiv 2306.04539's lower bound; see `conditional_entropy_bound`.)
"""

import functools
from collections.abc import Sequence

import chex
import jax
import jax.numpy as jnp
from jax import Array


@jax.jit
def conditional_entropy_bound(pair_logits: Sequence[Array] | Array, label_logits: Sequence[Array] | Array) -> Array:
    """Return an upper bound on H(Y | X1,...,XM) from unlabelled tuples and labelled single modalities.

    For any functions B1,...,BM,
      L = E_p(x1..xM) log sum_y exp(sum_m Bm(xm,y)) - sum_m E_p(xm,y) Bm(xm,y)  >=  H(Y | X1,...,XM),
    because L is the cross-entropy of softmax_y(sum_m Bm) under every joint with these marginals. Equality,
    at the best B, is the largest H(Y|X1,...,XM) of such joints. Hence H(Y) - L is a lower bound on
    I(X1,...,XM;Y) that no labelled tuple is needed for; training the Bm to minimise L makes it as large as
    these data allow, and softmax_y(sum_m Bm) is a classifier of cross-entropy at most L. On held-out
    samples L is an unbiased estimate of a bound that holds for the B at hand;
    `conditional_entropy_standard_error` says how exact.

    Examples: Bm = log of any classifier fm times t_m, with sum t_m = 1, gives
    H(Y|X1,X2) <= t CE(f1) + (1-t) CE(f2) - E[-log sum_y f1^t f2^(1-t)], the disagreement bound without its
    condition that the classifiers be optimal. M = 1 gives the usual cross-entropy.

    Args:
      pair_logits: for each modality m its logits Bm(xm, .) on n unlabelled tuples, shape (n, ny); or one
        array (M, n, ny).
      label_logits: for each modality m the logits Bm(xm, y) of the true labels y of its own labelled samples,
        shape (nm,).

    Returns:
      a scalar in nats: the bound with expectations replaced by means.

    Raises:
      ValueError: if the two do not name the same number of modalities, or none.

    Differentiable, any number of times.
    """
    rows = jax.nn.logsumexp(_additive_logits(pair_logits, label_logits), axis=1)
    return jnp.mean(rows) - functools.reduce(jnp.add, [jnp.mean(logits) for logits in label_logits])


@jax.jit
def conditional_entropy_standard_error(
    pair_logits: Sequence[Array] | Array, label_logits: Sequence[Array] | Array
) -> Array:
    """Return the standard error of `conditional_entropy_bound` for fixed logits on independent samples.

    sqrt(Var(log sum_y exp sum_m Bm) / n + sum_m Var(Bm(xm,y)) / nm): the terms come from independent samples.

    Args:
      pair_logits: as in `conditional_entropy_bound`, n >= 2.
      label_logits: as in `conditional_entropy_bound`, nm >= 2, not the samples the logits were trained on.

    Returns:
      a scalar in nats; NaN where a mean is of a single sample.

    Raises:
      ValueError: if the two do not name the same number of modalities, or none.

    Differentiable, with gradient 0 where all terms are constant.
    """
    rows = jax.nn.logsumexp(_additive_logits(pair_logits, label_logits), axis=1)
    variances = [jnp.var(terms, ddof=1) / terms.size for terms in (rows, *label_logits)]
    variance = functools.reduce(jnp.add, variances)
    constant = variance == 0
    return jnp.where(constant, 0, jnp.sqrt(jnp.where(constant, 1, variance)))


def _additive_logits(pair_logits: Sequence[Array] | Array, label_logits: Sequence[Array] | Array) -> Array:
    """The sum of all modalities' logits, (n, ny)."""
    if len(pair_logits) != len(label_logits) or len(pair_logits) == 0:
        raise ValueError(
            "pair_logits and label_logits must hold one entry for each modality; "
            f"got {len(pair_logits)} and {len(label_logits)}"
        )
    chex.assert_rank(list(pair_logits), 2)
    chex.assert_equal_shape(list(pair_logits))
    chex.assert_rank(list(label_logits), 1)
    return functools.reduce(jnp.add, list(pair_logits))
