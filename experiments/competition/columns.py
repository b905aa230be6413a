"""Experiments, competition: the columns of the published comparison (arXiv 2411.07335, Table 1), to run on your files.

The numbers are those of the public code of MCR, in the order of the printed columns; what is ours is said where it
stands. The data, and the pre-trained networks that made the features of some columns, do not ship with this project.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import optax

from experiments.competition.methods import Hparams
from experiments.competition.published import COLUMNS
from mmjax.competition import regression
from mmjax.training import adam, adamw, warm_restarts

ABSOLUTE_ERROR = regression._replace(losses=lambda prediction, target: jnp.mean(jnp.abs(prediction - target), axis=-1))
"""Numbers, with the loss of the published regressions."""

PREPARED = 30
"""Evaluations in which encoders train alone where the published ones come trained already (ours); half the run at
most."""
_FRAMES, _SPECTROGRAM = (224, 224, 3), (257, 300, 1)
_SHAPES: Sequence[Mapping[str, tuple[int, ...]]] = (
    {"video": (3, *_FRAMES), "audio": _SPECTROGRAM},
    {"video": (100, 1408), "audio": (200, 1024)},
    {"video": (4, *_FRAMES), "audio": _SPECTROGRAM},
    {"video": (768,), "audio": (768,)},
    {"video": (4, *_FRAMES), "audio": _SPECTROGRAM},
    {"vision": (50, 20), "text": (50, 300)},
    {"vision": (50, 20), "audio": (50, 5), "text": (50, 300)},
    {"vision": (50, 35), "text": (50, 300)},
    {"vision": (50, 35), "audio": (50, 74), "text": (50, 300)},
    {"video": (768,), "flow": (768,)},
)
_NUM_CLASSES = (6, 6, 28, 28, 51, None, None, None, None, 174)
_WIDTH = (512, 512, 512, 768, 512, 40, 40, 40, 40, 512)
_BATCH_SIZE = (32, 8, 32, 8, 32, 32, 32, 32, 32, 16)
_NUM_SEGMENTS = (1500, 1500, 1500, 1500, 1000, 100, 100, 100, 100, 30)
_PATIENCE = (25, 35, 150, 150, 100, 30, 30, 30, 30, 100)
_NUM_PERMUTATIONS = (*[32] * 9, 16)
_RATE = (1e-4, 5e-5, 1e-4, 1e-5, 1e-4, 1e-4, 1e-4, 1e-4, 1e-4, 1e-5)
_DECAY = (1e-4, 5e-6, *[1e-4] * 7, 0.02)
_OF_MODALITY = (1e-3, 5e-5, 1e-3, 1e-4, 1e-3, 1e-4, 1e-4, 1e-4, 1e-4, 1e-5)
"""Learning rates of the unimodal models; of the last five ours, as those of the column."""
_NUM_CONSTANT = (*[780] * 9, 31655)
"""Steps before the learning rate is a cosine with warm restarts."""
_DECOUPLED = (*[False] * 9, True)
"""Whether AdamW, with gradients clipped to norm 5."""
_PREPARED = (PREPARED, None, PREPARED, PREPARED, PREPARED, None, None, PREPARED, PREPARED, PREPARED)
_WINDOW = (20, 20, 10, 10, *[5] * 6)
_CLASSES_ONLY = ("MSLR", "MMCosine", "ReconBoost", "diagnose and relearn")
"""Not run on regressions there; two of them could be here."""


def _always(value: float) -> Sequence[float]:
    return [value] * len(COLUMNS)


_OWN: Mapping[str, Mapping[str, Sequence[float | None]]] = {
    "joint": {},
    "ensemble": {"learning_rate": _OF_MODALITY},
    "multi-loss": {"unimodal_weight": _always(1.0)},
    "frozen": {"prepared": _always(PREPARED)},
    "fine-tuned": {"prepared": _always(PREPARED)},
    # Which modality is slowed, and with which of two published pairs of factors, is not clear from the code.
    "MSLR": {"factor": (0.7, 0.7, *[0.9] * 8)},
    "MMCosine": {"scale": (10, 10, 1, *[10] * 7)},
    "OGM": {"alpha": (1.0, 1.0, 0.6, 1.0, *[0.8] * 6)},
    "AGM": {"alpha": (3.0, 3.0, 3.0, 0.5, 2.0, 1.5, 0.5, 0.5, 1.0, 1.0)},
    "MLB": {
        "alpha": (0.5, 5.0, 2.0, 3.0, 2.0, 1.5, 1.5, 2.5, 0.5, 2.0),
        "beta": (10.0, 2.0, 1.0, 2.0, 0.5, 2.0, 2.0, 2.0, 2.0, 0.5),
    },
    "ReconBoost": {"label_weight": (3.0, *[5.0] * 9), "memory_weight": (0.5, 0.5, 0.5, 3.0, *[0.5] * 6)},
    "MMPareto": {"gamma": (1.5, 2.0, 0.5, 3.0, 3.0, 1.0, 1.5, 3.0, 1.0, 3.0)},
    "diagnose and relearn": {
        "period": (20, 4, 20, 4, 20, 20, 20, 20, 20, 20),
        "strength": (3, 3, 3, 3, 5, 3, 3, 3, 3, 3),
    },
    "MCR": {
        "sensitivity_weight": (0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.01, 0.01, 0.001, 0.1),
        "unimodal_weight": (0.01, 1.0, 0.01, 1.0, 0.1, 0.001, 0.01, 0.1, 0.001, 1.0),
        "contrastive_weight": _always(1.0),
        "bottleneck_weight": (0, 1, 0, 1, 0, 0, 0, 1, 1, 1),
        "prepared": _PREPARED,
    },
}
"""Method to its hyper-parameters, column by column; None: it has none there."""


class Column(NamedTuple):
    """A data set of the published comparison, with its hyper-parameters."""

    shapes: Mapping[str, tuple[int, ...]]
    """Modality to the shape of a sample; sizes but the last may be others in your file."""
    num_classes: int | None
    """None: the label is a number, in the file as `target` beside its class, such as its sign, as `label`."""
    width: int
    """Of the latents."""
    batch_size: int
    num_segments: int
    """Epochs at most."""
    patience: int
    """Epochs without a lower validation loss after which a run ends."""
    num_permutations: int
    window: int
    """Evaluations that MSLR looks back."""
    optimizer: Callable[[Hparams], optax.GradientTransformation]
    """From learning rate and weight decay."""
    own: Mapping[str, Mapping[str, float]]
    """Method to hyper-parameters, learning rate and penalty among them; methods that are not for the label are left
    out."""


def _optimizer(place: int) -> Callable[[Hparams], optax.GradientTransformation]:
    schedule = warm_restarts(num_constant=_NUM_CONSTANT[place])

    def make(hparams: Hparams) -> optax.GradientTransformation:
        rate, decay = hparams["learning_rate"], hparams["weight_decay"]
        if _DECOUPLED[place]:
            return optax.chain(optax.clip_by_global_norm(5.0), adamw(rate, weight_decay=decay, schedule=schedule))
        return adam(rate, weight_decay=decay, schedule=schedule)

    return make


def _column(place: int) -> Column:
    basic = {"learning_rate": _RATE[place], "weight_decay": _DECAY[place]}
    own = {
        method: basic | {name: value for name, values in rows.items() if (value := values[place]) is not None}
        for method, rows in _OWN.items()
        if _NUM_CLASSES[place] or method not in _CLASSES_ONLY
    }
    return Column(
        shapes=_SHAPES[place],
        num_classes=_NUM_CLASSES[place],
        width=_WIDTH[place],
        batch_size=_BATCH_SIZE[place],
        num_segments=_NUM_SEGMENTS[place],
        patience=_PATIENCE[place],
        num_permutations=_NUM_PERMUTATIONS[place],
        window=_WINDOW[place],
        optimizer=_optimizer(place),
        own=own,
    )


PUBLISHED: Mapping[str, Column] = {name.lower().replace(" ", "-"): _column(place) for place, name in enumerate(COLUMNS)}
"""Presets by name, in the order of the published table."""
