"""Room of correlation (floor 1): what views have in common and what each has alone, and where in the input it is."""

from mmjax.correlation._ajive import AJIVE, ajive
from mmjax.correlation._cca import CCA, cca, cca_of, variates
from mmjax.correlation._common_individual import (
    CommonIndividual,
    common_individual_of,
    common_variates,
    fit_common_individual,
    individual_variates,
)
from mmjax.correlation._dcca_split import CommonDistinctive, dcca_split
from mmjax.correlation._decorrelation import barlow_twins, ey, soft_decorrelation, vicreg
from mmjax.correlation._dependence import cka, distance_correlation, gaussian_kernel, hsic, svcca
from mmjax.correlation._gcca import consensus, gcca, gcca_of, mcca
from mmjax.correlation._linear_theory import correlation_gradient, maxvar_gradient, squared_correlation_gradient
from mmjax.correlation._moments import Moments, merged, moments
from mmjax.correlation._nulls import CanonicalTest, bootstrapped_correlations, permutation_test, variate_correlations
from mmjax.correlation._objectives import (
    explained_residual,
    maxvar,
    mean_squared_correlation,
    sum_squares,
    trace_norm,
)
from mmjax.correlation._saliency import jacobian_energy, saliency, smooth_saliency
from mmjax.correlation._scores import agreement, common_energy, individual_energy
from mmjax.correlation._trained_heads import canonical_heads

__all__ = [
    "AJIVE",
    "CCA",
    "CanonicalTest",
    "CommonDistinctive",
    "CommonIndividual",
    "Moments",
    "agreement",
    "ajive",
    "barlow_twins",
    "bootstrapped_correlations",
    "canonical_heads",
    "cca",
    "cca_of",
    "cka",
    "common_energy",
    "common_individual_of",
    "common_variates",
    "consensus",
    "correlation_gradient",
    "dcca_split",
    "distance_correlation",
    "explained_residual",
    "ey",
    "fit_common_individual",
    "gaussian_kernel",
    "gcca",
    "gcca_of",
    "hsic",
    "individual_energy",
    "individual_variates",
    "jacobian_energy",
    "maxvar",
    "maxvar_gradient",
    "mcca",
    "mean_squared_correlation",
    "merged",
    "moments",
    "permutation_test",
    "saliency",
    "smooth_saliency",
    "soft_decorrelation",
    "squared_correlation_gradient",
    "sum_squares",
    "svcca",
    "trace_norm",
    "variate_correlations",
    "variates",
    "vicreg",
]
