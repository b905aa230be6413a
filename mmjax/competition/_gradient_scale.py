"""Room competition: scaling what flows back through a value, without changing the value."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike


@jax.custom_jvp
def _scaled(x: Array, factor: Array) -> Array:
    return x


@_scaled.defjvp
def _scaled_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    x, factor = primals
    return x, factor * tangents[0]


def gradient_scale(x: Array, factor: ArrayLike) -> Array:
    """Return x; derivatives by x are multiplied by a factor, derivatives by the factor are 0.

    With factor 0 it is `jax.lax.stop_gradient`, with factor -1 the gradient reversal of Ganin & Lempitsky (2015, arXiv
    1409.7495).

    Args:
      x: any array.
      factor: a scalar, or of a shape that broadcasts to that of `x`; may be traced.

    Returns:
      x. In forward mode its tangent is scaled alike.
    """
    return _scaled(x, jnp.asarray(factor, x.dtype))
