"""Room of competition (floor 3): how multimodal models are trained so that no modality starves."""

from mmjax.competition._agm import agm, agm_coefficients
from mmjax.competition._arl import arl
from mmjax.competition._bottleneck import fused_logits, fused_probabilities, one_hot_label
from mmjax.competition._cggm import cggm, cggm_coefficients
from mmjax.competition._coalitions import coalition_logits, coalitions, mean_latents, permuted_latents, zero_latents
from mmjax.competition._conditional_information import conditional_informations
from mmjax.competition._contrastive import nt_xent, same_class, same_sample
from mmjax.competition._dgl import dgl
from mmjax.competition._diagnose_relearn import diagnose_relearn
from mmjax.competition._error_groups import ErrorGroups, error_groups
from mmjax.competition._game import Game, Shares, code_colab, code_greedy, code_ind, paper, paper_literal
from mmjax.competition._gradient_blending import gradient_blending
from mmjax.competition._gradient_scale import gradient_scale
from mmjax.competition._gradient_shares import RecordedShares, gradient_shares, with_gradient_shares
from mmjax.competition._held import encoders_held
from mmjax.competition._joint import joint
from mmjax.competition._linear_probe import LinearProbe, linear_probe, probe_logits
from mmjax.competition._logit_scales import logit_scales
from mmjax.competition._mcr import mcr
from mmjax.competition._mla import mla
from mmjax.competition._mlb import mlb, mlb_coefficients
from mmjax.competition._mmcosine import mmcosine
from mmjax.competition._mmpareto import mmpareto, mmpareto_weight
from mmjax.competition._mses import mses
from mmjax.competition._mslr import mslr
from mmjax.competition._multi_loss import ensemble, multi_loss, unimodal
from mmjax.competition._ogm import ogm, ogm_coefficients
from mmjax.competition._perturbations import all_pairs, derangements, noise, permutations, zeros
from mmjax.competition._pmr import pmr
from mmjax.competition._pretrained import finetuned, frozen
from mmjax.competition._rates import rates_by_label, scale_by_label, with_rates
from mmjax.competition._reconboost import reconboost
from mmjax.competition._sensitivity import proper_subsets, sensitivities, singletons
from mmjax.competition._shapley import shapley_imbalance, shapley_values
from mmjax.competition._staged import staged
from mmjax.competition._strategy import Auxiliary, Forward, Model, Samples, Strategy, forward, weighted_mean
from mmjax.competition._synib import divergence_from_normal, divergence_from_uniform, synib
from mmjax.competition._task import (
    Task,
    bernoulli_jensen_shannon,
    classification,
    jensen_shannon,
    multilabel,
    regression,
    squared_difference,
)
from mmjax.competition._tcmax import tcmax

__all__ = [
    "Auxiliary",
    "ErrorGroups",
    "Forward",
    "Game",
    "LinearProbe",
    "Model",
    "RecordedShares",
    "Samples",
    "Shares",
    "Strategy",
    "Task",
    "agm",
    "agm_coefficients",
    "all_pairs",
    "arl",
    "bernoulli_jensen_shannon",
    "cggm",
    "cggm_coefficients",
    "classification",
    "coalition_logits",
    "coalitions",
    "code_colab",
    "code_greedy",
    "code_ind",
    "conditional_informations",
    "derangements",
    "dgl",
    "diagnose_relearn",
    "divergence_from_normal",
    "divergence_from_uniform",
    "encoders_held",
    "ensemble",
    "error_groups",
    "finetuned",
    "forward",
    "frozen",
    "fused_logits",
    "fused_probabilities",
    "gradient_blending",
    "gradient_scale",
    "gradient_shares",
    "jensen_shannon",
    "joint",
    "linear_probe",
    "logit_scales",
    "mcr",
    "mean_latents",
    "mla",
    "mlb",
    "mlb_coefficients",
    "mmcosine",
    "mmpareto",
    "mmpareto_weight",
    "mses",
    "mslr",
    "multi_loss",
    "multilabel",
    "noise",
    "nt_xent",
    "ogm",
    "ogm_coefficients",
    "one_hot_label",
    "paper",
    "paper_literal",
    "permutations",
    "permuted_latents",
    "pmr",
    "probe_logits",
    "proper_subsets",
    "rates_by_label",
    "reconboost",
    "regression",
    "same_class",
    "same_sample",
    "scale_by_label",
    "sensitivities",
    "shapley_imbalance",
    "shapley_values",
    "singletons",
    "squared_difference",
    "staged",
    "synib",
    "tcmax",
    "unimodal",
    "weighted_mean",
    "with_gradient_shares",
    "with_rates",
    "zero_latents",
    "zeros",
]
