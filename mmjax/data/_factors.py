"""Data, factors: two modalities from shared and unique latents, the label a sign that some of them decide.

The data on which Liang et al. 2023 (FactorCL, arXiv 2306.05268) compare contrastive objectives, by the code published
with the paper.
"""

import functools
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import ndtr

from mmjax.data._batch import Batch, batch_of
from mmjax.numerics import in_base, xlogx

LATENT_VARIANCE = 0.5


class FactorTruth(NamedTuple):
    """What each modality of `factor_data` knows of the label; both together know all of it."""

    accuracy: Array
    """Of the best classifier of each modality (2,), in [1/2, 1]."""
    information: Array
    """Of each modality about the label (2,), in units of the base asked for."""


@functools.partial(jax.jit, static_argnames=("num_samples", "latent_dims", "transform_dim"))
def factor_data(
    key: Array,
    num_seen: Array,
    *,
    num_samples: int,
    latent_dims: tuple[int, int, int] = (50, 50, 50),
    transform_dim: int = 100,
) -> Batch:
    """Sample two modalities whose label is the sign of chosen unique and shared latents.

    z1, z2, z12 ~ N(0, I / 2); x1 = (z1, z12) T1 and x2 = (z2, z12) T2 with entries of T1, T2 ~ U(0, 1), drawn once a
    call; y = 1 where the first `num_seen` coordinates of z1, z2, z12 have a mean of at least 0 (Liang et al. 2023,
    arXiv 2306.05268; the default dimension of the latents is ours). With no more latents than `transform_dim` the
    modalities know their latents exactly, as `factor_truth` takes for granted.

    Args:
      key: PRNG key.
      num_seen: coordinates of z1, z2 and z12 that make the label, integers (3,), not all 0.
      num_samples: number of samples; static. Training and test sets are parts of one sample.
      latent_dims: dimensions of z1, z2 and z12; static.
      transform_dim: dimension of each modality; static.

    Returns:
      modalities "x1" and "x2" (num_samples, transform_dim) and classes in {0, 1}.

    Raises:
      ValueError: if a modality has more latents than dimensions.
    """
    chex.assert_shape(num_seen, (3,))
    first, second, shared = latent_dims
    if max(first, second) + shared > transform_dim:
        raise ValueError(f"transform_dim must be at least {max(first, second) + shared}; got {transform_dim}")
    latent_key, *transform_keys = jax.random.split(key, 3)
    latents = LATENT_VARIANCE**0.5 * jax.random.normal(latent_key, (num_samples, first + second + shared))
    z1, z2, z12 = jnp.split(latents, (first, first + second), axis=1)
    score = _head_sum(z1, num_seen[0]) + _head_sum(z2, num_seen[1]) + _head_sum(z12, num_seen[2])
    x1, x2 = (
        _transform(transform_key, jnp.concatenate([unique, z12], axis=1), transform_dim)
        for transform_key, unique in zip(transform_keys, (z1, z2), strict=True)
    )
    return batch_of({"x1": x1, "x2": x2}, (score >= 0).astype(jnp.int32))


def factor_truth(num_seen: Array, *, base: float = 2.0) -> FactorTruth:
    """Return what each modality of `factor_data` knows of the label.

    The score and its part that a modality sees are Gaussian with squared correlation rho^2, the share of the score's
    coordinates that it sees. The part's sign is right with probability 1/2 + arcsin(rho) / pi (Sheppard), and
    I = 1 bit - E h(Phi(rho z / sqrt(1 - rho^2))), z ~ N(0, 1), h the binary entropy; by quadrature (ours).
    Given the other modality, each knows the rest: I(X1;Y|X2) = 1 bit - I(X2;Y).

    Args:
      num_seen: coordinates of z1, z2 and z12 that make the label (3,).
      base: of the logarithm; 2 for bits.

    Returns:
      accuracies, and informations to 1e-5 for shares of at most 0.99, or 1.
    """
    chex.assert_shape(num_seen, (3,))
    counts = jnp.asarray(num_seen, float)
    share = (counts[:2] + counts[2]) / jnp.sum(counts)
    z, step = np.linspace(-9, 9, 2000, retstep=True)  # an even number: z = 0 is no node
    density = jnp.asarray(np.exp(-(z**2) / 2) * step / math.sqrt(2 * math.pi), share.dtype)
    argument = jnp.sqrt(share / (1 - share))[:, None] * jnp.asarray(z, share.dtype)[None]
    unsure = -(xlogx(ndtr(argument)) + xlogx(ndtr(-argument)))
    return FactorTruth(
        accuracy=0.5 + jnp.arcsin(jnp.sqrt(share)) / math.pi,
        information=in_base(math.log(2) - jnp.sum(unsure * density[None], axis=1), base),
    )


def _head_sum(z: Array, count: Array) -> Array:
    """Add up the first `count` coordinates of `z` (n, dim)."""
    return jnp.sum(jnp.where(jnp.arange(z.shape[1])[None] < count, z, 0), axis=1)


def _transform(key: Array, z: Array, dim: int) -> Array:
    transform = jax.random.uniform(key, (z.shape[1], dim), z.dtype)
    return jnp.matmul(z, transform, precision=jax.lax.Precision.HIGHEST)
