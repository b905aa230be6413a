"""Room of training (floor 5): a training run as one pure function, and the host's loop over its segments."""

from mmjax.training._checkpoint import CheckpointError, Checkpoints
from mmjax.training._intervals import Interval, mean_interval, paired_interval
from mmjax.training._metrics import classification_metrics, multilabel_metrics, regression_metrics
from mmjax.training._optimizers import adam, adamw, sgd, warm_restarts
from mmjax.training._run import Run, run
from mmjax.training._train import Best, Train, TrainConfig, TrainState, make_train, predict, select, stopped

__all__ = [
    "Best",
    "CheckpointError",
    "Checkpoints",
    "Interval",
    "Run",
    "Train",
    "TrainConfig",
    "TrainState",
    "adam",
    "adamw",
    "classification_metrics",
    "make_train",
    "mean_interval",
    "multilabel_metrics",
    "paired_interval",
    "predict",
    "regression_metrics",
    "run",
    "select",
    "sgd",
    "stopped",
    "warm_restarts",
]
