"""Room of heterogeneity (floor 3): which modalities and interactions are alike enough to share parameters.

The way of the data: fits -> `transfer_matrix` -> `distance` -> `complete` where some were not measured -> `cluster` or
`budgeted_groups` -> a `SharingPlan`; and `select_pairs` for the pairs of modalities worth fusing.
"""

from mmjax.heterogeneity._affinity import Affinity, Labelled, gradient_affinity
from mmjax.heterogeneity._budget import budgeted_groups, collapse_by_modality
from mmjax.heterogeneity._checks import check_distances
from mmjax.heterogeneity._clustering import cluster, cost_curve, within_cluster_cost
from mmjax.heterogeneity._completion import Completion, additive, complete, low_rank, shortest_paths
from mmjax.heterogeneity._distance import distance
from mmjax.heterogeneity._pair_selection import PairSelection, interaction_gains, select_pairs
from mmjax.heterogeneity._sharing_plan import PlanIndices, SharingPlan
from mmjax.heterogeneity._surrogates import linear_cka, log_me, rank_agreement
from mmjax.heterogeneity._transfer import (
    Fit,
    FitFn,
    TransferMatrix,
    direct_fits,
    matrix_of,
    transfer_matrix,
    transferred_losses,
)
from mmjax.heterogeneity._triangle import SpectralShares, spectral_shares, triangle_share
from mmjax.heterogeneity._usable_information import null_losses, pointwise_information

__all__ = [
    "Affinity",
    "Completion",
    "Fit",
    "FitFn",
    "Labelled",
    "PairSelection",
    "PlanIndices",
    "SharingPlan",
    "SpectralShares",
    "TransferMatrix",
    "additive",
    "budgeted_groups",
    "check_distances",
    "cluster",
    "collapse_by_modality",
    "complete",
    "cost_curve",
    "direct_fits",
    "distance",
    "gradient_affinity",
    "interaction_gains",
    "linear_cka",
    "log_me",
    "low_rank",
    "matrix_of",
    "null_losses",
    "pointwise_information",
    "rank_agreement",
    "select_pairs",
    "shortest_paths",
    "spectral_shares",
    "transfer_matrix",
    "transferred_losses",
    "triangle_share",
    "within_cluster_cost",
]
