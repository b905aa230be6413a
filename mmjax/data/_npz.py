"""Data, npz files: the two kinds of data file a user can bring.

A multimodal file holds one array a modality, `label`, and optionally `split` and `mask_<modality>`. An
unpaired file holds what is known without labelled pairs (Liang et al. 2023, arXiv 2306.04539): two labelled
unimodal samples and one unlabelled paired sample.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmjax.data._array_file import UNLABELLED, ArrayFile, Numbers, PathLike, listed

_MASK = "mask_"
_SPLITS = {0: "train", 1: "valid", 2: "test"}
_PRESENCE = {0: "absent", 1: "present"}


class MultimodalData(NamedTuple):
    """Samples with all their modalities."""

    modalities: dict[str, Numbers]
    """Modality to array (n, ...), in the file's own dtype; finite."""
    label: NDArray[np.int64]
    """Classes (n,), -1 where unlabelled."""
    split: NDArray[np.int8] | None
    """(n,) of 0 train, 1 valid, 2 test; None where the file says nothing."""
    masks: dict[str, NDArray[np.bool_]]
    """Modality to (n,), False where it is absent from the sample; every modality has one."""


class UnpairedData(NamedTuple):
    """Two labelled unimodal samples, of n1 and n2 members, and an unlabelled sample of m pairs."""

    x1_labelled: Numbers
    """First modality (n1, ...)."""
    y1: NDArray[np.int64]
    """Its classes (n1,)."""
    x2_labelled: Numbers
    """Second modality (n2, ...)."""
    y2: NDArray[np.int64]
    """Its classes (n2,)."""
    x1_paired: Numbers
    """First modality of the pairs (m, ...)."""
    x2_paired: Numbers
    """Second modality of the pairs (m, ...)."""


def is_unpaired_npz(path: PathLike) -> bool:
    """Say whether a file is meant for `load_unpaired_npz`: it holds one of its arrays and no `label`.

    Raises:
      DataFileError: if the file is no npz file.
    """
    with ArrayFile(path) as file:
        return "label" not in file and any(name in file for name in UnpairedData._fields)


def load_npz(path: PathLike, modalities: Iterable[str] | None = None) -> MultimodalData:
    """Read a multimodal data file: one array a modality, `label`, `split`, `mask_<modality>`.

    Args:
      path: an `.npz` file; pickled objects in it are never loaded.
      modalities: the arrays to read as modalities; by default all but `label`, `split` and the masks.

    Returns:
      the samples, checked: equal first axes, finite numbers, at least two classes.

    Raises:
      DataFileError: if the file breaks the contract, with one line that says how.
    """
    with ArrayFile(path) as file:
        names = _modality_names(file, modalities)
        label = file.labels("label", smallest=UNLABELLED)
        arrays = {name: file.samples(name) for name in names}
        split = file.codes("split", _SPLITS) if "split" in file else None
        given_masks = {name: file.codes(_MASK + name, _PRESENCE).astype(bool) for name in names if _MASK + name in file}
        file.check_counts(
            {"label": label}
            | arrays
            | ({} if split is None else {"split": split})
            | {_MASK + name: mask for name, mask in given_masks.items()}
        )
    masks = {name: given_masks.get(name, np.ones(len(label), bool)) for name in names}
    return MultimodalData(arrays, label, split, masks)


def load_unpaired_npz(path: PathLike) -> UnpairedData:
    """Read a file of labelled unimodal and unlabelled paired samples; arrays of other names are left alone.

    Args:
      path: an `.npz` file with the six arrays of `UnpairedData`; pickled objects are never loaded.

    Returns:
      the samples, checked: matching first axes, one shape a modality, finite numbers, at least two classes.

    Raises:
      DataFileError: if the file breaks the contract, with one line that says how.
    """
    with ArrayFile(path) as file:
        missing = [name for name in UnpairedData._fields if name not in file]
        if missing:
            raise file.defect(
                f"no array {listed(missing)} (the file holds {listed(file)}); expected {listed(UnpairedData._fields)}"
            )
        data = UnpairedData(
            x1_labelled=file.samples("x1_labelled"),
            y1=file.labels("y1", smallest=0),
            x2_labelled=file.samples("x2_labelled"),
            y2=file.labels("y2", smallest=0),
            x1_paired=file.samples("x1_paired"),
            x2_paired=file.samples("x2_paired"),
        )
        file.check_counts({"y1": data.y1, "x1_labelled": data.x1_labelled})
        file.check_counts({"y2": data.y2, "x2_labelled": data.x2_labelled})
        file.check_counts({"x1_paired": data.x1_paired, "x2_paired": data.x2_paired})
        _check_one_shape(file, "x1", data.x1_labelled, data.x1_paired)
        _check_one_shape(file, "x2", data.x2_labelled, data.x2_paired)
    return data


def _modality_names(file: ArrayFile, wanted: Iterable[str] | None) -> list[str]:
    """Return the modalities to read, and check that the file has them and that each mask belongs to one."""
    offered = [name for name in file if name not in ("label", "split") and not name.startswith(_MASK)]
    names = offered if wanted is None else list(wanted)
    unknown = [name for name in names if name not in offered]
    if unknown:
        raise file.defect(f"no modality {listed(unknown)}; the file holds {listed(offered)}")
    if not names:
        raise file.defect(f"no modality (the file holds {listed(file)}); add an array for each")
    for name in file:
        if name.startswith(_MASK) and name.removeprefix(_MASK) not in offered:
            raise file.defect(f"{name!r} is the mask of no modality; expected {_MASK} before one of {listed(offered)}")
    return names


def _check_one_shape(file: ArrayFile, modality: str, labelled: Numbers, paired: Numbers) -> None:
    if labelled.shape[1:] != paired.shape[1:]:
        raise file.defect(
            f"a sample of {modality}_labelled has shape {labelled.shape[1:]} and one of {modality}_paired "
            f"{paired.shape[1:]}; both are the same modality and must agree"
        )
