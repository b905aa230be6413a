"""Room synergy: equations for prices of the pairs (1,3) and (2,3) of a three-way table, lanes last.

A price of a pair is paid by all entries of the line that the pair names; lines run along axis 3, and a matrix for
each says how its entries answer to prices.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

from mmjax import lane_systems
from mmjax.synergy._linear_program import regularised


def factor_pairs(covariance: Array) -> Callable[[Array, Array], tuple[Array, Array]]:
    """Factorise the form sum over i, j of (b_i + c_j)^T covariance_ij (b_i + c_j).

    Args:
      covariance: (n1, n2, n3, n3, lanes), positive semidefinite.

    Returns:
      a function that takes the form's half-gradients by b (n1, n3, lanes) and by c (n2, n3, lanes), and
      returns b and c. Directions without curvature are damped.
    """
    num1, num2, length = covariance.shape[:3]
    by_pair = jnp.transpose(covariance, (0, 2, 1, 3, 4))
    one = block_diagonal(jnp.sum(covariance, axis=1))
    two = block_diagonal(jnp.sum(covariance, axis=0))
    across = by_pair.reshape(num1 * length, num2 * length, -1)
    top = jnp.concatenate([one, across], axis=1)
    bottom = jnp.concatenate([jnp.swapaxes(across, 0, 1), two], axis=1)
    factor = lane_systems.cholesky(regularised(jnp.concatenate([top, bottom])))

    def solve_pairs(b: Array, c: Array) -> tuple[Array, Array]:
        flat = jnp.concatenate([b.reshape(num1 * length, -1), c.reshape(num2 * length, -1)])
        flat = lane_systems.solve_lower_transposed(factor, lane_systems.solve_lower(factor, flat[:, None]))[:, 0]
        return flat[: num1 * length].reshape(b.shape), flat[num1 * length :].reshape(c.shape)

    return solve_pairs


def block_diagonal(diagonal: Array) -> Array:
    """Put matrices (number, size, size, lanes) on the diagonal of one, (number size, number size, lanes)."""
    number, size = diagonal.shape[:2]
    identity = jnp.eye(number, dtype=diagonal.dtype)[:, None, :, None, None]
    return (identity * diagonal[:, :, None]).reshape(number * size, number * size, -1)
