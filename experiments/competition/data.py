"""Experiments, competition: data sets by name; generated ones are drawn anew for each seed."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.data import (
    Batch,
    CompetitionTask,
    Splits,
    batch_of,
    competition_accuracy,
    competition_data,
    cut,
    digits_halves,
    load_npz,
    only,
    parity_accuracy,
    parity_data,
    splits_of,
    standardised,
)

NUM_VALID, NUM_TEST = 1000, 2000
"""Samples of generated data beside those to train on."""


class DataSet(NamedTuple):
    """A way to draw a data set."""

    draw: Callable[[Array, int], Batch]
    """From a key and a number to as many samples."""
    num_classes: int
    best: float | None
    """The highest accuracy there is, where it is known."""
    about: str
    additive: str = ""
    """What a sum of unimodal logits can know of it, where that is known."""


_ALL = "The modalities are independent given the label, so a sum of unimodal logits can be as good as any"
_NOTHING = "Neither modality alone tells anything, and so no sum of unimodal logits: 0 of the bit"


def _asymmetric(depth: int) -> DataSet:
    """Make one bit of label, plain but noisy in "x1", hidden by `depth` signs but clear in "x2"."""
    task = CompetitionTask(num_shared=1, num_unique=(0, 0), dims=(32, 8), depths=(0, depth))
    snr = jnp.array([1.645, 3.5])
    best = float(competition_accuracy(task, snr).joint)
    about = f"x1 noisy, x2 clear but hidden by {depth} signs" if depth else "x1 noisy, x2 clear"
    return DataSet(lambda key, n: competition_data(key, task, snr, num_samples=n), 2, best, about, _ALL)


def _three() -> DataSet:
    """Make one bit of label that three modalities see: noisy, hidden by two signs, hidden by three."""
    task = CompetitionTask(num_shared=1, num_unique=(0, 0, 0), dims=(32, 8, 8), depths=(0, 2, 3))
    snr = jnp.array([1.645, 2.0, 3.5])
    best = float(competition_accuracy(task, snr).joint)
    return DataSet(
        lambda key, n: competition_data(key, task, snr, num_samples=n), 2, best, "a third modality between", _ALL
    )


def _xor(num_distractors: int) -> DataSet:
    """Make the parity of two bits, one in each modality: alone, neither knows anything."""
    snr = jnp.array([2.0, 2.0])

    def draw(key: Array, num_samples: int) -> Batch:
        return parity_data(key, snr, num_samples=num_samples, num_distractors=num_distractors)

    return DataSet(draw, 2, float(parity_accuracy(snr)), "label is a parity across modalities", _NOTHING)


NUM_LABELS, RAW_DIM, HIGH_DIM = 5, 4, 100


def mixed_data(key: Array, shares: Array, *, num_samples: int) -> Batch:
    """Draw the synthetic setting of MCR (Kontras et al. 2024, arXiv 2411.07335, section on synthetic data).

    Of each sample both modalities show the label, or one of them alone. What a modality shows is the label, centred,
    added to all coordinates of N(0, I_4), what it does not show that noise alone; both go through a fixed random matrix
    of entries uniform in [0, 1] to 100 dimensions. Dimensions, centring and labels 0 to 4 are ours: the paper's main
    text does not state them.

    Args:
      key: PRNG key; it draws the matrices too.
      shares: probabilities that a sample is shared, unique to the first, unique to the second modality (3,).
      num_samples: n; static.

    Returns:
      modalities "x1" and "x2" of shape (n, 100), scaled to a variance of about 1, and classes 0 to 4.
    """
    label_key, kind_key, noise_key, map_key = jax.random.split(key, 4)
    label = jax.random.randint(label_key, (num_samples,), 0, NUM_LABELS, dtype=jnp.int32)
    kind = jax.random.choice(kind_key, 3, (num_samples,), p=shares)
    noise = jax.random.normal(noise_key, (2, num_samples, RAW_DIM))
    shown = jnp.stack([kind != 2, kind != 1]).astype(noise.dtype)
    raw = noise + (shown * (label - NUM_LABELS // 2)[None].astype(noise.dtype))[:, :, None]
    high = jnp.einsum("mnr,mrd->mnd", raw, jax.random.uniform(map_key, (2, RAW_DIM, HIGH_DIM)))
    x = high / jnp.std(high, axis=(1, 2), keepdims=True)
    return batch_of({"x1": x[0], "x2": x[1]}, label)


def _mixed(unique: float) -> DataSet:
    """Make the paper's setting with unique-to-x2 held at 0.2 and `unique` of the samples unique to x1."""
    shares = jnp.array([0.8 - unique, unique, 0.2])

    def draw(key: Array, num_samples: int) -> Batch:
        return mixed_data(key, shares, num_samples=num_samples)

    return DataSet(draw, NUM_LABELS, None, f"shared {0.8 - unique:.2f}, unique to x1 {unique:.2f}, to x2 0.20")


@functools.cache
def catalogue() -> Mapping[str, DataSet]:
    """Return the generated data sets by name."""
    mixed = {f"mixed-{unique:g}": _mixed(unique) for unique in MIXED_SHARES}
    return {
        "asymmetric": _asymmetric(3),
        "control": _asymmetric(0),
        "three": _three(),
        "xor": _xor(7),
        **mixed,
    }


MIXED_SHARES = (0.1, 0.3, 0.5, 0.7)
"""Shares of samples unique to the first modality, in the ratio sweep of the paper's setting."""
DIGITS = "digits"
TARGET = "target"
"""Array of a file that holds numbers to predict."""
NAMES = ("asymmetric", "control", "three", "xor", *(f"mixed-{unique:g}" for unique in MIXED_SHARES), DIGITS)
"""All data sets but files."""


def generated(name: str, key: Array, num_samples: int) -> Splits:
    """Draw a data set by name, in its parts."""
    sizes = (num_samples, NUM_VALID, NUM_TEST)
    return cut(catalogue()[name].draw(key, sum(sizes)), sizes)


def fixed(name: str, modalities: str, seed: int, *, target: bool = False) -> Splits:
    """Load the digits' halves or a file, in its parts, standardised.

    Args:
      name: of the data set, or the path of the file.
      modalities: of the file, joined by commas, or empty for all.
      seed: of the split, where the file has none.
      target: whether the label is the file's array `target` of numbers, in place of its classes.
    """
    key = jax.random.key(seed)
    if name == DIGITS:
        return standardised(splits_of(only(digits_halves(), ("top", "bottom")), key=key))
    names = modalities.split(",") if modalities else None
    loaded = load_npz(Path(name), [*names, TARGET] if target and names else names)
    parts = splits_of(loaded, key=key)
    return standardised(Splits(*map(_with_target, parts)) if target else parts)


def _with_target(part: Batch) -> Batch:
    """Take the array of numbers out of the modalities and make it the label."""
    numbers = part.modalities[TARGET]
    others = only(part, [name for name in part.modalities if name != TARGET])
    return others._replace(label=numbers.reshape(len(numbers), -1).astype(float))
