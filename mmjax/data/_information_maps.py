"""Data, information maps: injective functions of one variable, which keep its information with any other.

They are those of Czyz, Grabowski, Vogt, Beerenwinkel & Marx 2023 (arXiv 2306.11078). Two more of theirs are in JAX:
`jax.scipy.special.ndtr`, after which normal coordinates are uniform, and `jax.numpy.arcsinh`, which makes tails short.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtr


def half_cube(x: Array) -> Array:
    """Return x sqrt(|x|) of each coordinate: longer tails.

    Args:
      x: any shape.

    Returns:
      an array of the shape of `x`, of its signs, |x|^(3/2) in size.
    """
    return x * jnp.sqrt(jnp.abs(x))


def wiggle(x: Array, waves: Sequence[tuple[float, float, float]]) -> Array:
    """Return x + sum_k a_k sin(f_k x + c_k) of each coordinate: densities with ripples.

    Args:
      x: any shape.
      waves: (a_k, f_k, c_k) of each wave; static. The map is strictly increasing if sum_k |a_k f_k| < 1.

    Returns:
      an array of the shape of `x`.

    Raises:
      ValueError: if the sum is not below 1.
    """
    slope = sum(abs(amplitude * frequency) for amplitude, frequency, _ in waves)
    if not slope < 1:
        raise ValueError(f"the amplitudes times the frequencies must sum to less than 1; got {slope:.3g}")
    return x + sum(amplitude * jnp.sin(frequency * x + phase) for amplitude, frequency, phase in waves)


def mixture_quantile(z: Array, weights: Sequence[float], means: Sequence[float]) -> Array:
    """Map N(0, 1) to a mixture of normals of variance 1 by its quantiles: densities with several modes.

    q with F(q) = Phi(z), F the distribution function of sum_k weights_k N(means_k, 1). It lies between z plus the
    least and z plus the greatest of the means, and is found there by bisection; where z > 0 the upper tails are
    compared, so that both tails keep their digits.

    Args:
      z: standard normal coordinates, any shape.
      weights: of the components, positive and of sum 1; static.
      means: of the components; static.

    Returns:
      an array of the shape of `z`, increasing in it; not differentiable.
    """
    components = list(zip(weights, means, strict=True))
    sign = jnp.where(z > 0, -1, 1).astype(z.dtype)
    tail = ndtr(sign * z)

    def halve(_: int, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        excess = sum(weight * ndtr(sign * (middle - mean)) for weight, mean in components) - tail
        below = sign * excess < 0
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    num_halvings = jnp.finfo(z.dtype).nmant + 4
    low, high = jax.lax.fori_loop(0, num_halvings, halve, (z + min(means), z + max(means)))
    return (low + high) / 2


def spiral(x: Array, *, speed: float, plane: tuple[int, int] = (0, 1)) -> Array:
    """Rotate each point by an angle in proportion to its squared norm.

    (x_i, x_j) turns by speed |x|^2, and the other coordinates stay. The norm stays too, so that the same map with
    -speed undoes it.

    Args:
      x: points (n, dim), dim >= 2.
      speed: the angle in radians of a point of norm 1; static.
      plane: (i, j), the two coordinates that turn; static.

    Returns:
      points (n, dim).
    """
    i, j = plane
    angle = speed * jnp.sum(x**2, axis=1)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    turned = x.at[:, i].set(cos * x[:, i] - sin * x[:, j])
    return turned.at[:, j].set(sin * x[:, i] + cos * x[:, j])


def swiss_roll(x: Array) -> Array:
    """Roll an interval up in the plane.

    (t cos t, t sin t) / 21 with t = 3/2 pi (1 + 2 x), one turn and a half.

    Args:
      x: points (n, 1) in [0, 1].

    Returns:
      points (n, 2), in [-1, 1].
    """
    t = 1.5 * jnp.pi * (1 + 2 * x)
    return jnp.concatenate([t * jnp.cos(t), t * jnp.sin(t)], axis=1) / 21
