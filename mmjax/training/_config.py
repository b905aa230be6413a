"""Room training: what all runs of a compiled program have in common."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import optax
from jax import Array

from mmjax.training._metrics import classification_metrics
from mmjax.training._optimizers import adam

Tree = Any
Hparams = Mapping[str, Array]
"""Names to numbers that may differ from run to run of one compiled program."""
Metrics = dict[str, Any]


def _adam_of(hparams: Hparams) -> optax.GradientTransformation:
    return adam(hparams["learning_rate"], weight_decay=hparams.get("weight_decay", 0.0))


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """What all runs of a compiled program have in common."""

    num_segments: int = 20
    """Segments of a run; each ends with an evaluation."""
    steps_per_segment: int = 50
    """Optimiser steps of a segment."""
    batch_size: int = 32
    """Samples of a step; of each set of samples, where there are several."""
    drop_last: bool = False
    """Whether samples that do not fill the last batch of an epoch are left out; otherwise samples of weight 0 fill it
    up, which a loss must heed. Losses of pairs of samples, such as contrastive ones, need full batches."""
    patience: int | None = None
    """Segments without a lower validation loss after which a run stops; None: it never does."""
    optimizer_fn: Callable[[Hparams], optax.GradientTransformation] = _adam_of
    """From hyper-parameters to an optimiser; by default Adam of `learning_rate` and, if given, `weight_decay` (L2)."""
    metrics_fn: Callable[[Array, Array, Array], dict[str, Array]] = classification_metrics
    """From logits, labels and weights to the metrics of `make_train`; `loss` among them selects the best segment."""
    evaluation_batch: int = 1024
    """Samples that `make_train` evaluates at once."""

    def __post_init__(self) -> None:
        """Refuse sizes that do nothing."""
        for name in ("num_segments", "steps_per_segment", "batch_size", "evaluation_batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1, or None; got {self.patience}")
