"""Data, presets: the shapes of published data sets, to check one's own copy and to run without any."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from mmjax.data._array_file import UNLABELLED, listed
from mmjax.data._batch import Batch, batch_of
from mmjax.data._npz import MultimodalData

OPEN_SIZE = 8

Shape = tuple[int | None, ...]

_MCR = "MCR, arXiv 2411.07335, and its code"
_HIGHMMT = "HighMMT, arXiv 2203.01311, and its code"


@dataclasses.dataclass(frozen=True)
class Preset:
    """What a sample of a data set looks like; hashable, so that it can be static."""

    name: str
    """Of the data set."""
    shapes: tuple[tuple[str, Shape], ...]
    """Modalities and the shape of a sample of each; None is a size that the source leaves open."""
    source: str
    """Whose preprocessing has these shapes."""
    num_classes: int = 0
    """Classes of the label; 0 where there are targets."""
    num_targets: int = 0
    """Real targets of a sample; 0 where there are classes."""

    def __post_init__(self) -> None:
        """Check that the label is of one kind.

        Raises:
          ValueError: if there are both classes and targets, or neither.
        """
        if (self.num_classes > 0) == (self.num_targets > 0):
            raise ValueError(
                f"a preset has either classes or targets; got num_classes {self.num_classes}, "
                f"num_targets {self.num_targets}"
            )

    @property
    def modalities(self) -> dict[str, Shape]:
        """Modality to the shape of a sample."""
        return dict(self.shapes)


def _preset(name: str, source: str, *, num_classes: int = 0, num_targets: int = 0, **shapes: Shape) -> Preset:
    return Preset(name, tuple(shapes.items()), source, num_classes, num_targets)


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "mosi": _preset("CMU-MOSI", _MCR, num_targets=1, video=(None, 20), audio=(None, 5), text=(None, 300)),
        "mosei": _preset("CMU-MOSEI", _MCR, num_targets=1, video=(None, 35), audio=(None, 74), text=(None, 300)),
        "mosei_binary": _preset("CMU-MOSEI", _HIGHMMT, num_classes=2, video=(50, 35), audio=(50, 74), text=(50, 300)),
        "ur_funny": _preset("UR-FUNNY", _HIGHMMT, num_classes=2, video=(20, 371), audio=(20, 81), text=(50, 300)),
        "mimic": _preset("MIMIC", _HIGHMMT, num_classes=2, static=(5,), timeseries=(24, 12)),
        "av_mnist": _preset("AV-MNIST", _HIGHMMT, num_classes=10, image=(28, 28), audio=(112, 112)),
        "enrico": _preset("ENRICO", _HIGHMMT, num_classes=20, screenshot=(256, 128, 3), wireframe=(256, 128, 3)),
        "push": _preset(
            "MuJoCo Push",
            _HIGHMMT,
            num_targets=32,
            gripper=(16, 3),
            sensors=(16, 7),
            image=(16, 32, 32),
            control=(16, 7),
        ),
        "crema_d": _preset("CREMA-D", _MCR, num_classes=6, video=(3, 224, 224, 3), audio=(257, None)),
        "ave": _preset("AVE", _MCR, num_classes=28, video=(4, None, None, 3), audio=(None, None)),
        "ucf101": _preset("UCF-101", _MCR, num_classes=51, video=(4, None, None, 3), audio=(None, None)),
        "something_something": _preset(
            "Something-Something v2", _MCR, num_classes=174, video=(16, None, None, 3), flow=(16, None, None, None)
        ),
    }
)
"""The published inputs of MCR (arXiv 2411.07335) and HighMMT (arXiv 2203.01311), as far as their sources state them.

`mosi`, `mosei`: sequences as MultiBench has them, one sentiment score. `mosei_binary`, `ur_funny`: padded sequences,
sentiment from 0 up and humour. `mimic`: ICD-9 group 7; a table and 24 steps of 12 measurements. `push`: 16 steps;
the targets are the two coordinates of the pose at each, flattened row by row (ours). `crema_d`: the ResNet set-up, 3
frames and log |STFT| of 512 samples, 512 / 2 + 1 frequencies. `ave`, `ucf101` (the part with sound): 4 frames;
that audio is a spectrogram is our reading of its encoder. `something_something`: 16 frames and their optical flow.
That frames of video are in colour with the channels last is ours throughout. The lengths of sequences and the sizes
of frames are None where no source states them.
"""


def random_like(key: Array, preset: Preset, num_samples: int) -> Batch:
    """Sample a batch of the shapes of a preset, for tests and dry runs.

    Args:
      key: PRNG key.
      preset: the shapes; static. Open sizes become 8.
      num_samples: number of samples.

    Returns:
      independent standard normal modalities, uniform classes or standard normal targets; all present, of weight 1.
    """
    label_key, *keys = jax.random.split(key, 1 + len(preset.shapes))
    modalities: dict[str, ArrayLike] = {
        name: jax.random.normal(each, (num_samples, *(OPEN_SIZE if size is None else size for size in shape)))
        for each, (name, shape) in zip(keys, preset.shapes, strict=True)
    }
    if preset.num_targets:
        label = jax.random.normal(label_key, (num_samples, preset.num_targets))
    else:
        label = jax.random.randint(label_key, (num_samples,), 0, preset.num_classes, dtype=jnp.int32)
    return batch_of(modalities, label)


def check_preset(data: MultimodalData | Batch, preset: Preset) -> None:
    """Check on the host that samples are what a preset says; modalities that it does not name are left alone.

    Args:
      data: the samples.
      preset: the shapes.

    Raises:
      ValueError: if a modality is missing, or it or the label is not as expected; the message names the array.
    """
    for name, shape in preset.shapes:
        if name not in data.modalities:
            raise ValueError(
                f"{preset.name}: no modality {name!r}, shape {_said(shape)}; got {listed(data.modalities)}"
            )
        got = data.modalities[name].shape[1:]
        if len(got) != len(shape) or any(size not in (None, actual) for size, actual in zip(shape, got, strict=True)):
            raise ValueError(f"{preset.name}: a sample of {name!r} has shape {got}; expected {_said(shape)}")
    _check_label(np.asarray(data.label), preset)


def _check_label(label: NDArray[np.number[Any]], preset: Preset) -> None:
    if preset.num_targets:
        if label.shape[1:] != (preset.num_targets,):
            raise ValueError(
                f"{preset.name}: 'label' has shape {label.shape}; expected (n, {preset.num_targets}) targets"
            )
        return
    expected = f"expected classes (n,) from 0 to {preset.num_classes - 1}, {UNLABELLED} where unlabelled"
    if label.ndim != 1 or not np.issubdtype(label.dtype, np.integer):
        raise ValueError(f"{preset.name}: 'label' has shape {label.shape} and dtype {label.dtype}; {expected}")
    wrong = label[(label < UNLABELLED) | (label >= preset.num_classes)]
    if len(wrong):
        raise ValueError(f"{preset.name}: 'label' holds {wrong[0]}; {expected}")


def _said(shape: Shape) -> str:
    """Write a shape with a star for what is open."""
    return str(tuple("*" if size is None else size for size in shape)).replace("'", "")
