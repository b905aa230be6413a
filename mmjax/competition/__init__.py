"""Room of competition (floor 3): how the loss and the gradients of a multimodal model are made from a batch."""

from mmjax.competition._joint import joint
from mmjax.competition._strategy import Auxiliary, Model, Samples, Strategy, weighted_mean

__all__ = ["Auxiliary", "Model", "Samples", "Strategy", "joint", "weighted_mean"]
