"""Data: sources that hand multimodal samples to the rest of the library as checked arrays, and generators."""

from mmjax.data._array_file import DataFileError
from mmjax.data._batch import Batch, batch_of
from mmjax.data._batching import EpochOrder, batch_at, epoch_order, num_batches, take
from mmjax.data._competition import (
    CompetitionAccuracy,
    CompetitionTask,
    competition_accuracy,
    competition_data,
    competition_table,
)
from mmjax.data._factor_views import FactorViews, linear_views, linear_views_correlation, nonlinear_views
from mmjax.data._factors import FactorTruth, factor_data, factor_truth
from mmjax.data._gates import GATES, flip_label, table_data
from mmjax.data._gaussian import gaussian_data, gaussian_information
from mmjax.data._generative import (
    GENERATIVE_RATIOS,
    GenerativeData,
    GenerativePosteriors,
    generative_data,
    generative_posteriors,
)
from mmjax.data._glyphs import GlyphImages, glyph_images
from mmjax.data._information_bases import additive_noise_task, multinormal_task, student_task
from mmjax.data._information_maps import half_cube, mixture_quantile, spiral, swiss_roll, wiggle
from mmjax.data._information_task import InformationTask, noise_padded_task, transformed_task
from mmjax.data._information_tasks import INFORMATION_TASKS
from mmjax.data._linear_transfer import LinearTransfer, linear_gaussian_node, linear_transfer
from mmjax.data._mixture_tasks import gaussian_mixture_task, mixture_tasks
from mmjax.data._modality_world import (
    ModalityWorld,
    WorldMaps,
    WorldModality,
    factor_information,
    render_modality,
    world_maps,
)
from mmjax.data._npz import (
    MultimodalData,
    UnpairedData,
    is_unpaired_npz,
    load_npz,
    load_unpaired_npz,
)
from mmjax.data._prefetch import PrefetchedBatches, Source, TfdsSource
from mmjax.data._presets import PRESETS, Preset, check_preset, random_like
from mmjax.data._renderers import ImageRenderer, Renderer, SequenceRenderer, SetRenderer, TableRenderer
from mmjax.data._shapes import ShapePairs, shape_pairs
from mmjax.data._splits import Splits, cut, only, split_codes, splits_of, standardised
from mmjax.data._synergistic import parity_accuracy, parity_data, parity_information
from mmjax.data._unpaired import Unpaired, unpaired, unpaired_of
from mmjax.data._views import breast_cancer_views, digits_halves
from mmjax.data._world_rules import PAIR_RULES, GatesRule, MixedRule, PairRule, QuadrantRule, Rule
from mmjax.data._world_suites import HETEROGENEITY_SUITE, SEQUENCE_SUITE, WorldSuite
from mmjax.data._world_tasks import TaskSample, WorldTask, interaction_class, sample_task

__all__ = [
    "GATES",
    "GENERATIVE_RATIOS",
    "HETEROGENEITY_SUITE",
    "INFORMATION_TASKS",
    "PAIR_RULES",
    "PRESETS",
    "SEQUENCE_SUITE",
    "Batch",
    "CompetitionAccuracy",
    "CompetitionTask",
    "DataFileError",
    "EpochOrder",
    "FactorTruth",
    "FactorViews",
    "GatesRule",
    "GenerativeData",
    "GenerativePosteriors",
    "GlyphImages",
    "ImageRenderer",
    "InformationTask",
    "LinearTransfer",
    "MixedRule",
    "ModalityWorld",
    "MultimodalData",
    "PairRule",
    "PrefetchedBatches",
    "Preset",
    "QuadrantRule",
    "Renderer",
    "Rule",
    "SequenceRenderer",
    "SetRenderer",
    "ShapePairs",
    "Source",
    "Splits",
    "TableRenderer",
    "TaskSample",
    "TfdsSource",
    "Unpaired",
    "UnpairedData",
    "WorldMaps",
    "WorldModality",
    "WorldSuite",
    "WorldTask",
    "additive_noise_task",
    "batch_at",
    "batch_of",
    "breast_cancer_views",
    "check_preset",
    "competition_accuracy",
    "competition_data",
    "competition_table",
    "cut",
    "digits_halves",
    "epoch_order",
    "factor_data",
    "factor_information",
    "factor_truth",
    "flip_label",
    "gaussian_data",
    "gaussian_information",
    "gaussian_mixture_task",
    "generative_data",
    "generative_posteriors",
    "glyph_images",
    "half_cube",
    "interaction_class",
    "is_unpaired_npz",
    "linear_gaussian_node",
    "linear_transfer",
    "linear_views",
    "linear_views_correlation",
    "load_npz",
    "load_unpaired_npz",
    "mixture_quantile",
    "mixture_tasks",
    "multinormal_task",
    "noise_padded_task",
    "nonlinear_views",
    "num_batches",
    "only",
    "parity_accuracy",
    "parity_data",
    "parity_information",
    "random_like",
    "render_modality",
    "sample_task",
    "shape_pairs",
    "spiral",
    "split_codes",
    "splits_of",
    "standardised",
    "student_task",
    "swiss_roll",
    "table_data",
    "take",
    "transformed_task",
    "unpaired",
    "unpaired_of",
    "wiggle",
    "world_maps",
]
