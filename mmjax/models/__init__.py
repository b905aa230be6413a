"""Models: encoders, fusion heads, and the pure functions that training sees of them. The only room with Flax."""

from mmjax.models._critics import BilinearCritic, ConcatenatedCritic, SeparableCritic
from mmjax.models._functional import Model, functional, parameter_labels
from mmjax.models._fusion_head import FusionHead
from mmjax.models._fusion_heads import AttentionFusion, FiLM, GatedFusion
from mmjax.models._linear_maps import LinearMaps
from mmjax.models._mlp import MLP
from mmjax.models._multimodal import Multimodal, Outputs
from mmjax.models._network import Network, network
from mmjax.models._norms import BatchNorm, GroupNorm
from mmjax.models._resnet import ResNet18
from mmjax.models._sets import SetEncoder
from mmjax.models._spectrogram import SpectrogramCNN
from mmjax.models._sum_heads import ConcatMLP, LateLinear, SumMLP
from mmjax.models._transformer import Transformer

__all__ = [
    "MLP",
    "AttentionFusion",
    "BatchNorm",
    "BilinearCritic",
    "ConcatMLP",
    "ConcatenatedCritic",
    "FiLM",
    "FusionHead",
    "GatedFusion",
    "GroupNorm",
    "LateLinear",
    "LinearMaps",
    "Model",
    "Multimodal",
    "Network",
    "Outputs",
    "ResNet18",
    "SeparableCritic",
    "SetEncoder",
    "SpectrogramCNN",
    "SumMLP",
    "Transformer",
    "functional",
    "network",
    "parameter_labels",
]
