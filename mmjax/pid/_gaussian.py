"""Room pid: the BROJA decomposition of jointly Gaussian vectors, in closed form.

Let P1 and P2 be the error covariances of y given x1 and given x2. Every q with the pairs (x1,y) and (x2,y) of p has
E Cov_q(y|x1,x2) <= P1 and <= P2 (law of total covariance), and I_q(X1,X2;Y) >= 1/2 log det C_yy - 1/2 log det of it
(a Gaussian has the largest entropy of its covariance). Conversely any P <= P1, P2 is the error covariance of a
Gaussian channel that both x1 and x2 can be degraded from, and x1 and x2 so degraded have I_q(X1,X2;Y) at most that
channel's. Hence, over all q, Gaussian or not,

    I_Q = 1/2 log det C_yy - max {1/2 log det P : P <= P1, P <= P2}.

With P1 = G G^T and P2 = G diag(l) G^T the maximum is at P = G diag(min(1, l)) G^T, by Hadamard's inequality
(derivation ours; that Gaussian q suffice is also a result of arXiv 2510.04417, 2025, which minimises iteratively).
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.estimators import block_correlation, gaussian_information, gaussian_information_bias, sample_covariance
from mmjax.numerics import as_floats, attach_gradient, divide_or_zero, in_base
from mmjax.pid._broja import PID, certifiable, decomposition


@functools.partial(jax.jit, static_argnames=("sizes", "base"))
def gaussian(covariance: Array, sizes: tuple[int, int, int], *, base: float = 2.0) -> PID:
    """Decompose what jointly Gaussian vectors (x1, x2) tell about a Gaussian vector y.

    The decomposition of `broja` (Bertschinger et al. 2014, arXiv 1311.2852) for densities. With P1, P2 the error
    covariances of y given x1 and given x2, and l_i the eigenvalues of P1^-1 P2,
      U1 = 1/2 sum max(0, log l_i),  U2 = 1/2 sum max(0, -log l_i),  R = I(X1;Y) - U1,  S = I(X1,X2;Y) - U1 - I(X2;Y)
    (ours; proof in the module's docstring). The minimum is over all q with the marginals of p, Gaussian or not. For
    scalar y this is R = min(I(X1;Y), I(X2;Y)) (Barrett 2015, arXiv 1411.2832). Like `broja` it gives up the chain
    rule of the target (Matthias, Makkeh, Wibral, Gutknecht 2025, arXiv 2512.16662).

    No iteration: `gap` is what rounding leaves between the value of a feasible P and that of feasible multipliers
    of P <= P1 and P <= P2, both evaluated on P1 and P2 themselves. The parts are differences of informations whose own
    rounding it does not cover: some 1e-4 bit in float32 where a modality nearly determines y.

    Differentiable once in the covariance, forward and reverse, by the envelope theorem along directions that keep
    the ranks of x1, x2, y and (x1, x2); where an l_i is 1 the gradient is a subgradient. A second derivative raises
    TypeError.

    Args:
      covariance: (d, d) of (x1, x2, y), d = sum of `sizes`.
      sizes: the dimensions of x1, x2 and y, static.
      base: of the logarithm; 2 for bits.

    Returns:
      the decomposition in units of log `base`. Features without variance, alone or given the rest of their modality,
      add nothing, and x1 = x2 is no difficulty. An information that is infinite up to rounding (a direction of y
      determined by the modality or by both) is inf, and what would subtract two of them NaN. All NaN where
      `covariance` is none.

    Raises:
      ValueError: if there are not three sizes, or they do not sum to d.
    """
    if len(sizes) != 3:
        raise ValueError(f"expected three sizes, of x1, x2 and y; got {sizes}")
    (covariance,) = as_floats(covariance)
    return _pid(_informations(covariance, sizes), base)


@functools.partial(jax.jit, static_argnames="base")
def gaussian_from_samples(x1: Array, x2: Array, y: Array, *, base: float = 2.0) -> PID:
    """Estimate the Gaussian decomposition from samples, corrected for their number.

    The decomposition of the sample covariance with the correction of Venkatesh et al. 2023 (arXiv 2307.10515): the
    three informations lose their bias, here the exact one of `estimators.gaussian_information_bias`; the union
    information shrinks by the factor that I(X1,X2;Y) shrinks by, which is an assumption, and is moved between
    max(I(X1;Y), I(X2;Y)) and min(I(X1;Y) + I(X2;Y), I(X1,X2;Y)); no information is left below 0, nor the total below
    its parts. Hence no part is negative, and where one is truly 0 its estimate is biased upward.

    Not corrected: where x1 and x2 tell exactly the same of several dimensions of y, sampling splits the equal l_i
    of `gaussian`. The unique parts then come out too large, redundancy and synergy too small, by about as much
    as without the correction (each part by about .13 nat at n = 40 with two dimensions each).

    Args:
      x1: samples (n, d1), or (n,) for one dimension.
      x2: samples (n, d2) or (n,) of the same n.
      y: samples (n, dy) or (n,) of the same n, Gaussian together with x1 and x2.
      base: of the logarithm; 2 for bits.

    Returns:
      the corrected decomposition in units of log `base`; `gap` does not cover the sampling error. NaN where a
      sample is not finite or n <= d1 + d2 + dy, dimensions without variance not counted.

    Differentiable as `gaussian`, where nothing is cut. On CPUs of few cores a `vmap` over hundreds of samples can
    starve the threads that XLA's batched linear algebra waits for, and hang; `jax.lax.map(..., batch_size=20)` does
    not.
    """
    covariance = sample_covariance(x1, x2, y)
    d1, d2, dy = sizes = tuple(1 if z.ndim == 1 else z.shape[1] for z in (x1, x2, y))
    num = y.shape[0]
    rank1, rank2, rank_y = block_correlation(covariance, sizes).ranks
    joint_rank, _ = block_correlation(covariance, (d1 + d2, dy)).ranks
    plug_in = _informations(covariance, sizes)
    first, second, total = (
        jnp.maximum(information - gaussian_information_bias(num, rank, rank_y, max_rank=dy), 0)
        for information, rank in zip(plug_in[:3], (rank1, rank2, joint_rank), strict=True)
    )
    total = jnp.maximum(total, jnp.maximum(first, second))
    least, most = jnp.maximum(first, second), jnp.minimum(first + second, total)
    lower, upper = (
        jnp.clip(end * divide_or_zero(total, plug_in.total), least, most) for end in (plug_in.lower, plug_in.upper)
    )
    return _pid(_Informations(first, second, total, lower, upper), base)


class _Informations(NamedTuple):
    """I(X1;Y), I(X2;Y), I(X1,X2;Y) and both ends of the union information, in nats."""

    first: Array
    second: Array
    total: Array
    lower: Array
    upper: Array


def _informations(covariance: Array, sizes: tuple[int, ...]) -> _Informations:
    d1, d2, dy = sizes
    correlation = block_correlation(covariance, sizes).matrix
    label = correlation[d1 + d2 :, d1 + d2 :]
    first, second = correlation[:d1, d1 + d2 :], correlation[d1 : d1 + d2, d1 + d2 :]
    lower, upper = _union(label - first.T @ first, label - second.T @ second)
    single1, single2 = (_information(cross, label) for cross in (first, second))
    total = gaussian_information(correlation, (d1 + d2, dy))
    infinite = jnp.isposinf(single1) | jnp.isposinf(single2)
    lower, upper = (jnp.where(infinite, jnp.inf, end) for end in (lower, upper))
    return _Informations(single1, single2, total, lower, upper)


def _information(cross: Array, label: Array) -> Array:
    """I between a whitened modality and the whitened y, from their correlation (d, dy)."""
    joint = jnp.block([[jnp.eye(cross.shape[0], dtype=cross.dtype), cross], [cross.T, label]])
    return gaussian_information(joint, cross.shape)


def _union(error1: Array, error2: Array) -> tuple[Array, Array]:
    """Both ends of I_Q in nats for whitened y, with error covariances P1, P2, and the envelope gradient."""
    p1, p2 = jax.lax.stop_gradient((error1, error2))
    factor = jnp.linalg.cholesky(p1)
    inverse_factor = jax.scipy.linalg.solve_triangular(factor, jnp.eye(p1.shape[0], dtype=p1.dtype), lower=True)
    _, rotation = jnp.linalg.eigh(inverse_factor @ p2 @ inverse_factor.T)
    inverse = rotation.T @ inverse_factor
    seen1, seen2 = inverse @ p1 @ inverse.T, inverse @ p2 @ inverse.T  # I and diag(l), up to rounding
    ratio = jnp.diagonal(seen2)
    least = jnp.minimum(1, ratio)
    log_det = 2 * jnp.sum(jnp.log(jnp.diagonal(factor))) + jnp.sum(jnp.log(least))
    weights1, weights2 = jnp.where(ratio >= 1, 1, 0).astype(ratio.dtype), jnp.where(ratio >= 1, 0, 1 / ratio)

    # Weak duality: log det P <= tr(W1 P1) + tr(W2 P2) - log det(W1 + W2) - dy for any W1, W2 >= 0.
    highest = log_det + jnp.sum(weights1 * jnp.diagonal(seen1) + weights2 * ratio - 1)
    scale = 1 / jnp.sqrt(least)
    shrink = jnp.minimum(*(jnp.linalg.eigvalsh(scale[:, None] * seen * scale[None])[0] for seen in (seen1, seen2)))
    reached = log_det + least.size * jnp.log(jnp.minimum(1, shrink))
    gradient = tuple(-inverse.T @ (weights[:, None] * inverse) / 2 for weights in (weights1, weights2))
    lower = -highest / 2
    upper = lower + jnp.maximum(highest - reached, 0) / 2
    return attach_gradient(lower, (error1, error2), gradient), attach_gradient(upper, (error1, error2), gradient)


def _pid(nats: _Informations, base: float) -> PID:
    first, second, total, lower, upper = (in_base(value, base) for value in nats)
    tolerance = certifiable(None, lower.dtype, base) / math.log(base)
    return decomposition(first, second, total, lower, upper, jnp.zeros((), jnp.int32), tolerance)
