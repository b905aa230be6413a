"""Data, gaussian: two jointly Gaussian modalities, whose mutual information is known in any dimension."""

import functools
from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.data._batch import Batch, batch_of


@functools.partial(jax.jit, static_argnames=("num_samples", "distort_fn"))
def gaussian_data(
    key: Array, correlations: Array, *, num_samples: int, distort_fn: Callable[[Array], Array] | None = None
) -> Batch:
    """Sample two Gaussian modalities with given canonical correlations.

    x1_i = z_i and x2_i = rho_i z_i + sqrt(1 - rho_i^2) e_i with z, e ~ N(0, I): unit variances, correlation rho_i in
    coordinate i, and independent coordinates.

    Args:
      key: PRNG key.
      correlations: rho (dim,), in (-1, 1).
      num_samples: number of samples; static.
      distort_fn: what happens to both modalities, elementwise; static. An invertible map, such as `lambda x: x**3`,
        keeps their mutual information and is no longer Gaussian.

    Returns:
      modalities "x1" and "x2" (num_samples, dim); there is one class only.
    """
    chex.assert_rank(correlations, 1)
    z, e = jax.random.normal(key, (2, num_samples, correlations.size), correlations.dtype)
    pair = {"x1": z, "x2": correlations[None] * z + jnp.sqrt(1 - correlations[None] ** 2) * e}
    if distort_fn is not None:
        pair = jax.tree.map(distort_fn, pair)
    return batch_of(pair, jnp.zeros(num_samples, jnp.int32))


def gaussian_information(correlations: Array) -> Array:
    """Return the mutual information of `gaussian_data` in nats.

    I(X1; X2) = -1/2 sum_i log(1 - rho_i^2).

    Args:
      correlations: rho (dim,), in (-1, 1).

    Returns:
      a scalar; differentiable.
    """
    return -jnp.sum(jnp.log1p(-(correlations**2))) / 2
