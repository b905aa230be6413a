"""Experiments, estimators: what the runs of all parts have in common."""

from collections.abc import Mapping
from typing import Any

from mmjax.training import TrainConfig


def config_of(static: Mapping[str, Any]) -> TrainConfig:
    """Return the configuration of the runs of a static point, in full batches."""
    return TrainConfig(
        num_segments=static["num_segments"],
        steps_per_segment=static["steps_per_segment"],
        batch_size=static["batch_size"],
        drop_last=True,
    )


def parts_of(num_samples: int) -> tuple[int, int, int]:
    """Return the sizes of train, valid and test: a half and two quarters."""
    return num_samples // 2, num_samples // 4, num_samples // 4
