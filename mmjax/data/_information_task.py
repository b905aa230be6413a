"""Data, information task: two variables to sample whose mutual information is known, and how to make more of them.

The concept is that of Czyz, Grabowski, Vogt, Beerenwinkel & Marx 2023 (arXiv 2306.11078): a base distribution whose
information is known in closed form, and maps that keep the information and make it harder to see.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import chex
import jax
import jax.numpy as jnp
from jax import Array

Sampler = Callable[[Array, int], tuple[Array, Array]]
"""From a key and the number of samples n to x (n, dim_x) and y (n, dim_y)."""


@dataclass(frozen=True)
class InformationTask:
    """Two variables X and Y to sample, and their mutual information.

    A task is hashable, and so may be a static argument of `jax.jit`.
    """

    name: str
    """A name, unique in its catalogue."""
    dim_x: int
    """Dimension of X."""
    dim_y: int
    """Dimension of Y."""
    information: float
    """The mutual information I(X; Y) in nats."""
    information_error: float
    """How far `information` may be from the truth, in nats: 0 for a closed form, evaluated in float64."""
    sample_fn: Sampler
    """The distribution: pure, and traceable for a static number of samples."""

    def sample(self, key: Array, num_samples: int) -> tuple[Array, Array]:
        """Sample pairs.

        Args:
          key: PRNG key. Under `jax.vmap` over keys each has the samples that it has alone.
          num_samples: number of samples n; static.

        Returns:
          x (n, dim_x) and y (n, dim_y), independent draws in JAX's default float.
        """
        return _sample(key, task=self, num_samples=num_samples)


@functools.partial(jax.jit, static_argnames=("task", "num_samples"))
def _sample(key: Array, *, task: InformationTask, num_samples: int) -> tuple[Array, Array]:
    x, y = task.sample_fn(key, num_samples)
    chex.assert_shape(x, (num_samples, task.dim_x))
    chex.assert_shape(y, (num_samples, task.dim_y))
    return x, y


def _unchanged(x: Array) -> Array:
    return x


def transformed_task(
    task: InformationTask,
    *,
    name: str,
    transform_x: Callable[[Array], Array] = _unchanged,
    transform_y: Callable[[Array], Array] = _unchanged,
    dim_x: int | None = None,
    dim_y: int | None = None,
) -> InformationTask:
    """Map both variables of a task, each by an injective function of its own.

    I(f(X); g(Y)) = I(X; Y) for injective f and g, to the same dimension or a higher one (Czyz et al. 2023, arXiv
    2306.11078). That they are injective is on the caller.

    Args:
      task: what to transform.
      name: name of the new task.
      transform_x: f, from (n, task.dim_x) to (n, dim_x), row by row.
      transform_y: g, from (n, task.dim_y) to (n, dim_y), row by row.
      dim_x: dimension of f(X), where it is not that of X.
      dim_y: dimension of g(Y), where it is not that of Y.

    Returns:
      a task with the information of the old one. What the maps do not return in these dimensions fails at sampling.
    """

    def sample(key: Array, num_samples: int) -> tuple[Array, Array]:
        x, y = task.sample_fn(key, num_samples)
        return transform_x(x), transform_y(y)

    return replace(
        task,
        name=name,
        sample_fn=sample,
        dim_x=task.dim_x if dim_x is None else dim_x,
        dim_y=task.dim_y if dim_y is None else dim_y,
    )


def noise_padded_task(task: InformationTask, *, name: str, num_x: int = 0, num_y: int = 0) -> InformationTask:
    """Append coordinates that tell nothing to the variables of a task.

    I((X, U); (Y, V)) = I(X; Y) for U, V ~ N(0, I) independent of each other and of (X, Y). A map that mixes all
    coordinates, such as `spiral`, then hides where the information is.

    Args:
      task: what to pad.
      name: name of the new task.
      num_x: number of coordinates of U.
      num_y: number of coordinates of V.

    Returns:
      a task of dimensions (task.dim_x + num_x, task.dim_y + num_y) with the information of the old one.

    Raises:
      ValueError: if a number is negative.
    """
    if min(num_x, num_y) < 0:
        raise ValueError(f"numbers of noise coordinates must not be negative; got num_x={num_x} and num_y={num_y}")

    def sample(key: Array, num_samples: int) -> tuple[Array, Array]:
        task_key, key_x, key_y = jax.random.split(key, 3)
        x, y = task.sample_fn(task_key, num_samples)
        noise_x = jax.random.normal(key_x, (num_samples, num_x))
        noise_y = jax.random.normal(key_y, (num_samples, num_y))
        return jnp.concatenate([x, noise_x], axis=1), jnp.concatenate([y, noise_y], axis=1)

    return replace(task, name=name, sample_fn=sample, dim_x=task.dim_x + num_x, dim_y=task.dim_y + num_y)
