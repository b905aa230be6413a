"""Data, competition: modalities of unequal strength whose parts of the label are known exactly.

The generator is ours. Joint training starves a modality where another one is easier to learn from, so the ease of
each is set on its own: what a modality knows by its bits, how well by its signal-to-noise ratio, and how hard that is
to learn by the random signs that hide a bit, whose number is the depth, and by the dimension. These two lose nothing.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import ndtr

from mmjax.data._batch import Batch, batch_of
from mmjax.data._rotation import random_rotation, rotate

SIGN_RATIO = 3.0
"""Signal-to-noise ratio of the hiding signs: few of their coordinates are near 0, where a sign is hard to learn."""


@dataclass(frozen=True)
class CompetitionTask:
    """What each modality knows of the label, and how it hides that.

    The label is a list of fair bits, read as a binary number: those that all modalities see, those that one modality
    sees, and parities of a bit in the first modality and a bit in the second. The bits being independent, the BROJA
    decomposition of two modalities is in whole bits: redundancy `num_shared`, unique information `num_unique`,
    synergy `num_synergistic`.
    """

    num_shared: int = 1
    """Bits of the label that every modality sees."""
    num_unique: tuple[int, ...] = (1, 1)
    """Bits of the label that only this modality sees, for each."""
    num_synergistic: int = 0
    """Bits of the label that are parities across the first two modalities."""
    dims: tuple[int, ...] = (32, 32)
    """Dimension of each modality, at least 1 + depth for each bit that it sees; the rest is noise."""
    depths: tuple[int, ...] = (0, 2)
    """Random signs that hide each bit of a modality: it is the parity of 1 + depth coordinates, 0 hiding nothing."""

    def __post_init__(self) -> None:
        """Refuse what is no task."""
        lengths = {len(self.num_unique), len(self.dims), len(self.depths)}
        if lengths != {self.num_modalities} or self.num_modalities < 2:
            raise ValueError(f"num_unique, dims and depths need one entry a modality, of two or more; got {self}")
        if min(self.num_shared, self.num_synergistic, *self.num_unique, *self.depths) < 0 or self.num_classes < 2:
            raise ValueError(f"numbers of bits and depths must not be negative, nor all bits 0; got {self}")
        taken = [len(seen) * (1 + depth) for seen, depth in zip(_seen_bits(self), self.depths, strict=True)]
        if any(dim < max(size, 1) for dim, size in zip(self.dims, taken, strict=True)):
            raise ValueError(f"a modality needs 1 + depth dimensions for each bit that it sees; got {self}")

    @property
    def num_modalities(self) -> int:
        """Number of modalities."""
        return len(self.num_unique)

    @property
    def num_classes(self) -> int:
        """Number of classes, all equally frequent: 2 to the number of the label's bits."""
        return 2 ** (self.num_shared + sum(self.num_unique) + self.num_synergistic)


class CompetitionAccuracy(NamedTuple):
    """Accuracies of the best classifiers there are, in [0, 1]."""

    unimodal: Array
    """From each modality alone (num_modalities,)."""
    joint: Array
    """From all of them."""


@functools.partial(jax.jit, static_argnames=("task", "num_samples"))
def competition_data(key: Array, task: CompetitionTask, snr: Array, *, num_samples: int) -> Batch:
    """Sample modalities that compete for one label.

    Modality m sees its bits as b in {-1, 1} with noise, r = (snr_m b + e) / sqrt(1 + snr_m^2), e ~ N(0, 1). Each r is
    then multiplied by the signs of `depths[m]` coordinates g of its own, made as r is, but of fair random signs and at
    the ratio `SIGN_RATIO`. Products, all g and noise N(0, 1) up to `dims[m]` coordinates are rotated at random. They
    are uncorrelated and of variance 1, rotated or not.

    The signs of g give r back: the information does not depend on depth. But where depth is not 0, every proper subset
    of a bit's 1 + depth coordinates is independent of it. The best linear model of logistic or squared loss is then
    chance, and gradient descent begins on a plateau, as on all parities (Shalev-Shwartz, Shamir & Shammah 2017, arXiv
    1703.07950). Rotations are drawn once a call: training and test sets are parts of one sample.

    Args:
      key: PRNG key.
      task: bits, dimensions and depths; static.
      snr: signal-to-noise ratios (num_modalities,), not negative; at 0 a modality tells nothing.
      num_samples: number of samples; static.

    Returns:
      modalities "x1", "x2", ... of shape (num_samples, dims[m]) and classes in [0, task.num_classes).
    """
    chex.assert_shape(snr, (task.num_modalities,))
    snr = jnp.asarray(snr, float)
    bits_key, *keys = jax.random.split(key, 4)
    bits = jax.random.bernoulli(bits_key, shape=(num_samples, _num_bits(task))).astype(jnp.int32)
    noise_keys, sign_keys, rotation_keys = (jax.random.split(part, task.num_modalities) for part in keys)
    observed = []
    for m, seen in enumerate(_seen_bits(task)):
        noise = jax.random.normal(noise_keys[m], (num_samples, task.dims[m]))
        signal = (2 * bits[:, seen] - 1).astype(noise.dtype)
        shown = _noisy(signal, noise[:, : seen.size], snr[m])
        latent = _hide(sign_keys[m], shown, noise[:, seen.size :], task.depths[m])
        observed.append(rotate(latent, random_rotation(rotation_keys[m], dim=task.dims[m])))
    return batch_of({f"x{m + 1}": x for m, x in enumerate(observed)}, _number(_label_bits(task, bits)))


def competition_table(task: CompetitionTask) -> Array:
    """Return the exact table of what the modalities see before noise, and the label.

    Args:
      task: its bits count, dimensions and depths do not.

    Returns:
      table (2^bits of modality 1, ..., num_classes), which for two modalities has the axes (x1, x2, y).
    """
    bits = jnp.array(list(np.ndindex(*(2,) * _num_bits(task))), jnp.int32)
    seen = _seen_bits(task)
    ids = [_number(bits[:, columns]) for columns in seen]
    sizes = [2**columns.size for columns in seen]
    return jnp.zeros((*sizes, task.num_classes)).at[*ids, _number(_label_bits(task, bits))].add(1 / len(bits))


def competition_accuracy(task: CompetitionTask, snr: Array) -> CompetitionAccuracy:
    """Return the accuracy of the best classifier of each modality and of all.

    A bit seen at signal-to-noise ratio s is guessed right with probability Phi(s), one that all see with
    Phi(|snr|_2), a parity with p q + (1 - p)(1 - q), a bit not seen with 1/2; given the observations the bits of the
    label are independent, so the best guess of the label is that of every bit, and the probabilities multiply (ours).

    Args:
      task: its bits count, dimensions and depths do not.
      snr: signal-to-noise ratios (num_modalities,).

    Returns:
      the accuracies; differentiable in `snr` where it is not all 0.
    """
    chex.assert_shape(snr, (task.num_modalities,))
    right = ndtr(snr)
    parity = right[0] * right[1] + (1 - right[0]) * (1 - right[1])
    unique = jnp.asarray(task.num_unique, right.dtype)
    known = unique + task.num_shared
    return CompetitionAccuracy(
        unimodal=right**known * 0.5 ** (math.log2(task.num_classes) - known),
        joint=ndtr(jnp.linalg.norm(snr)) ** task.num_shared * jnp.prod(right**unique) * parity**task.num_synergistic,
    )


def _parts(task: CompetitionTask) -> list[np.ndarray]:
    """Columns of all bits: shared, unique of each modality, the parities' of the first modality, of the second."""
    counts = [task.num_shared, *task.num_unique, task.num_synergistic, task.num_synergistic]
    return np.split(np.arange(sum(counts)), np.cumsum(counts)[:-1])


def _num_bits(task: CompetitionTask) -> int:
    return sum(len(part) for part in _parts(task))


def _seen_bits(task: CompetitionTask) -> list[np.ndarray]:
    """Columns of the bits that each modality sees."""
    shared, *unique, first, second = _parts(task)
    halves: Sequence[np.ndarray] = [first, second] + [first[:0]] * (task.num_modalities - 2)
    return [np.concatenate([shared, own, half]) for own, half in zip(unique, halves, strict=True)]


def _label_bits(task: CompetitionTask, bits: Array) -> Array:
    *plain, first, second = _parts(task)
    return jnp.concatenate([bits[:, np.concatenate(plain)], bits[:, first] ^ bits[:, second]], axis=1)


def _number(bits: Array) -> Array:
    """Read bits (n, k) as binary numbers (n,)."""
    return jnp.sum(bits << jnp.arange(bits.shape[1], dtype=jnp.int32)[None], axis=1, dtype=jnp.int32)


def _noisy(signs: Array, noise: Array, ratio: Array | float) -> Array:
    """Add noise to signs, both (n, k), at a signal-to-noise ratio, and scale to variance 1."""
    return (ratio * signs + noise) / jnp.sqrt(1 + ratio**2)


def _hide(key: Array, x: Array, noise: Array, depth: int) -> Array:
    """Multiply each column of `x` (n, k) by `depth` random signs, which the first columns of `noise` then show."""
    num_samples, size = x.shape
    signs = jax.random.rademacher(key, (num_samples, size * depth), x.dtype)
    hiding = _noisy(signs, noise[:, : size * depth], SIGN_RATIO)
    read = jnp.where(hiding < 0, -1, 1).astype(x.dtype).reshape(num_samples, size, depth)
    return jnp.concatenate([x * jnp.prod(read, axis=2), hiding, noise[:, size * depth :]], axis=1)
