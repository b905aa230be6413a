"""Models, HighMMT: any modalities and tasks in one model, with parameters shared by groups."""

from mmjax.models.highmmt._architecture import Absence, Architecture
from mmjax.models.highmmt._groups import check_params, expand_shared, extend
from mmjax.models.highmmt._heads import AttentionHead, ConcatenationHead, MeanHead
from mmjax.models.highmmt._layout import Layout, ModalitySpec, TaskSpec
from mmjax.models.highmmt._model import HighMMT, Params, Plan
from mmjax.models.highmmt._standardise import Tokens, positions, standardise

__all__ = [
    "Absence",
    "Architecture",
    "AttentionHead",
    "ConcatenationHead",
    "HighMMT",
    "Layout",
    "MeanHead",
    "ModalitySpec",
    "Params",
    "Plan",
    "TaskSpec",
    "Tokens",
    "check_params",
    "expand_shared",
    "extend",
    "positions",
    "standardise",
]
