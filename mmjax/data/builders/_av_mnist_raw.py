"""Builders, raw files of AV-MNIST: the idx files of MNIST and the recordings of spoken digits, checked."""

import gzip
import math
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from mmjax.data._array_file import DataFileError, PathLike

SIDE = 28
SAMPLE_RATE = 8000
NUM_DIGITS = 10

_TAKES = {"train": "10 or more", "valid": "5 to 9", "test": "0 to 4"}
_VALID_SHARE = 12
_RECORDING = re.compile(r"(?P<digit>\d)_(?P<speaker>\w+)_(?P<take>\d+)\.wav")
_UNSIGNED_BYTE = 8


class Recording(NamedTuple):
    """A spoken digit."""

    name: str
    """Of its file."""
    samples: NDArray[np.int16]
    """(n,) at 8 kHz."""


class Part(NamedTuple):
    """The raw files of train, valid or test."""

    images: NDArray[np.uint8]
    """(n, 28, 28)."""
    labels: NDArray[np.uint8]
    """(n,) digits."""
    first_index: int
    """The place of the first image in its file."""
    recordings: Sequence[Sequence[Recording]]
    """For each digit, in the order of the files' names."""


def read_parts(folder: PathLike) -> dict[str, Part]:
    """Read the raw files into train, valid and test.

    Raises:
      DataFileError: if a file is missing or damaged.
    """
    root = Path(folder)
    train, test = _read_mnist(root, "train"), _read_mnist(root, "t10k")
    if len(train[1]) < _VALID_SHARE:
        raise DataFileError(f"{root}: {len(train[1])} training images; expected {_VALID_SHARE} or more")
    num_train = len(train[1]) - len(train[1]) // _VALID_SHARE
    recordings = _read_recordings(root / "recordings")
    return {
        "train": Part(train[0][:num_train], train[1][:num_train], 0, recordings["train"]),
        "valid": Part(train[0][num_train:], train[1][num_train:], num_train, recordings["valid"]),
        "test": Part(*test, 0, recordings["test"]),
    }


def _read_mnist(root: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images = _read_idx(root, f"{part}-images-idx3-ubyte", (SIDE, SIDE))
    labels = _read_idx(root, f"{part}-labels-idx1-ubyte", ())
    if len(images) != len(labels):
        raise DataFileError(f"{root}: {part} has {len(images)} images and {len(labels)} labels; copy both files again")
    if len(labels) and labels.max() >= NUM_DIGITS:
        raise DataFileError(f"{root}: {part}-labels-idx1-ubyte holds {labels.max()}; expected digits")
    return images, labels


def _read_idx(root: Path, name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Read an idx file: two zeros, type, rank, sizes (big-endian), bytes."""
    path = next((path for path in (root / name, root / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise DataFileError(f"{root}: no {name} or {name}.gz; put the four files of MNIST there")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise DataFileError(f"{path}: cannot be read ({error}); copy it again") from None
    start = 4 + 4 * (1 + len(shape))
    if len(content) < start or content[:4] != bytes([0, 0, _UNSIGNED_BYTE, 1 + len(shape)]):
        raise DataFileError(f"{path}: no idx file of bytes of rank {1 + len(shape)}; copy it again")
    sizes = struct.unpack(f">{1 + len(shape)}I", content[4:start])
    if sizes[1:] != shape or len(content) - start != math.prod(sizes):
        raise DataFileError(
            f"{path}: sizes {sizes} with {len(content) - start} bytes; expected (n, {SIDE}, {SIDE}) or (n,) and as many"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)


def _read_recordings(folder: Path) -> dict[str, list[list[Recording]]]:
    """Read the recordings of each part and digit."""
    if not folder.is_dir():
        raise DataFileError(f"{folder}: no such folder; put the recordings there, <digit>_<speaker>_<take>.wav")
    recordings: dict[str, list[list[Recording]]] = {part: [[] for _ in range(NUM_DIGITS)] for part in _TAKES}
    for path, digit, take in _named_recordings(folder):
        part = "test" if take < 5 else "valid" if take < 10 else "train"
        recordings[part][digit].append(Recording(path.name, _read_wav(path)))
    for part, of_digits in recordings.items():
        for digit, found in enumerate(of_digits):
            if not found:
                raise DataFileError(
                    f"{folder}: no {digit}_<speaker>_<take>.wav of take {_TAKES[part]}; {part} needs one of every digit"
                )
    return recordings


def _named_recordings(folder: Path) -> Iterator[tuple[Path, int, int]]:
    for path in sorted(folder.iterdir()):
        if found := _RECORDING.fullmatch(path.name):
            yield path, int(found["digit"]), int(found["take"])


def _read_wav(path: Path) -> NDArray[np.int16]:
    try:
        rate, samples = wavfile.read(path)
    except (OSError, EOFError, ValueError, struct.error) as error:
        raise DataFileError(f"{path}: cannot be read ({error}); copy it again") from None
    if rate != SAMPLE_RATE or samples.dtype != np.int16 or samples.ndim != 1 or not len(samples):
        raise DataFileError(
            f"{path}: {rate} Hz, {samples.dtype}, shape {samples.shape}; expected {SAMPLE_RATE} Hz, int16, one channel"
        )
    return samples
