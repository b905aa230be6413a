"""Data, splits: what is trained on, what is chosen by and what is reported, and their common scale."""

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from mmjax.data._array_file import UNLABELLED, listed
from mmjax.data._batch import Batch, batch_of
from mmjax.data._npz import MultimodalData

_NAMES = ("train", "valid", "test")
Samples = TypeVar("Samples", Batch, MultimodalData)


class Splits(NamedTuple):
    """The three parts of a data set, each a `Batch` of all its samples, or a pytree of several, such as `Unpaired`."""

    train: Any
    """What parameters are fitted to."""
    valid: Any
    """What choices between fits are made by."""
    test: Any
    """What is reported."""


def splits_of(data: MultimodalData, *, key: Array, fractions: Sequence[float] = (0.7, 0.15, 0.15)) -> Splits:
    """Bring a data set to the device in its three parts.

    The file's own split is taken as it is. Where there is none, one is drawn from the key, stratified: each class
    is divided by the fractions up to rounding and has at least one sample in train, where unlabelled ones go too.

    Args:
      data: the samples. Unlabelled ones have weight 0 in the parts.
      key: PRNG key; unused where the file has a split.
      fractions: shares of train, valid and test; positive, of sum 1. Unused where the file has a split.

    Returns:
      the parts; samples keep the order of `data`.

    Raises:
      ValueError: if a part has no labelled sample, a class none in train, or the fractions are not such shares.
    """
    split = split_codes(data, key=key, fractions=fractions)
    return Splits(*(_part(data, np.flatnonzero(split == code)) for code in range(len(_NAMES))))


def split_codes(
    data: MultimodalData, *, key: Array, fractions: Sequence[float] = (0.7, 0.15, 0.15)
) -> NDArray[np.int8]:
    """Return which part each sample of a data set is in, for work on the host: the parts are those of `splits_of`.

    Args:
      data: the samples.
      key: PRNG key; unused where the file has a split.
      fractions: shares of train, valid and test; positive, of sum 1. Unused where the file has a split.

    Returns:
      (n,), 0 train, 1 valid, 2 test.

    Raises:
      ValueError: as `splits_of` does.
    """
    if data.split is None:
        _check_fractions(fractions)
        split = _stratified(key, data.label, fractions)
    else:
        split = data.split
    _check_parts(data.label, split)
    return split


def cut(samples: Batch, sizes: Sequence[int]) -> Splits:
    """Cut samples that were drawn at once, with one hiding map for all, into train, valid and test in this order.

    Args:
      samples: n of them.
      sizes: of the three parts, at least 1 each and n together.

    Returns:
      the parts.

    Raises:
      ValueError: if the sizes are not such numbers.
    """
    num_samples = samples.label.shape[0]
    if len(sizes) != len(_NAMES) or min(sizes) < 1 or sum(sizes) != num_samples:
        raise ValueError(f"sizes must be three, at least 1 each and {num_samples} together; got {tuple(sizes)}")
    ends = (0, *itertools.accumulate(sizes))
    return Splits(*(jax.tree.map(lambda x, k=k: x[ends[k] : ends[k + 1]], samples) for k in range(3)))


def only(samples: Samples, names: Sequence[str]) -> Samples:
    """Leave out all but some modalities, with their masks.

    Args:
      samples: a batch, or data on the host.
      names: of the modalities that stay.

    Returns:
      the samples.

    Raises:
      ValueError: if there is no such modality.
    """
    unknown = [name for name in names if name not in samples.modalities]
    if unknown or not names:
        raise ValueError(f"no modality {', '.join(unknown)}; name some of {', '.join(samples.modalities)}")
    return samples._replace(
        modalities={name: samples.modalities[name] for name in names},
        masks={name: samples.masks[name] for name in names},
    )


def standardised(splits: Splits) -> Splits:
    """Bring float modalities to mean 0 and variance 1 in train, entry by entry; the other parts by the same map.

    Every entry of a sample's array is a feature with a mean and a (biased) variance of its own, taken over the
    samples of train that have the modality. Features that are constant there become 0 in all parts, and so do samples
    without the modality. Modalities of integers are left alone.

    Args:
      splits: the parts; may be traced.

    Returns:
      the parts; labels, masks and weights are unchanged.

    Raises:
      ValueError: if no sample of train has a modality, so that there are no statistics; traced, the modality is then
        NaN.
    """
    scaled: dict[str, list[Array]] = {}
    for name, x in splits.train.modalities.items():
        parts = [(part.modalities[name], part.masks[name]) for part in splits]
        if not jnp.issubdtype(x.dtype, jnp.floating):
            scaled[name] = [array for array, _ in parts]
        elif not isinstance(splits.train.masks[name], jax.core.Tracer) and not splits.train.masks[name].any():
            raise ValueError(f"no sample of train has modality {name!r}; leave it out or split the data anew")
        else:
            centre, scale = _statistics(*parts[0])
            scaled[name] = [_affine(array, mask, centre, scale) for array, mask in parts]
    return Splits(
        *(
            part._replace(modalities={name: arrays[code] for name, arrays in scaled.items()})
            for code, part in enumerate(splits)
        )
    )


def _statistics(x: Array, mask: Array) -> tuple[Array, Array]:
    """Return mean and standard deviation of the features, the latter 0 exactly where a feature is constant."""
    present = _as_rows(mask, x)
    count = jnp.sum(mask).astype(x.dtype)
    span = jnp.max(x, axis=0, where=present, initial=-jnp.inf) - jnp.min(x, axis=0, where=present, initial=jnp.inf)
    mean = jnp.sum(x, axis=0, where=present) / count
    # In units of the span, so that no square overflows or vanishes.
    unit = jnp.where(span > 0, span, 1)
    square = jnp.sum(jnp.square((x - mean[None]) / unit[None]), axis=0, where=present)
    return mean, span * jnp.sqrt(square / count)


def _affine(x: Array, mask: Array, centre: Array, scale: Array) -> Array:
    varies = scale > 0
    unit = jnp.where(varies, scale, 1)
    return jnp.where(_as_rows(mask, x) & varies[None], (x - centre[None]) / unit[None], 0)


def _as_rows(mask: Array, x: Array) -> Array:
    return mask.reshape(-1, *(1,) * (x.ndim - 1))


def _stratified(key: Array, label: NDArray[np.int64], fractions: Sequence[float]) -> NDArray[np.int8]:
    """Draw codes of the parts (n,); rounding is carried from class to class, so that it does not add up."""
    train, valid, _ = fractions
    shuffled = np.asarray(jax.random.permutation(key, len(label)))
    split = np.zeros(len(label), np.int8)
    num_labelled = num_held = 0
    for label_class in np.unique(label[label != UNLABELLED]):
        members = shuffled[label[shuffled] == label_class]
        num_train = max(1, _between(train, num_labelled, num_labelled + len(members)))
        held = members[num_train:]
        num_valid = _between(valid / (1 - train), num_held, num_held + len(held))
        split[held[:num_valid]], split[held[num_valid:]] = 1, 2
        num_labelled += len(members)
        num_held += len(held)
    return split


def _between(share: float, start: int, stop: int) -> int:
    """Return how many of the samples from start to stop are in a share of all, rounded."""
    return math.floor(share * stop + 0.5) - math.floor(share * start + 0.5)


def _check_fractions(fractions: Sequence[float]) -> None:
    if not (len(fractions) == 3 and all(share > 0 for share in fractions) and math.isclose(sum(fractions), 1)):
        raise ValueError(f"fractions must be three positive shares of sum 1 (train, valid, test); got {fractions}")


def _check_parts(label: NDArray[np.int64], split: NDArray[np.int8]) -> None:
    labelled = label != UNLABELLED
    for code, name in enumerate(_NAMES):
        if not np.any(labelled & (split == code)):
            counts = ", ".join(f"{part} {np.sum(labelled & (split == k))}" for k, part in enumerate(_NAMES))
            raise ValueError(f"{name} has no labelled sample ({counts}); every part needs one: split the data anew")
    missing = np.setdiff1d(label[labelled], label[labelled & (split == 0)])
    if len(missing):
        raise ValueError(f"class {listed(missing)} has no sample in train; every class needs one: split the data anew")


def _part(data: MultimodalData, rows: NDArray[np.intp]) -> Batch:
    return batch_of(
        {name: x[rows] for name, x in data.modalities.items()},
        data.label[rows],
        {name: mask[rows] for name, mask in data.masks.items()},
    )
