"""Room of minimum-entropy couplings (floor 2): couplings of given marginals, and bounds on the least entropy.

A coupling of k marginals is a joint distribution that has them. The least entropy of one is NP-hard to find;
`entropy_lower_bound` <= least entropy <= `entropy_upper_bound`, which lie less than 0.4 bits apart on average
for few atoms. Marginals are the rows of one array, shorter ones padded with zeros; values are in bits unless
`base` says otherwise.
"""

from mmjax.coupling._entropy_upper_bound import entropy_upper_bound
from mmjax.coupling._greedy import greedy
from mmjax.coupling._majorize_profile import entropy_lower_bound
from mmjax.coupling._marginals import Coupling, check_marginals, dense
from mmjax.coupling._quantile import quantile
from mmjax.coupling._simple_bounds import majorization_meet, meet_entropy, profile_bound

__all__ = [
    "Coupling",
    "check_marginals",
    "dense",
    "entropy_lower_bound",
    "entropy_upper_bound",
    "greedy",
    "majorization_meet",
    "meet_entropy",
    "profile_bound",
    "quantile",
]
