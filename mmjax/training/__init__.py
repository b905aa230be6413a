"""Room of training (floor 5): a training run as one pure function, and the host's loop over its segments."""

from mmjax.training._checkpoint import CheckpointError, Checkpoints
from mmjax.training._config import TrainConfig
from mmjax.training._critics import critic_fit, critic_objective, pairs
from mmjax.training._fit import Best, Train, TrainState, best_of, make_fit, select, stopped
from mmjax.training._intervals import Interval, mean_interval, paired_interval
from mmjax.training._involvement import involvement, involvement_shares
from mmjax.training._metrics import classification_metrics, multilabel_metrics, regression_metrics
from mmjax.training._multitask import multitask_objective, predict_tasks
from mmjax.training._objective import NewStatistics, Objective, blockwise
from mmjax.training._optimizers import adam, adamw, sgd, warm_restarts
from mmjax.training._run import Run, run
from mmjax.training._train import make_train, predict
from mmjax.training._transfer import Node, node_fit, node_model, stack_nodes
from mmjax.training._unpaired import additive_logits, held_out_bounds, unpaired_objective

__all__ = [
    "Best",
    "CheckpointError",
    "Checkpoints",
    "Interval",
    "NewStatistics",
    "Node",
    "Objective",
    "Run",
    "Train",
    "TrainConfig",
    "TrainState",
    "adam",
    "adamw",
    "additive_logits",
    "best_of",
    "blockwise",
    "classification_metrics",
    "critic_fit",
    "critic_objective",
    "held_out_bounds",
    "involvement",
    "involvement_shares",
    "make_fit",
    "make_train",
    "mean_interval",
    "multilabel_metrics",
    "multitask_objective",
    "node_fit",
    "node_model",
    "paired_interval",
    "pairs",
    "predict",
    "predict_tasks",
    "regression_metrics",
    "run",
    "select",
    "sgd",
    "stack_nodes",
    "stopped",
    "unpaired_objective",
    "warm_restarts",
]
