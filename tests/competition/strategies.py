"""All strategies as a table: how each is made, the values its hyper-parameters are tested with, where it applies."""

from collections.abc import Callable
from typing import NamedTuple

from mmjax.competition import Strategy, ensemble, joint, multi_loss, unimodal
from mmjax.competition._agm import agm
from mmjax.competition._arl import arl
from mmjax.competition._bottleneck import fused_logits
from mmjax.competition._cggm import cggm
from mmjax.competition._dgl import dgl
from mmjax.competition._diagnose_relearn import diagnose_relearn
from mmjax.competition._game import paper, paper_literal
from mmjax.competition._gradient_blending import gradient_blending
from mmjax.competition._mcr import mcr
from mmjax.competition._mla import mla
from mmjax.competition._mlb import mlb
from mmjax.competition._mmcosine import mmcosine
from mmjax.competition._mmpareto import mmpareto
from mmjax.competition._mses import mses
from mmjax.competition._mslr import mslr
from mmjax.competition._ogm import ogm
from mmjax.competition._perturbations import all_pairs, permutations
from mmjax.competition._pmr import pmr
from mmjax.competition._pretrained import finetuned, frozen
from mmjax.competition._reconboost import reconboost
from mmjax.competition._sensitivity import proper_subsets
from mmjax.competition._synib import synib
from mmjax.competition._tcmax import tcmax
from mmjax.models import AttentionFusion, ConcatMLP, FiLM, GatedFusion, LateLinear, SumMLP
from tests.competition.conftest import WIDTH

NUM_MODALITIES = 3
NUM_OUTPUTS = {"classes": 3, "labels": 3, "targets": 2}
HEADS = {
    "linear": LateLinear,
    "sum": lambda num_outputs: SumMLP(num_outputs, (6, 6)),
    "concat": lambda num_outputs: ConcatMLP(num_outputs, (6,), 0.1),
    "film": lambda num_outputs: FiLM(num_outputs, "x1"),
    "gated": lambda num_outputs: GatedFusion(num_outputs, 4),
    "attention": lambda num_outputs: AttentionFusion(num_outputs, 4, num_layers=1, num_heads=1),
}
"""Name to a head of so many outputs."""
ALL_TASKS = tuple(NUM_OUTPUTS)
CLASSES = ("classes",)


class Entry(NamedTuple):
    """A strategy to be tested."""

    make: Callable[..., Strategy]
    """From a task and hyper-parameters to the strategy, for `NUM_MODALITIES` modalities of `WIDTH`."""
    values: dict[str, tuple[float, float]] = {}  # noqa: RUF012
    """Hyper-parameter that may be traced to the ends of its range in tests; integers where it counts something."""
    tasks: tuple[str, ...] = ALL_TASKS
    """Labels it is for."""
    heads: tuple[str, ...] = tuple(HEADS)
    """Heads it works with."""


WEIGHTS = {f"{name}_weight": (0.0, 1.0) for name in ("unimodal", "sensitivity", "contrastive")}

STRATEGIES = {
    "joint": Entry(joint),
    "multi_loss": Entry(multi_loss, {"unimodal_weight": (0.0, 2.0)}),
    "unimodal": Entry(lambda task: unimodal("x2", task)),
    "ensemble": Entry(ensemble),
    "frozen": Entry(frozen, {"num_segments": (0, 2)}),
    "finetuned": Entry(finetuned, {"num_segments": (0, 2)}),
    "ogm": Entry(ogm, {"alpha": (0.1, 2.0)}),
    "ogm_ge": Entry(lambda task, **values: ogm(task, noise=True, after=True, **values), {"alpha": (0.1, 2.0)}),
    "agm": Entry(agm, {"alpha": (0.1, 3.0)}),
    "mlb": Entry(mlb, {"alpha": (0.1, 5.0), "beta": (0.5, 10.0)}),
    "mslr": Entry(
        lambda task, slow, fast: mslr(task, factors={"x1": slow, "x3": fast}, window=1),
        {"slow": (0.0, 0.9), "fast": (1.1, 3.0)},
    ),
    "mses": Entry(mses, {"patience": (0, 3)}),
    "mmcosine": Entry(mmcosine, {"scale": (1.0, 15.0)}, heads=("linear",)),
    "pmr": Entry(pmr, {"eta": (0.1, 2.0), "momentum": (0.0, 0.9)}, CLASSES),
    "mmpareto": Entry(mmpareto, {"gamma": (0.5, 3.0)}),
    "mla": Entry(
        lambda task, **values: mla(task, width=WIDTH, num_modalities=NUM_MODALITIES, **values),
        {"num_batches": (1, 4), "decay": (0.01, 1.0)},
        CLASSES,
    ),
    "reconboost": Entry(
        reconboost,
        {"label_weight": (1.0, 5.0), "residual_weight": (0.0, 1.0), "memory_weight": (0.0, 3.0), "num_alone": (1, 2)},
        CLASSES,
    ),
    "diagnose_relearn": Entry(
        lambda task, **values: diagnose_relearn(task, num_samples=8, num_iterations=3, **values),
        {"strength": (0.5, 5.0), "period": (1, 2), "max_times": (1, 3)},
        CLASSES,
    ),
    "gradient_blending": Entry(gradient_blending, {"num_probing": (1, 2), "num_training": (1, 3)}),
    "cggm": Entry(cggm, {"rho": (0.5, 2.0), "direction": (0.0, 1.0), "bound": (1.0, 20.0)}),
    "mcr": Entry(
        lambda task, k, **weights: mcr(task, game=paper(k), perturbation=permutations(2), **weights),
        {"k": (-1.0, 1.0), "temperature": (0.05, 1.0), **WEIGHTS},
    ),
    "mcr_all": Entry(
        lambda task, k, **weights: mcr(
            task,
            game=paper_literal(k),
            perturbation=all_pairs(include_self=False),
            subsets=proper_subsets,
            bottleneck=fused_logits,
            **weights,
        ),
        {"k": (-1.0, 1.0), "bottleneck_weight": (0.0, 2.0), **WEIGHTS},
    ),
    "synib": Entry(synib, {"weight": (0.0, 2.0), "probability": (0.1, 1.0)}),
    "tcmax": Entry(lambda task: tcmax(task, num_permutations=4), tasks=CLASSES),
    "dgl": Entry(dgl, {"alpha": (0.0, 4.0)}),
    "arl": Entry(arl, {"gamma": (0.0, 4.0), "temperature": (1.0, 8.0), "num_warm_up": (0, 2)}, CLASSES),
}
