"""Room of estimators (floor 1): mutual information from samples, without a table.

Score matrices f(x_i, y_j) go in, nats come out. `is_bound`, `side` and `log_b_ceiling` of each function say what its
value promises; estimators of scores alone are called as `estimator(scores, negatives=None)`.
"""

from mmjax.estimators._block_correlation import BlockCorrelation, block_correlation
from mmjax.estimators._clusters import permute_within
from mmjax.estimators._contrastive import supervised_contrastive
from mmjax.estimators._disagreement import disagreement
from mmjax.estimators._donsker_varadhan import MINEState, donsker_varadhan, mine_init, mine_loss, smile
from mmjax.estimators._estimator import Estimator, estimator
from mmjax.estimators._gaussian import (
    gaussian_copula_information,
    gaussian_dual_total_correlation,
    gaussian_information,
    gaussian_information_bias,
    gaussian_information_from_samples,
    gaussian_o_information,
    gaussian_total_correlation,
    normal_scores,
    sample_covariance,
)
from mmjax.estimators._held_out import HeldOutBound, held_out_bound
from mmjax.estimators._jensen_shannon import (
    information_from_jensen_shannon,
    jensen_shannon,
    jensen_shannon_information,
)
from mmjax.estimators._lower_bounds import flo, info_nce, nwj, tuba
from mmjax.estimators._nearest_neighbours import ksg
from mmjax.estimators._negatives import same_cluster
from mmjax.estimators._total_correlation import total_correlation
from mmjax.estimators._upper_bounds import club, leave_one_out, nce_club
from mmjax.estimators._variational_club import gaussian_log_conditional, variational_club, variational_club_loss

__all__ = [
    "BlockCorrelation",
    "Estimator",
    "HeldOutBound",
    "MINEState",
    "block_correlation",
    "club",
    "disagreement",
    "donsker_varadhan",
    "estimator",
    "flo",
    "gaussian_copula_information",
    "gaussian_dual_total_correlation",
    "gaussian_information",
    "gaussian_information_bias",
    "gaussian_information_from_samples",
    "gaussian_log_conditional",
    "gaussian_o_information",
    "gaussian_total_correlation",
    "held_out_bound",
    "info_nce",
    "information_from_jensen_shannon",
    "jensen_shannon",
    "jensen_shannon_information",
    "ksg",
    "leave_one_out",
    "mine_init",
    "mine_loss",
    "nce_club",
    "normal_scores",
    "nwj",
    "permute_within",
    "same_cluster",
    "sample_covariance",
    "smile",
    "supervised_contrastive",
    "total_correlation",
    "tuba",
    "variational_club",
    "variational_club_loss",
]
