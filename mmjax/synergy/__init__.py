"""Room of synergy (floor 3): what labelled multimodal data would add, without having them."""

from mmjax.synergy._accuracy import (
    AccuracyBounds,
    accuracy_from_conditional_entropy,
    accuracy_lower_bound,
    accuracy_upper_bound,
)
from mmjax.synergy._accuracy_range import AccuracyRange, accuracy_range
from mmjax.synergy._additive_ceiling import AdditiveCeiling, additive_ceiling
from mmjax.synergy._bounds import SynergyBounds, accuracy_bounds, bounds
from mmjax.synergy._classifier_scales import classifier_scales
from mmjax.synergy._conditional_entropy import (
    conditional_entropy_bound,
    conditional_entropy_standard_error,
)
from mmjax.synergy._disagreement import (
    bhattacharyya_disagreement_bound,
    disagreement_bound,
    euclidean_disagreement_bound,
    total_variation_disagreement_bound,
)
from mmjax.synergy._joint_intervals import joint_intervals
from mmjax.synergy._plug_in import Decomposition
from mmjax.synergy._published import PublishedBounds, published_bounds
from mmjax.synergy._resampling import Bootstrap, CorrectedSynergy, bootstrap, corrected_synergy
from mmjax.synergy._samples import SampleBounds, bounds_from_samples, check_samples
from mmjax.synergy._significance import (
    ConditionalIndependenceNull,
    LabelPermutationNull,
    conditional_independence_null,
    label_permutation_null,
)
from mmjax.synergy._unpaired_bounds import Estimate, UnpairedBounds, unpaired_bounds

__all__ = [
    "AccuracyBounds",
    "AccuracyRange",
    "AdditiveCeiling",
    "Bootstrap",
    "ConditionalIndependenceNull",
    "CorrectedSynergy",
    "Decomposition",
    "Estimate",
    "LabelPermutationNull",
    "PublishedBounds",
    "SampleBounds",
    "SynergyBounds",
    "UnpairedBounds",
    "accuracy_bounds",
    "accuracy_from_conditional_entropy",
    "accuracy_lower_bound",
    "accuracy_range",
    "accuracy_upper_bound",
    "additive_ceiling",
    "bhattacharyya_disagreement_bound",
    "bootstrap",
    "bounds",
    "bounds_from_samples",
    "check_samples",
    "classifier_scales",
    "conditional_entropy_bound",
    "conditional_entropy_standard_error",
    "conditional_independence_null",
    "corrected_synergy",
    "disagreement_bound",
    "euclidean_disagreement_bound",
    "joint_intervals",
    "label_permutation_null",
    "published_bounds",
    "total_variation_disagreement_bound",
    "unpaired_bounds",
]
