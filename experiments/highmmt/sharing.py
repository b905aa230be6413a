"""Experiments, HighMMT: what groups of parameters are worth, by the plans that make them."""

import jax
import numpy as np

from experiments.harness import Row, Rows
from experiments.highmmt.config import Config, Part
from experiments.highmmt.grouping import by_features, by_transfer
from experiments.highmmt.training import trainer, tuned
from experiments.highmmt.worlds import SEQUENCES, by_part, draw, model_of, suite_of, true_plan
from mmjax.heterogeneity import SharingPlan
from mmjax.models.highmmt import HighMMT, Params


def compare(config: Config, seed: int, *, part: Part) -> Rows:
    """Train all tasks by every plan: on heterogeneous modalities, or on homogeneous ones, where all should be shared.

    All plans have the same samples, batches, numbers of steps and learning rates to choose from.
    """
    homogeneous = part == "homogeneous"
    suite = SEQUENCES if homogeneous else suite_of(config)
    model, key = model_of(config, suite), jax.random.key(seed)
    data = draw(config, suite, seed, angle=0.0 if homogeneous else None)

    def row(name: str, plan: SharingPlan) -> tuple[Row, Params]:
        fitted = tuned(config, trainer(config, model), key, plan.indices(), by_part(data))
        return _row(part, seed, name, model, plan, fitted.accuracies), fitted.params

    shared, params = row("share all", model.layout.share_all())
    plans = {"share none": model.layout.share_none(), "true groups": true_plan(suite, model.layout)}
    if not homogeneous:
        plans["groups by transfer"] = by_transfer(config, model, data, key)
        plans["groups by features"] = by_features(model, params, data, plans["groups by transfer"])
    size = plans.get("groups by transfer", plans["true groups"])
    plans["random groups"] = SharingPlan.random(
        key,
        len(size.unimodal),
        len(size.crossmodal),
        num_unimodal_groups=size.num_unimodal_groups,
        num_crossmodal_groups=size.num_crossmodal_groups,
    )
    return [shared, *(row(name, plan)[0] for name, plan in plans.items())]


def _row(part: Part, seed: int, name: str, model: HighMMT, plan: SharingPlan, accuracies: dict[str, float]) -> Row:
    groups = {"num_unimodal_groups": plan.num_unimodal_groups, "num_crossmodal_groups": plan.num_crossmodal_groups}
    shapes = jax.eval_shape(lambda key: model.init(key, **groups), jax.random.key(0))
    return {
        "part": part,
        "seed": seed,
        "plan": name,
        "groups": [plan.num_unimodal_groups, plan.num_crossmodal_groups],
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(shapes)),
        "accuracy": float(np.mean(list(accuracies.values()))),
        "tasks": accuracies,
    }
