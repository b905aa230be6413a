"""Data, generative: two modalities from common and individual latents, the label from some of them.

The data on which Liang et al. 2023 (arXiv 2302.12247) test estimators of the partial information decomposition.
"""

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

LATENT_DIM = 5
LATENT_VARIANCE = 1.5
DROPOUT = 0.2

GENERATIVE_RATIOS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "redundancy": (0, 0, 1),
        "uniqueness0": (1, 0, 0),
        "uniqueness1": (0, 1, 0),
        "synergy": (1, 1, 0),
        "mix1": (0.5, 0.5, 0.5),
        "mix2": (1, 0.5, 0.5),
        "mix3": (1, 1, 0.5),
        "mix4": (0.5, 0.5, 1),
        "mix5": (0, 0.5, 0.5),
        "mix6": (0, 0.5, 1),
    }
)
"""The published data sets: which parts of the latents (of modality 1, of modality 2, common) make the label."""


class GenerativeData(NamedTuple):
    """Samples of two modalities and a label."""

    x1: Array
    """First modality (n, 2 transform_dim)."""
    x2: Array
    """Second modality (n, 2 transform_dim)."""
    label: Array
    """Classes (n,), int32, equally frequent up to one sample."""


def generative_data(
    key: Array,
    ratios: Sequence[float],
    *,
    num_samples: int = 20_000,
    num_classes: int = 2,
    transform_dim: int = 100,
) -> GenerativeData:
    """Sample two modalities that share some of what makes the label.

    Latents z1, z2, z12 ~ N(0, 1.5 I_5) are mapped by T ~ U(0,1)^(5 x transform_dim), one for each and fixed for the
    sample: x1 = (z1 T1, z12 T12), x2 = (z2 T2, z12 T12). The label's score is the mean of floor(5 ratio) coordinates
    of each latent, drawn anew for every sample, after dropout (0 with probability 0.2, else times 1.25); the classes
    are the scores' quantiles (Liang et al. 2023, arXiv 2302.12247, and the code published with it).

    Args:
      key: PRNG key.
      ratios: the parts of (z1, z2, z12) that the score sees, each in [0, 1]; static. `GENERATIVE_RATIOS` has the
        published ones. The label depends on nothing where all are below 1/5.
      num_samples: number of samples.
      num_classes: number of classes.
      transform_dim: dimension of each transformed latent; a modality has twice as many.

    Returns:
      the samples, in JAX's float. Samples of one call are exchangeable: any part of them is a test set.

    Raises:
      ValueError: if `ratios` is not three numbers in [0, 1].
    """
    _check_ratios(ratios)
    counts = jnp.array([int(ratio * LATENT_DIM) for ratio in ratios])
    return _sample(key, counts, num_samples=num_samples, num_classes=num_classes, transform_dim=transform_dim)


@functools.partial(jax.jit, static_argnames=("num_samples", "num_classes", "transform_dim"))
def _sample(key: Array, counts: Array, *, num_samples: int, num_classes: int, transform_dim: int) -> GenerativeData:
    """Sample with a label that sees `counts` (3,) coordinates of z1, z2 and z12."""
    latent_key, transform_key, seen_key, dropout_key = jax.random.split(key, 4)
    latents = LATENT_VARIANCE**0.5 * jax.random.normal(latent_key, (3, num_samples, LATENT_DIM))
    transforms = jax.random.uniform(transform_key, (3, LATENT_DIM, transform_dim))
    first, second, common = jnp.matmul(latents, transforms, precision=jax.lax.Precision.HIGHEST)
    kept = jax.random.bernoulli(dropout_key, 1 - DROPOUT, latents.shape)
    seen = _random_coordinates(seen_key, counts, num_samples)
    # The sum has the order of the mean, for the number of coordinates is the same in all samples.
    score = jnp.sum(jnp.where(seen & kept, latents, 0), axis=(0, 2))
    return GenerativeData(
        x1=jnp.concatenate([first, common], axis=1),
        x2=jnp.concatenate([second, common], axis=1),
        label=_quantile_classes(score, num_classes),
    )


def _check_ratios(ratios: Sequence[float]) -> None:
    if not (len(ratios) == 3 and all(0 <= ratio <= 1 for ratio in ratios)):
        raise ValueError(f"ratios must be three numbers in [0, 1], of (z1, z2, z12); got {ratios}")


def _random_coordinates(key: Array, counts: Array, num_samples: int) -> Array:
    """Mark `counts` coordinates of each latent, for every sample anew, (3, num_samples, 5) of bool."""
    order = jax.random.uniform(key, (3, num_samples, LATENT_DIM))
    rank = jnp.argsort(jnp.argsort(order, axis=2), axis=2)
    return rank < counts[:, None, None]


class GenerativePosteriors(NamedTuple):
    """What the modalities of samples of `generative_data` say of the label, (n, 2) each."""

    x1: Array
    """p(y|x1)."""
    x2: Array
    """p(y|x2)."""
    both: Array
    """p(y|x1,x2)."""


@functools.partial(jax.jit, static_argnames=("ratios", "num_samples"))
def generative_posteriors(
    key: Array, ratios: tuple[float, float, float], *, num_samples: int = 20_000
) -> GenerativePosteriors:
    """Sample the true posteriors of `generative_data` of two classes, from which its informations and PID follow.

    The modalities determine their latents, for the transforms have full rank, and the label says whether the score is
    above its median, which is 0 by symmetry. Given z, the coordinates that count (seen and kept) vary: all subsets are
    summed over. A latent that a modality lacks adds a normal variable whose variance is 1.5 times the size of its
    subset. So p(y=1|x1) = sum over subsets of z1 and z12 and sizes of that of z2 of P(S) Phi(s / sqrt(1.5 size)). Ours;
    the mean of h(p(y|x1,x2)), h the binary entropy, is H(Y|X1,X2).

    Args:
      key: PRNG key.
      ratios: as for `generative_data`, three numbers in [0, 1] that make the label depend on something; static.
      num_samples: number of samples n; static.

    Returns:
      the posteriors, of samples of their own.

    Raises:
      ValueError: if `ratios` is not three numbers in [0, 1], one of them at least 1/5.
    """
    _check_ratios(ratios)
    if not any(int(ratio * LATENT_DIM) for ratio in ratios):
        raise ValueError(f"one of the ratios must be at least {1 / LATENT_DIM}; with {ratios} the label means nothing")
    sizes = range(LATENT_DIM + 1)
    numbers = np.array([math.comb(LATENT_DIM, size) for size in sizes])  # of subsets of a size
    chance = [np.array([_chance(size, int(ratio * LATENT_DIM)) for size in sizes]) for ratio in ratios]
    of_subset = [jnp.asarray(given_size[_SUBSETS.sum(1).astype(int)], float) for given_size in chance]
    of_size = [jnp.asarray(given_size * numbers, float) for given_size in chance]
    deviations = jnp.asarray(np.sqrt(LATENT_VARIANCE * np.arange(LATENT_DIM + 1)), float)

    def one(key: Array) -> Array:
        latents = LATENT_VARIANCE**0.5 * jax.random.normal(key, (3, LATENT_DIM))
        first, second, common = jnp.matmul(latents, _SUBSETS.T, precision=jax.lax.Precision.HIGHEST)

        def alone(own: Array, chance: Array, of_other: Array) -> Array:
            score = own[:, None] + common[None]
            above = _above(score[:, :, None], deviations[None, None])
            return jnp.einsum("i,j,k,ijk->", chance, of_subset[2], of_other, above)

        score = first[:, None, None] + second[None, :, None] + common[None, None]
        both = jnp.einsum("i,j,k,ijk->", *of_subset, _above(score, jnp.zeros((1, 1, 1))))
        return jnp.stack([alone(first, of_subset[0], of_size[1]), alone(second, of_subset[1], of_size[0]), both])

    chance_of_one = jax.lax.map(one, jax.random.split(key, num_samples), batch_size=64)
    chance_of_one = jnp.clip(chance_of_one, 0, 1)
    return GenerativePosteriors(*jnp.moveaxis(jnp.stack([1 - chance_of_one, chance_of_one], axis=2), 1, 0))


_SUBSETS = np.array(list(itertools.product((0.0, 1.0), repeat=LATENT_DIM)))
"""Of the coordinates of a latent, (32, 5)."""


def _chance(size: int, count: int) -> float:
    """Return the probability that a given subset of a latent's coordinates counts, `count` of them being seen."""
    if size > count:
        return 0.0
    seen = math.comb(LATENT_DIM - size, count - size) / math.comb(LATENT_DIM, count)
    return seen * (1 - DROPOUT) ** size * DROPOUT ** (count - size)


def _above(score: Array, deviation: Array) -> Array:
    """Return the probability that the score plus a normal variable of this deviation is positive; ties count half."""
    exact = deviation == 0
    smooth = jax.scipy.stats.norm.cdf(score / jnp.where(exact, 1, deviation))
    return jnp.where(exact, jnp.where(score == 0, 0.5, jnp.where(score > 0, 1.0, 0.0)), smooth)


def _quantile_classes(score: Array, num_classes: int) -> Array:
    rank = jnp.argsort(jnp.argsort(score))
    return (rank * num_classes // score.size).astype(jnp.int32)
