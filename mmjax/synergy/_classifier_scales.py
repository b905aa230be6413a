"""Room synergy: the disagreement bound for given classifiers, as the best scales of their logits."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.synergy._conditional_entropy import conditional_entropy_bound

NUM_STEPS = 30
_HALVINGS = 8


@jax.jit
def classifier_scales(pair_logits: Sequence[Array] | Array, label_logits: Sequence[Array] | Array) -> Array:
    """Return the scales t that make the bound of `conditional_entropy_bound` from given classifiers least.

    With Bm = tm log fm, L(t) = sum_m tm CE(fm) + E log sum_y prod_m fm(y|xm)^tm bounds H(Y|X1,...,XM) for all real t:
    the classifiers need be neither calibrated nor optimal. t = (1, 0, ..., 0) gives the cross-entropy of f1, and
    t1 + t2 = 1 the disagreement bound of two classifiers (after Liang et al. 2023, arXiv 2306.04539, whose form needs
    the optimal ones); t1 + t2 > 1 is better where modalities complement each other. L is convex in t; its minimum is
    found by damped Newton steps, none of which makes it larger. Ours.

    Args:
      pair_logits: for each of the M modalities its classifier's logits on n unlabelled tuples, (n, ny), finite; any
        normalisation.
      label_logits: for each modality its classifier's logits of the true labels of its labelled samples, (nm,), of the
        same normalisation.

    Returns:
      t (M,). For a held-out bound choose t on other samples than it is evaluated on: chosen on the same ones, the bound
      is too small by about M / (2 n).

    Raises:
      ValueError: as `conditional_entropy_bound`.

    Not meant to be differentiated.
    """
    pair_logits, label_logits = jax.lax.stop_gradient((list(pair_logits), list(label_logits)))

    def bound(scales: Array) -> Array:
        return conditional_entropy_bound(
            [t * b for t, b in zip(scales, pair_logits, strict=True)],
            [t * b for t, b in zip(scales, label_logits, strict=True)],
        )

    def step(scales: Array, _: None) -> tuple[Array, None]:
        slope, curvature = jax.grad(bound)(scales), jax.hessian(bound)(scales)
        damping = jnp.finfo(scales.dtype).eps * (1 + jnp.trace(curvature))
        direction = jnp.linalg.solve(curvature + damping * jnp.eye(scales.size, dtype=scales.dtype), slope)
        lengths = jnp.append(0.5 ** jnp.arange(_HALVINGS, dtype=scales.dtype), 0)
        candidates = scales[None] - lengths[:, None] * direction[None]
        values = jax.vmap(bound)(candidates)
        return candidates[jnp.nanargmin(values)], None

    start = jnp.full(len(pair_logits), 1 / len(pair_logits), pair_logits[0].dtype)
    return jax.lax.scan(step, start, length=NUM_STEPS)[0]
