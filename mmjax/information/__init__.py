"""Room of Shannon information (floor 1): entropies and informations of tables, and tables from samples.

A probability table is an array of any rank with nonnegative entries that sum to 1; one axis is one variable.
Values are in bits unless `base` says otherwise. A table that is none gives NaN; the `check_*` functions say
on the host what is wrong with it.
"""

from mmjax.information._checks import check_ids, check_joint_exists, check_marginals_agree, check_table
from mmjax.information._consistency import (
    ConsistentMarginals,
    marginal_disagreement,
    marginals_agree,
    project_marginals,
    sampling_disagreement,
)
from mmjax.information._divergence import kl_divergence
from mmjax.information._entropies import conditional_entropy, entropy
from mmjax.information._multivariate import (
    dual_total_correlation,
    interaction_information,
    o_information,
    total_correlation,
)
from mmjax.information._mutual_information import (
    conditional_mutual_information,
    joint_mutual_information,
    mutual_information,
    pointwise_mutual_information,
)
from mmjax.information._tables import (
    PairwiseMarginals,
    joint_table,
    marginal,
    pairwise_marginals,
    soft_joint_table,
)

__all__ = [
    "ConsistentMarginals",
    "PairwiseMarginals",
    "check_ids",
    "check_joint_exists",
    "check_marginals_agree",
    "check_table",
    "conditional_entropy",
    "conditional_mutual_information",
    "dual_total_correlation",
    "entropy",
    "interaction_information",
    "joint_mutual_information",
    "joint_table",
    "kl_divergence",
    "marginal",
    "marginal_disagreement",
    "marginals_agree",
    "mutual_information",
    "o_information",
    "pairwise_marginals",
    "pointwise_mutual_information",
    "project_marginals",
    "sampling_disagreement",
    "soft_joint_table",
    "total_correlation",
]
