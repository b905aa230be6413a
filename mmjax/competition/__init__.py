"""Room of competition (floor 3): how the loss and the gradients of a multimodal model are made from a batch."""

from mmjax.competition._gradient_scale import gradient_scale
from mmjax.competition._joint import joint
from mmjax.competition._multi_loss import ensemble, multi_loss, unimodal
from mmjax.competition._rates import with_rates
from mmjax.competition._strategy import Auxiliary, Model, Samples, Strategy, weighted_mean
from mmjax.competition._task import (
    Task,
    bernoulli_jensen_shannon,
    classification,
    jensen_shannon,
    multilabel,
    regression,
    squared_difference,
)

__all__ = [
    "Auxiliary",
    "Model",
    "Samples",
    "Strategy",
    "Task",
    "bernoulli_jensen_shannon",
    "classification",
    "ensemble",
    "gradient_scale",
    "jensen_shannon",
    "joint",
    "multi_loss",
    "multilabel",
    "regression",
    "squared_difference",
    "unimodal",
    "weighted_mean",
    "with_rates",
]
