"""Room of partial information decomposition (floor 2): certified BROJA of tables, posteriors and Gaussians.

A decomposition says how much of what two modalities tell about a label is redundant, unique to one of them, or
synergistic. Every number comes with both certified ends of the one optimum it rests on.
"""

from mmjax.pid._all_pairs import AllPairs, all_pairs
from mmjax.pid._broja import PID, broja, broja_from_marginals
from mmjax.pid._calibration import Calibration, calibrate, recalibrate
from mmjax.pid._cross_fitting import CrossFitted, cross_fitted
from mmjax.pid._gaussian import gaussian, gaussian_from_samples
from mmjax.pid._held_out import Estimate, HeldOutPID, held_out_pid
from mmjax.pid._pointwise import PointwisePID, pointwise
from mmjax.pid._posteriors import from_posteriors
from mmjax.pid._sinkhorn import Alignment, aligned_information, sinkhorn
from mmjax.pid._totals import ConsistentPosteriors, project_posteriors

__all__ = [
    "PID",
    "Alignment",
    "AllPairs",
    "Calibration",
    "ConsistentPosteriors",
    "CrossFitted",
    "Estimate",
    "HeldOutPID",
    "PointwisePID",
    "aligned_information",
    "all_pairs",
    "broja",
    "broja_from_marginals",
    "calibrate",
    "cross_fitted",
    "from_posteriors",
    "gaussian",
    "gaussian_from_samples",
    "held_out_pid",
    "pointwise",
    "project_posteriors",
    "recalibrate",
    "sinkhorn",
]
