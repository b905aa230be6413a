"""Room synergy: the disagreement bound for given classifiers, as the best scales of their logits."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.optimize import minimize
from jax.typing import ArrayLike

from mmjax.synergy._conditional_entropy import conditional_entropy_bound, conditional_entropy_standard_error


@jax.jit
def classifier_scales(
    pair_logits: Sequence[Array] | Array, label_logits: Sequence[Array] | Array, *, caution: ArrayLike = 3.0
) -> Array:
    """Return the scales t that make the bound of `conditional_entropy_bound` from given classifiers least.

    With Bm = tm log fm, L(t) = sum_m tm CE(fm) + E log sum_y prod_m fm(y|xm)^tm bounds H(Y|X1,...,XM) for all real t:
    the classifiers need be neither calibrated nor optimal. t = (1, 0, ..., 0) gives the cross-entropy of f1, and
    t1 + t2 = 1 the disagreement bound of two classifiers (after Liang et al. 2023, arXiv 2306.04539, whose form needs
    the optimal ones); t1 + t2 > 1 is better where modalities complement each other. L(t) + caution SE(t) is minimised
    from equal scales by BFGS, SE the standard error: on finitely many samples L alone may fall without end. Ours.

    Args:
      pair_logits: for each of the M modalities its classifier's logits on n unlabelled tuples, (n, ny), finite; as
        log-probabilities, for the variance's sake.
      label_logits: for each modality its classifier's logits of the true labels of its labelled samples, (nm,), of the
        same normalisation.
      caution: standard errors added to L; 0 for distributions that are known exactly.

    Returns:
      t (M,), never worse than equal ones. For a held-out bound choose t on other samples than it is evaluated on.

    Raises:
      ValueError: as `conditional_entropy_bound`.

    Not meant to be differentiated.
    """
    pair_logits, label_logits = jax.lax.stop_gradient((list(pair_logits), list(label_logits)))

    def cautious(scales: Array) -> Array:
        scaled = [[t * b for t, b in zip(scales, logits, strict=True)] for logits in (pair_logits, label_logits)]
        error = conditional_entropy_standard_error(*scaled)
        return conditional_entropy_bound(*scaled) + jnp.asarray(caution, error.dtype) * error

    start = jnp.full(len(pair_logits), 1 / len(pair_logits), pair_logits[0].dtype)
    found = minimize(cautious, start, method="BFGS")
    return jnp.where(found.fun <= cautious(start), found.x, start)
