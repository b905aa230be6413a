"""Room competition: perturbations of a modality, which take from a batch what the modality says of each sample."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array


@dataclass(frozen=True)
class Rearrangement:
    """Give each sample the modality of another one of the batch, or its own."""

    donors: Callable[[Array, int], Array]
    """`donors(key, n)`: permutations (P, n) of 0 to n - 1, row by row. Sample b gets what sample donors[p, b] had; of
    more than half of the modalities, and of the second of two, by the inverse permutation (`sensitivities`)."""


@dataclass(frozen=True)
class Replacement:
    """Put other numbers in the place of a modality."""

    replace: Callable[[Array, Array, Array], Array]
    """`replace(key, x, weight)`: what takes the place of x (n, ...), for the samples that weight (n,) counts."""
    num_draws: int
    """P, how often it is drawn for a batch."""
    inputs: bool = False
    """Whether the inputs are replaced and encoded again, with the same dropout, and not the latents."""


Perturbation = Rearrangement | Replacement


def permutations(num_draws: int = 32) -> Rearrangement:
    """Rearrange the batch by uniform random permutations, which may leave samples where they are.

    They are the ranks of random numbers of 32 bits; two equal ones, about n^2 / 2^33 times in a draw of n, share a
    donor.

    Args:
      num_draws: P; 32 in Kontras et al. (2024, arXiv 2411.07335), 16 on their largest data set.

    Returns:
      the perturbation.

    Raises:
      ValueError: if there is no permutation.
    """
    _check_some(num_draws)

    def donors(key: Array, num_samples: int) -> Array:
        numbers = jax.random.bits(key, (num_draws, num_samples))
        # The ranks of random numbers are a permutation; sorting them alone is several times as fast as an argsort.
        return jax.vmap(jnp.searchsorted)(jnp.sort(numbers, axis=1), numbers)

    return Rearrangement(donors)


def derangements(num_draws: int = 32) -> Rearrangement:
    """Rearrange the batch by random permutations that leave no sample where it is (ours).

    Each is a cyclic shift of a shuffled batch by a uniform number of places, not a uniform derangement; all pairs of
    two samples are equally likely. A batch of one sample stays as it is.

    Args:
      num_draws: P.

    Returns:
      the perturbation.

    Raises:
      ValueError: if there is no permutation.
    """
    _check_some(num_draws)

    def donors(key: Array, num_samples: int) -> Array:
        order_key, shift_key = jax.random.split(key)
        order = jnp.argsort(jax.random.bits(order_key, (num_draws, num_samples)), axis=1)
        shift = jax.random.randint(shift_key, (num_draws, 1), 1, max(num_samples, 2))
        places = (jnp.argsort(order, axis=1) + shift) % num_samples
        return jnp.take_along_axis(order, places, axis=1)

    return Rearrangement(donors)


def all_pairs(*, include_self: bool = True) -> Rearrangement:
    """Rearrange the batch by all its cyclic shifts, so that each sample meets each other one once (ours).

    The mean over them is the expectation over uniform permutations, or without self over those that leave no sample
    where it is: what those estimate, without their noise. For B samples that all count the two differ by the factor
    B / (B - 1), since a sample's divergence from itself is 0.

    Args:
      include_self: whether samples also meet themselves.

    Returns:
      the perturbation; P is B, or B - 1.
    """

    def donors(key: Array, num_samples: int) -> Array:
        shifts = jnp.arange(0 if include_self else 1, num_samples)
        return (jnp.arange(num_samples)[None] + shifts[:, None]) % num_samples

    return Rearrangement(donors)


def noise(num_draws: int = 8, *, inputs: bool = False) -> Replacement:
    """Add Gaussian noise with the standard deviation that each feature has over the batch.

    x + eps * std(x), eps ~ N(0, 1), as the ablation of Kontras et al. (2024, arXiv 2411.07335); the standard deviation
    is that of the samples that count, divided by their number, and derivatives flow through it.

    Args:
      num_draws: P; 8 in that ablation.
      inputs: whether the inputs get it, which encodes them P times again, and not the latents. They must be floats.

    Returns:
      the perturbation.

    Raises:
      ValueError: if nothing is drawn.
    """
    _check_some(num_draws)

    def replace(key: Array, x: Array, weight: Array) -> Array:
        return x + jax.random.normal(key, x.shape, x.dtype) * _standard_deviation(x, weight)[None]

    return Replacement(replace, num_draws, inputs)


def zeros(*, inputs: bool = False) -> Replacement:
    """Put zeros in the place of a modality.

    Args:
      inputs: whether in the place of the inputs, which encodes them again, and not of the latents.

    Returns:
      the perturbation; P is 1.
    """
    return Replacement(lambda key, x, weight: jnp.zeros_like(x), 1, inputs)


def _standard_deviation(x: Array, weight: Array) -> Array:
    """Return that of each feature of x (n, ...) over samples, with derivative 0 where it is 0."""
    counts = weight.astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
    sum_ = jnp.sum(counts)
    counts = counts / jnp.where(sum_ > 0, sum_, 1)
    centred = x - jnp.sum(counts * x, axis=0)[None]
    variance = jnp.sum(counts * centred**2, axis=0)
    return jnp.where(variance > 0, jnp.sqrt(jnp.where(variance > 0, variance, 1)), 0)


def _check_some(num_draws: int) -> None:
    if num_draws < 1:
        raise ValueError(f"num_draws is {num_draws}; expected 1 or more")
