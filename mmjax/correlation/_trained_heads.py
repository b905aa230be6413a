"""Room correlation: trained common and individual representations in canonical form, so that scores can be read off.

Objectives do not fix a basis: any invertible map of a representation is as good. Here one is chosen, the same for every
run that has learned the same subspaces.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.correlation._cca import inverse_root, leading_signs
from mmjax.correlation._common_individual import CommonIndividual, common_weights_of
from mmjax.correlation._moments import Moments, check_views, covariance, moments


def canonical_heads(
    common: Sequence[Array],
    individual: Sequence[Array],
    features: Sequence[Array],
    *,
    ridge: ArrayLike = 0.0,
) -> CommonIndividual:
    """Bring trained representations into canonical form (ours).

    The common variates are those of `fit_common_individual` of the common representations, all of them. The individual
    ones are white and have the order of a principal component analysis of what they explain: with W the whitening of a
    view's individual representation I and E the residual of its features given its common variates, they are
    (I - mean) W V, V the eigenvectors of W^T cov(I, E) cov(E, I) W, falling. They are as uncorrelated with the common
    ones as training has made them.

    The views of the result are common and individual representation of a view side by side, [C_k, I_k]:

        fit = canonical_heads(commons, individuals, features)
        both = [jnp.concatenate(pair, axis=1) for pair in zip(commons, individuals)]
        a, b = common_variates(fit, both), individual_variates(fit, both)

    Args:
      common: C_k of K >= 2 views (n, d_c), of one width.
      individual: I_k (n, d_k).
      features: what both were made of (n, p_k).
      ridge: of the common part, relative, as in `cca`.

    Returns:
      the directions, 0 where a representation is constant; of each variate the largest covariance with a feature is
      positive, of common ones with a feature of the first view. `explained` is the share of the
      variance of E that the individual variates explain. Not differentiable.

    Raises:
      ValueError: if there are fewer than two views, samples differ in number, or common widths do.
    """
    check_views([*common, *individual, *features], least=2)
    numbers, sizes = {len(common), len(individual), len(features)}, {c.shape[1] for c in common}
    if len(numbers) > 1 or len(common) < 2 or len(sizes) > 1:
        raise ValueError(
            f"expected K >= 2 common representations of one width, as many individual ones and features; got "
            f"{len(common)}, {len(individual)} and {len(features)}, common ones of widths {sorted(sizes)}"
        )
    of = jax.lax.stop_gradient(moments(tuple(common)))
    fit, weights = common_weights_of(of, *sizes, ridge=ridge)
    of_views = [jax.lax.stop_gradient(moments(view)) for view in zip(common, individual, features, strict=True)]
    signs = leading_signs(covariance(of_views[0], 2, 0) @ weights[0])
    weights = tuple(directions * signs[None] for directions in weights)
    rotations, explained = zip(*map(_ordered, of_views, weights), strict=True)
    return CommonIndividual(
        tuple(jnp.pad(a, ((0, i.shape[1]), (0, 0))) for a, i in zip(weights, individual, strict=True)),
        tuple(jnp.pad(b, ((a.shape[0], 0), (0, 0))) for a, b in zip(weights, rotations, strict=True)),
        tuple(jnp.concatenate(of_view.means[:2]) for of_view in of_views),
        fit.correlations,
        jnp.stack(explained),
    )


def _ordered(of: Moments, weights: Array) -> tuple[Array, Array]:
    """Return the directions of individual variates, of the moments of C, I and features, and what they explain."""
    root, _ = inverse_root(weights.T @ covariance(of, 0, 0) @ weights, 0.0)
    by_common = weights @ root
    told = by_common.T @ covariance(of, 0, 2)
    white, _ = inverse_root(covariance(of, 1, 1), 0.0)
    across = white.T @ (covariance(of, 1, 2) - covariance(of, 1, 0) @ by_common @ told)
    values, vectors = jnp.linalg.eigh(across @ across.T)
    values, vectors = values[::-1], vectors[:, ::-1]
    total = jnp.trace(covariance(of, 2, 2))
    left = total - jnp.sum(told**2)
    there = left > 16 * jnp.finfo(total.dtype).eps * total
    explained = jnp.where(there, jnp.sum(values) / jnp.where(there, left, 1), 0)
    return white @ vectors * leading_signs(across.T @ vectors)[None], explained
