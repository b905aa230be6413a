"""Data, mixture tasks: Gaussian mixtures of two scalars, their information by quadrature, and tasks made of them."""

import functools
import math
from collections.abc import Mapping
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from mmjax.data._information_maps import spiral
from mmjax.data._information_task import InformationTask, noise_padded_task, transformed_task

NUM_NODES = 256
SPAN = 8.0
"""Half the width of the quadrature's grid in standard deviations: beyond it lies less than 1e-14 of the mass."""


def gaussian_mixture_task(
    weights: ArrayLike, means: ArrayLike, covariances: ArrayLike, *, name: str
) -> InformationTask:
    """Make a task of two scalars with a Gaussian mixture for a distribution.

    (X, Y) ~ sum_k weights_k N(means_k, covariances_k). I(X; Y) = E log p(x, y) / (p(x) p(y)) has no closed form; it is
    summed over a grid in the whitened coordinates of each component, in numpy's float64. The trapezoidal rule
    converges faster than any power of the step, and its error is estimated by the change from half as many nodes.

    Args:
      weights: of the components (k,), positive and of sum 1; concrete arrays, here and below.
      means: of the components (k, 2).
      covariances: of the components (k, 2, 2), symmetric and positive definite.
      name: name of the task.

    Returns:
      the task, of dimensions (1, 1), with `information_error`, which grows with the ratio of the components' widths.

    Raises:
      ValueError: if the shapes do not fit, the weights are no distribution, or a covariance is not positive definite.
    """
    weights, means, covariances = (np.asarray(part, float) for part in (weights, means, covariances))
    k = weights.size
    if (weights.shape, means.shape, covariances.shape) != ((k,), (k, 2), (k, 2, 2)):
        raise ValueError(
            f"expected weights (k,), means (k, 2), covariances (k, 2, 2); got {weights.shape}, "
            f"{means.shape}, {covariances.shape}"
        )
    if not (np.all(weights > 0) and np.isclose(weights.sum(), 1)):
        raise ValueError(f"weights must be positive and sum to 1; got {weights}")
    if not (np.allclose(covariances, covariances.swapaxes(1, 2)) and np.all(np.linalg.eigvalsh(covariances) > 0)):
        raise ValueError("covariances must be symmetric and positive definite")
    factors = np.linalg.cholesky(covariances)

    def sample(key: Array, num_samples: int) -> tuple[Array, Array]:
        component_key, normal_key = jax.random.split(key)
        white = jax.random.normal(normal_key, (num_samples, 2))
        component = jax.random.choice(component_key, k, (num_samples,), p=jnp.asarray(weights, white.dtype))
        mean, factor = (jnp.asarray(part, white.dtype)[component] for part in (means, factors))
        xy = mean + jnp.einsum("nij,nj->ni", factor, white, precision=jax.lax.Precision.HIGHEST)
        return xy[:, :1], xy[:, 1:]

    information = _quadrature(weights, means, covariances, factors, num_nodes=NUM_NODES)
    coarse = _quadrature(weights, means, covariances, factors, num_nodes=NUM_NODES // 2)
    return InformationTask(
        name=name,
        dim_x=1,
        dim_y=1,
        information=information,
        information_error=abs(information - coarse),
        sample_fn=sample,
    )


def _quadrature(
    weights: np.ndarray, means: np.ndarray, covariances: np.ndarray, factors: np.ndarray, *, num_nodes: int
) -> float:
    """Return I(X; Y) of a mixture by the trapezoidal rule with (num_nodes + 1)^2 points a component."""
    nodes = np.linspace(-SPAN, SPAN, num_nodes + 1)
    mass = np.exp(-(nodes**2) / 2)
    mass /= mass.sum()
    u, v = np.meshgrid(nodes, nodes, indexing="ij")
    total = 0.0
    for weight, mean, factor in zip(weights, means, factors, strict=True):
        x = mean[0] + factor[0, 0] * u
        y = mean[1] + factor[1, 0] * u + factor[1, 1] * v
        pointwise = (
            _log_density(weights, means, covariances, x, y)
            - _log_marginal(weights, means[:, 0], covariances[:, 0, 0], x[:, :1])
            - _log_marginal(weights, means[:, 1], covariances[:, 1, 1], y)
        )
        total += float(weight * (mass @ pointwise @ mass))
    return total


def _log_marginal(weights: np.ndarray, means: np.ndarray, variances: np.ndarray, x: np.ndarray) -> np.ndarray:
    terms = [
        np.log(weight / np.sqrt(2 * np.pi * variance)) - (x - mean) ** 2 / (2 * variance)
        for weight, mean, variance in zip(weights, means, variances, strict=True)
    ]
    return np.asarray(logsumexp(terms, axis=0))


def _log_density(
    weights: np.ndarray, means: np.ndarray, covariances: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    terms = []
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        dx, dy = x - mean[0], y - mean[1]
        det = np.linalg.det(covariance)
        square = (covariance[1, 1] * dx**2 - 2 * covariance[0, 1] * dx * dy + covariance[0, 0] * dy**2) / det
        terms.append(np.log(weight / (2 * np.pi * np.sqrt(det))) - square / 2)
    return np.asarray(logsumexp(terms, axis=0))


@functools.cache
def mixture_tasks() -> Mapping[str, InformationTask]:
    """Return the tasks made of Gaussian mixtures, whose pointwise information is far from normal.

    Those of Czyz, Grabowski, Vogt, Beerenwinkel & Marx 2023 (arXiv 2310.10240): "X", two crossed normals; "AI", six
    that draw the letters; "Waves" and "Galaxy", a plane with a scalar. The last two are mixtures of two scalars,
    padded with noise and bent: in "Waves" the plane's second coordinate is noise, in "Galaxy" the direction across
    that of the two means, by which the padding is exact (ours).

    Returns:
      the four by name, their informations .41, .78, 1.31 and .49 nats, with `information_error` below 1e-4. They are
      computed at the first call, in about a second.
    """
    return MappingProxyType({task.name: task for task in (_crossed(), _letters(), _waves(), _galaxy())})


def _crossed() -> InformationTask:
    covariances = [[[1, correlation], [correlation, 1]] for correlation in (-0.9, 0.9)]
    return gaussian_mixture_task([0.5, 0.5], np.zeros((2, 2)), covariances, name="X")


def _letters() -> InformationTask:
    slant = 0.95 * math.sqrt(0.04 * 0.2)
    stem = [[0.01, 0], [0, 0.2]]
    serif = [[0.05, 0], [0, 0.001]]
    bar = [[0.03, 0], [0, 0.001]]
    left, right = ([[0.04, sign * slant], [sign * slant, 0.2]] for sign in (1, -1))
    return gaussian_mixture_task(
        np.full(6, 1 / 6),
        np.array([[1, 0], [1, 1], [1, -1], [-0.8, -0.2], [-1.2, 0], [-0.4, 0]]),
        [stem, serif, serif, bar, left, right],
        name="AI",
    )


def _waves() -> InformationTask:
    k = np.arange(12)
    centres = 1.5 * np.stack([k, k % 4], axis=1)
    columns = gaussian_mixture_task(np.full(12, 1 / 12), centres, np.tile(0.1 * np.eye(2), (12, 1, 1)), name="columns")

    def bend(x: Array) -> Array:
        across = x[:, 0] + 5 * jnp.sin(3 * x[:, 1])
        return jnp.stack([0.1 * across - 0.8, 0.5 * x[:, 1]], axis=1)

    return transformed_task(noise_padded_task(columns, name="padded", num_x=1), name="Waves", transform_x=bend)


def _galaxy() -> InformationTask:
    centres = 1.5 * np.array([[-np.sqrt(2), -1], [np.sqrt(2), 1]])
    balls = gaussian_mixture_task([0.5, 0.5], centres, np.tile(np.eye(2), (2, 1, 1)), name="balls")

    def bend(x: Array) -> Array:
        along, across = x[:, 0], x[:, 1]
        return spiral(jnp.stack([along - across, along + across], axis=1) / math.sqrt(2), speed=0.5)

    return transformed_task(noise_padded_task(balls, name="padded", num_x=1), name="Galaxy", transform_x=bend)
