"""Data, array files: the arrays of an npz file, checked for what they are to be; a defect is one line."""

import contextlib
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

Numbers = NDArray[np.generic]
PathLike = str | os.PathLike[str]

UNLABELLED = -1
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_UNREADABLE = (
    ValueError,  # also an array of Python objects, which only a pickle could restore
    EOFError,
    OSError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


class DataFileError(ValueError):
    """A data file that breaks its contract; the message is one line: what was got, expected, and to do."""


class ArrayFile:
    """An open npz file; its methods raise `DataFileError` where an array is not what it is to be."""

    def __init__(self, path: PathLike):
        """Open a file; no pickle in it is ever loaded."""
        self._path = path
        with contextlib.ExitStack() as on_failure:
            try:
                stream = on_failure.enter_context(open(path, "rb"))
                start = stream.read(4)
                stream.seek(0)
            except OSError as error:
                raise self.defect(f"cannot be read ({error.strerror}); expected an npz file") from None
            if start not in _ZIP_STARTS:
                raise self.defect("no npz file; write one with numpy.savez(path, label=..., ...)")
            try:
                self._file: NpzFile = np.load(stream, allow_pickle=False)
            except _UNREADABLE:
                raise self.defect("a truncated or damaged npz file; write or copy it again") from None
            self._stream = on_failure.pop_all()

    def __enter__(self) -> "ArrayFile":
        """Return the file itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()
        self._stream.close()

    def __contains__(self, name: str) -> bool:
        """Say whether the file holds an array."""
        return name in self._file.files

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the arrays."""
        return iter(self._file.files)

    def defect(self, message: str) -> DataFileError:
        """Return an error that names the file."""
        return DataFileError(f"{self._path}: {message}")

    def samples(self, name: str) -> Numbers:
        """Read an array with one sample a row, of finite numbers."""
        array = self._numbers(name)
        if array.ndim == 0:
            raise self.defect(
                f"array {name!r} is a single number; expected one sample a row: name the modalities to read "
                "if it is none"
            )
        if array.size == 0:
            raise self.defect(f"array {name!r} is empty, shape {array.shape}; expected samples")
        finite = np.isfinite(array)
        if not finite.all():
            where = tuple(np.argwhere(~finite)[0])
            raise self.defect(
                f"array {name!r} holds {array[where]} in sample {where[0]} ({np.sum(~finite)} such entries); "
                f"expected finite numbers: fill them in, and mark absent samples by 0 in mask_{name}"
            )
        return array

    def labels(self, name: str, *, smallest: int) -> NDArray[np.int64]:
        """Read an array of classes, two or more, none below `smallest` (-1 admits unlabelled samples)."""
        if name not in self:
            raise self.defect(f"no array {name!r} (the file holds {listed(self)}); add the classes, one a sample")
        label = self._whole(name)
        if label.min() < smallest:
            unlabelled = "-1 where unlabelled" if smallest == UNLABELLED else "all samples labelled"
            raise self.defect(f"array {name!r} holds {label.min()}; expected classes from 0, {unlabelled}")
        classes = np.unique(label[label != UNLABELLED])
        if len(classes) < 2:
            found = f"only class {classes[0]}" if len(classes) else "no labelled sample"
            raise self.defect(f"array {name!r} has {found}; expected two classes or more")
        return label

    def codes(self, name: str, meanings: Mapping[int, str]) -> NDArray[np.int8]:
        """Read an array of known codes, one a sample."""
        codes = self._whole(name)
        wrong = np.setdiff1d(codes, list(meanings))
        if len(wrong):
            expected = listed(f"{code} {meaning}" for code, meaning in meanings.items())
            raise self.defect(f"array {name!r} holds {listed(wrong)}; expected {expected}")
        return codes.astype(np.int8)

    def check_counts(self, arrays: Mapping[str, Numbers]) -> None:
        """Raise where the arrays have different numbers of samples."""
        (first, reference), *others = arrays.items()
        for name, array in others:
            if len(array) != len(reference):
                raise self.defect(
                    f"{name!r} has {len(array)} samples and {first!r} {len(reference)}; "
                    "the first axes must agree: one row a sample in both"
                )

    def _numbers(self, name: str) -> Numbers:
        try:
            array = self._file[name]
        except _UNREADABLE as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise self.defect(
                f"array {name!r} cannot be read ({reason}); save plain arrays of numbers with numpy.savez"
            ) from None
        if not isinstance(array, np.ndarray):
            raise self.defect(f"member {name!r} is no array; save arrays of numbers with numpy.savez")
        if array.dtype.kind not in "biuf":
            raise self.defect(
                f"array {name!r} has dtype {array.dtype}; expected real numbers: name the modalities to read "
                "if it is none"
            )
        return array

    def _whole(self, name: str) -> NDArray[np.int64]:
        array = self.samples(name)
        if array.ndim != 1:
            raise self.defect(f"array {name!r} has shape {array.shape}; expected one number a sample, shape (n,)")
        with np.errstate(invalid="ignore"):  # too large for int64: caught by the comparison below
            whole = array.astype(np.int64)
        fractional = whole != array
        if fractional.any():
            raise self.defect(f"array {name!r} holds {array[fractional][0]}; expected whole numbers: bin or round it")
        return whole


def listed(names: Iterable[object], limit: int = 8) -> str:
    """Join names for a message, the first few of many."""
    shown = [str(name) for name in names]
    return ", ".join(shown[:limit]) + (f", ... ({len(shown)} in all)" if len(shown) > limit else "")
