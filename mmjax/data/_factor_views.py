"""Data, factor views: views of factors that all of them share and of factors that each has alone; the truth is known.

The generators are ours. A method has to tell what is common from what is individual whichever of them is larger: the
weak-common regime of `linear_views`, its default, defeats those that take the largest variance for what is common, and
the strong-common one those that take it for what is individual.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.data._rotation import random_rotation, rotate

WIDTH = 16
"""Hidden units of each map of `nonlinear_views`."""

NONLINEAR_DIM = 20
"""Dimension of its views; each has 2 factors that it shares and 2 of its own."""

SLOPE = 0.2
"""Of its units, left of 0."""

NONLINEAR_NOISE = 0.1
"""Standard deviation of the noise in its views."""


class FactorViews(NamedTuple):
    """K views, and the factors that they are made of: all independent, of mean 0 and variance 1."""

    views: tuple[Array, ...]
    """Of each view (n, p_k)."""
    common: Array
    """Factors that all views share (n, num_common)."""
    individual: tuple[Array, ...]
    """Factors that each view has alone (n, num_individual)."""


@functools.partial(jax.jit, static_argnames=("num_samples", "dims", "num_common", "num_individual"))
def linear_views(
    key: Array,
    *,
    num_samples: int,
    dims: tuple[int, ...] = (30, 24),
    num_common: int = 3,
    num_individual: int = 3,
    share: Array | float = 0.95,
    common_scale: Array | float = 1.0,
    individual_scale: Array | float = 1.5,
    noise: Array | float = 0.3,
) -> FactorViews:
    """Sample views that are linear in the factors that they share and in those of each alone.

    z, e_k, u_k, eps_k ~ N(0, I) independent; [C_k D_k] orthonormal columns, drawn once a call:

        a_k = sqrt(share) z + sqrt(1 - share) e_k
        x_k = common_scale C_k a_k + individual_scale D_k u_k + noise eps_k

    The population's answers: between any two views, `num_common` canonical correlations are those of
    `linear_views_correlation` and the others are 0; the canonical weights span the columns of C_k, since these are
    eigenvectors of the covariance of x_k. From one view, the best linear model explains as much of z as the canonical
    correlation says, and individual_scale^2 / (individual_scale^2 + noise^2) of u_k.

    The defaults are the weak-common regime, where principal components find the individual factors first. In the
    strong-common one, `common_scale` 1.5 and `individual_scale` 1, they find the common ones, and an individual part
    that is not kept from these is made of them.

    Args:
      key: PRNG key.
      num_samples: number of samples; static. Training and test sets are parts of one sample.
      dims: dimension p_k of each view, for two views or more; static.
      num_common: shared factors; static.
      num_individual: factors of each view alone; static.
      share: squared correlation of a_k with z, in [0, 1].
      common_scale: standard deviation along each column of C_k, without noise.
      individual_scale: the same for D_k.
      noise: standard deviation in every direction.

    Returns:
      the views, z, and the u_k.

    Raises:
      ValueError: if there are fewer than two views, or one of them has too few dimensions for its factors.
    """
    if len(dims) < 2 or min(num_common, num_individual) < 1 or num_common + num_individual > min(dims):
        raise ValueError(
            "linear_views takes two dims or more, each at least num_common + num_individual, both of these at least 1; "
            f"got dims {dims}, num_common {num_common}, num_individual {num_individual}"
        )
    common_key, individual_key, *view_keys = jax.random.split(key, 2 + len(dims))
    common = jax.random.normal(common_key, (num_samples, num_common))
    individual = jax.random.normal(individual_key, (len(dims), num_samples, num_individual))
    views = []
    for view_key, alone, dim in zip(view_keys, individual, dims, strict=True):
        own_key, loading_key, noise_key = jax.random.split(view_key, 3)
        seen = jnp.sqrt(share) * common + jnp.sqrt(1 - share) * jax.random.normal(own_key, common.shape)
        factors = jnp.concatenate([common_scale * seen, individual_scale * alone], axis=1)
        signal = rotate(factors, random_rotation(loading_key, dim=dim)[: factors.shape[1]])
        views.append(signal + noise * jax.random.normal(noise_key, signal.shape))
    return FactorViews(tuple(views), common, tuple(individual))


def linear_views_correlation(share: Array | float, common_scale: Array | float, noise: Array | float) -> Array | float:
    """Return the canonical correlation of two views of `linear_views`, that of each of their shared factors.

    share common_scale^2 / (common_scale^2 + noise^2), for all of them, whatever is individual. Generalised CCA
    of K views (MAXVAR) has 1 + (K - 1) times this in its place.

    Args:
      share: as there.
      common_scale: as there.
      noise: as there.

    Returns:
      a number in [0, 1].
    """
    return share * common_scale**2 / (common_scale**2 + noise**2)


@functools.partial(jax.jit, static_argnames="num_samples")
def nonlinear_views(key: Array, *, num_samples: int) -> FactorViews:
    """Sample two views of dimension 20 that bend 2 shared factors and 2 of each view alone.

    z, u_k ~ U(-sqrt 3, sqrt 3); A_k (16, 4) and B_k (20, 16) of orthonormal columns and c_k ~ N(0, I), drawn once a
    call; eps_k ~ N(0, I):

        x_k = B_k leaky_relu(2 A_k [z, u_k] + c_k / 2) + 0.1 eps_k,  of slope 0.2 left of 0

    The maps are injective: without noise each view knows its four factors exactly, and a linear model of it
    almost. Canonical variates of networks correlate more than linear ones, and are some bent version of z; and since
    views share whatever is made of z, such as its squares, correlations beyond the second are not 0 even for linear
    ones.

    Args:
      key: PRNG key.
      num_samples: number of samples; static. Training and test sets are parts of one sample.

    Returns:
      the views, z, and the u_k.
    """
    factor_key, view_key = jax.random.split(key)
    common, *individual = jax.random.uniform(factor_key, (3, num_samples, 2), minval=-(3**0.5), maxval=3**0.5)
    views = [
        _bent(key, jnp.concatenate([common, alone], axis=1))
        for key, alone in zip(jax.random.split(view_key), individual, strict=True)
    ]
    return FactorViews(tuple(views), common, tuple(individual))


def _bent(key: Array, factors: Array) -> Array:
    """Map factors (n, 4) to a view of `nonlinear_views`, drawing the map."""
    in_key, bias_key, out_key, noise_key = jax.random.split(key, 4)
    bias = jax.random.normal(bias_key, (WIDTH,)) / 2
    hidden = rotate(2 * factors, random_rotation(in_key, dim=WIDTH)[: factors.shape[1]]) + bias[None]
    view = rotate(jax.nn.leaky_relu(hidden, SLOPE), random_rotation(out_key, dim=NONLINEAR_DIM)[:WIDTH])
    return view + NONLINEAR_NOISE * jax.random.normal(noise_key, view.shape)
