"""Room competition: lengths and directions of vectors, with derivatives of 0 where a vector is too short for one."""

import jax.numpy as jnp
from jax import Array


def norm(x: Array, axis: int = -1) -> Array:
    """Return the Euclidean length along an axis; value and derivative are 0 below the dtype's eps."""
    squares = jnp.sum(x**2, axis=axis)
    short = squares <= jnp.finfo(x.dtype).eps ** 2  # NaN is not
    return jnp.where(short, 0, jnp.sqrt(jnp.where(short, 1, squares)))


def normalised(x: Array, axis: int = -1) -> Array:
    """Return vectors of length 1 along an axis; zeros, and derivatives of 0, for those shorter than the dtype's eps."""
    length = jnp.expand_dims(norm(x, axis), axis)
    short = length == 0
    return jnp.where(short, 0, x / jnp.where(short, 1, length))
