"""Room correlation: gradients of canonical correlations by the data, in closed form.

They say what saliency of linear heads means: the gradient of a sample lies in the span of the canonical weights, and
its coefficients are residuals of predicting the other view, so it vanishes for samples in perfect agreement. Tests hold
the objectives to these formulae; with them no graph need be differentiated.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array

from mmjax.correlation._cca import cca, projected
from mmjax.correlation._gcca import consensus, gcca


def correlation_gradient(x: Array, y: Array, num_correlations: int) -> Array:
    """Return the gradient by `x` of the sum of the largest canonical correlations: (b - a D) A^T / (n - 1).

    a and b are the canonical variates of the two views, A the weights of the first, D = diag(rho) (equivalent to the
    gradient of Andrew, Arora, Bilmes, Livescu 2013; the form is ours).

    Args:
      x: first view (n, d1).
      y: second view (n, d2).
      num_correlations: how many are summed, the last of which must not tie with the next; static.

    Returns:
      (n, d1), the gradient of `trace_norm(x, y, ridge=0.0, num_correlations=num_correlations)`.
    """
    fit = cca(x, y, num_correlations)
    a, b = map(projected, (x, y), fit.means, fit.weights)
    return _scaled(b - a * fit.correlations[None], fit.weights[0])


def squared_correlation_gradient(x: Array, y: Array) -> Array:
    """Return the gradient by `x` of the sum of all squared canonical correlations: 2 (b - a D) D A^T / (n - 1).

    Args:
      x: first view (n, d1).
      y: second view (n, d2).

    Returns:
      (n, d1), the gradient of `sum_squares(x, y, ridge=0.0)`.
    """
    fit = cca(x, y, min(x.shape[1], y.shape[1]))
    a, b = map(projected, (x, y), fit.means, fit.weights)
    return 2 * _scaled((b - a * fit.correlations[None]) * fit.correlations[None], fit.weights[0])


def maxvar_gradient(views: Sequence[Array], view: int, num_components: int) -> Array:
    """Return the gradient by one view of the sum of the largest eigenvalues of generalised CCA: 2 (g - a U^T) U^T.

    Per n - 1: g are the components, of variance 1, and a = (x - mean) U their least-squares predictions from the view:
    again a residual times the weights (ours).

    Args:
      views: K >= 2 arrays (n, d_k).
      view: which one.
      num_components: how many eigenvalues are summed, the last of which must not tie with the next; static.

    Returns:
      (n, d_view), the gradient of `maxvar(views, num_components, ridge=0.0)`.
    """
    fit = gcca(views, num_components)
    predicted = projected(views[view], fit.means[view], fit.weights[view])
    return 2 * _scaled(consensus(fit, views) - predicted, fit.weights[view])


def _scaled(coefficients: Array, weights: Array) -> Array:
    return coefficients @ weights.T / jnp.asarray(coefficients.shape[0] - 1, weights.dtype)
