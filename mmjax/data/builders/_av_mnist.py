"""Builders, AV-MNIST: written digits with spoken ones, both made hard enough that neither suffices."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from mmjax.data._array_file import DataFileError, PathLike
from mmjax.data.builders._av_mnist_raw import SIDE, Part, read_parts
from mmjax.data.builders._av_mnist_signals import LogMel, noisy, reduced_images

_DESCRIPTION = """Images of MNIST, of whose variance a quarter is kept, and recordings of the same digit in noise."""

_RAW_FILES = """The four files of MNIST, as they are distributed (train-images-idx3-ubyte, train-labels-idx1-ubyte,
t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte; .gz or not), and the folder `recordings` of the Free Spoken Digit
Dataset (<digit>_<speaker>_<take>.wav)."""


@dataclasses.dataclass(kw_only=True)
class AvMnistConfig(tfds.core.BuilderConfig):
    """A size of the spectrograms."""

    log_mel: LogMel
    """What makes them."""


class AvMnist(tfds.core.GeneratorBasedBuilder):
    """Builder of AV-MNIST; `prepare_av_mnist` says what it makes and runs it."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}  # noqa: RUF012
    MANUAL_DOWNLOAD_INSTRUCTIONS = _RAW_FILES
    BUILDER_CONFIGS = [  # noqa: RUF012
        AvMnistConfig(name="112", log_mel=LogMel(num_bands=112, hop=72, fft_size=2048)),
        AvMnistConfig(name="32", log_mel=LogMel(num_bands=32, hop=256, fft_size=512)),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        size = self.builder_config.log_mel.num_bands
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Tensor(shape=(SIDE, SIDE), dtype=np.uint8),
                    "audio": tfds.features.Tensor(shape=(size, size), dtype=np.uint8),
                    "label": tfds.features.ClassLabel(num_classes=10),
                    "mnist_index": tfds.features.Scalar(dtype=np.int64),
                    "recording": tfds.features.Text(),
                }
            ),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        parts = read_parts(dl_manager.manual_dir)
        images = reduced_images(
            [part.images for part in parts.values()], fit=np.concatenate([parts["train"].images, parts["valid"].images])
        )
        return {
            name: self._generate_examples(code, part._replace(images=reduced))
            for code, ((name, part), reduced) in enumerate(zip(parts.items(), images, strict=True))
        }

    def _generate_examples(self, code: int, part: Part) -> Iterator[tuple[int, dict[str, Any]]]:
        log_mel = self.builder_config.log_mel
        for row, (image, label) in enumerate(zip(part.images, part.labels, strict=True)):
            # A generator of its own, so that an example does not depend on those before it.
            random = np.random.default_rng((code, row))
            recordings = part.recordings[label]
            recording = recordings[int(random.integers(len(recordings)))]
            index = part.first_index + row
            yield (
                index,
                {
                    "image": image,
                    "audio": log_mel(noisy(random, recording.samples, log_mel.num_samples)),
                    "label": int(label),
                    "mnist_index": index,
                    "recording": recording.name,
                },
            )


def prepare_av_mnist(raw_folder: PathLike, data_folder: PathLike, *, size: int = 112) -> AvMnist:
    """Make AV-MNIST from the raw files of MNIST and of the Free Spoken Digit Dataset; once, later calls find it.

    Each image of MNIST is projected to the first principal components (of the training images) that hold a quarter of
    the variance. It is paired with a recording of its digit, drawn with repetition, at a random place in pink noise of
    2.5 to 12.5 dB above it, as a mel spectrogram: frames of 400 samples, bands from 50 to 4000 Hz, decibels from -40
    to 40 as 0 to 255. The draws depend on nothing but the image's part and number.

    Of the images train has the first 11 in 12 of the training file, valid the rest and test the other file; of the
    recordings test has takes 0 to 4, valid 5 to 9 and train the rest. In full these are 55 000, 5000 and 10 000 pairs,
    no image or recording in two parts. The sounds of the original were never public, so this is no replication: the
    range of the noise was chosen to bring a linear classifier of 32 x 32 spectrograms near accuracies reported for it.

    Args:
      raw_folder: has the four files of MNIST, `.gz` or not, and the folder `recordings`.
      data_folder: where TFDS keeps its data sets.
      size: bands and frames of a spectrogram, 112 (published shape) or 32.

    Returns:
      the builder: `TfdsSource(builder.as_data_source("train"), ["image", "audio"])` is a source for batches. An
      example has `image` (28, 28) and `audio` (size, size), uint8; `label`; `mnist_index`, its place in the file; and
      `recording`, the file's name. Examples are stored in an order of TFDS's own.

    Raises:
      DataFileError: if a raw file is missing or not what it should be, with one line that says which.
      ValueError: if the size is another.
    """
    names = [config.name for config in AvMnist.BUILDER_CONFIGS]
    if str(size) not in names:
        raise ValueError(f"size must be one of {', '.join(names)}; got {size}")
    builder = AvMnist(data_dir=data_folder, config=str(size), file_format="array_record")
    folder = Path(raw_folder)
    if not builder.is_prepared() and not (folder.is_dir() and any(folder.iterdir())):
        raise DataFileError(f"{folder}: no such folder, or an empty one; put the files of MNIST and `recordings` there")
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=raw_folder))
    return builder
