"""Data, linear transfer: modalities of one Gaussian factor, between which the cost of transfer is known at any budget.

The bed and its formulae are ours. Transfer is measured as in HighMMT (Liang et al. 2023, TMLR, arXiv 2203.01311).
"""

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.data._batch import Batch, batch_of


class LinearTransfer(NamedTuple):
    """Mean squared errors of a modality's model beyond that of its best one, after some steps."""

    transferred: Array
    """R_n, from the best model of the source."""
    direct: Array
    """S_n, from zero."""
    transfer: Array
    """T_n = R_n - S_n: positive where the source harms, negative where it helps."""


def linear_transfer(rho: ArrayLike, variance: ArrayLike, rate: ArrayLike, num_steps: ArrayLike) -> LinearTransfer:
    """Return what it costs to begin from another modality's model, after steps of gradient descent.

    Source and target are two modalities of `linear_gaussian_node`, x_m = a_m s + eps, with rho = a_1 . a_2. Linear
    models w^T x of y = s have the risk E (y - w^T x)^2 / 2, whose least value w_m = kappa a_m takes, with
    kappa = 1 / (1 + variance). A step on that of the target is w <- w - rate H (w - w_2), H = a_2 a_2^T + variance I.
    After n of them, from w_1 and from 0, the mean squared error E (y - w^T x)^2 exceeds its least value 1 - kappa by

        R_n = kappa^2 ((1 - rho)^2 (1 - rate / kappa)^(2n) / kappa + (1 - rho^2) variance (1 - rate variance)^(2n)),
        S_n = kappa (1 - rate / kappa)^(2n)

    (ours). The source's model as it is exceeds the trained one of the target by R_0 = kappa (1 - rho)(2 - kappa (1 +
    rho)). For other budgets of the two, such as that, take R and S from a call each. With 0 < rate < 2 kappa both go to
    0, and so does T_n for every rho: what is called heterogeneity is that of a budget.

    Args:
      rho: correlation of the directions, in [-1, 1].
      variance: of the noise, positive.
      rate: of the gradient descent; not negative.
      num_steps: n, not negative.

    Returns:
      the excess errors, of the shape that the arguments broadcast to; differentiable in all but `num_steps`.
    """
    rho, variance, rate, num_steps = (jnp.asarray(x, float) for x in (rho, variance, rate, num_steps))
    kappa = 1 / (1 + variance)
    along = kappa * ((1 - rate / kappa) ** 2) ** num_steps
    across = kappa**2 * variance * ((1 - rate * variance) ** 2) ** num_steps
    transferred = (1 - rho) ** 2 * along + (1 - rho**2) * across
    return LinearTransfer(transferred, jnp.broadcast_to(along, transferred.shape), transferred - along)


@functools.partial(jax.jit, static_argnames="num_samples")
def linear_gaussian_node(key: Array, direction: Array, variance: ArrayLike, *, num_samples: int) -> Batch:
    """Sample a modality that shows one factor along a direction, and the factor as its target.

    x = a s + eps, y = s, with s ~ N(0, 1) and eps ~ N(0, variance I). The same key gives two modalities of equal
    dimension the same factors, and the same noise.

    Args:
      key: PRNG key.
      direction: a (dim,), of norm 1 for `linear_transfer`.
      variance: of the noise, not negative.
      num_samples: number of samples; static.

    Returns:
      the modality "x" (num_samples, dim) and targets (num_samples, 1).
    """
    chex.assert_rank(direction, 1)
    factor_key, noise_key = jax.random.split(key)
    factor = jax.random.normal(factor_key, (num_samples, 1), direction.dtype)
    noise = jax.random.normal(noise_key, (num_samples, direction.size), direction.dtype)
    return batch_of({"x": factor * direction[None] + jnp.sqrt(variance) * noise}, factor)
