"""Experiments, HighMMT: what groups of parameters are worth, by the plans that make them."""

import dataclasses
import itertools

import jax
import numpy as np
from jax import Array

from experiments.harness import Row, Rows
from experiments.highmmt.config import Config, Part
from experiments.highmmt.grouping import by_features, by_transfer
from experiments.highmmt.training import Trained, from_nothing, from_shared, trainer, tuned
from experiments.highmmt.worlds import SEQUENCES, by_part, draw, model_of, suite_of, true_plan
from mmjax.data import WorldSuite
from mmjax.heterogeneity import SharingPlan
from mmjax.models.highmmt import HighMMT, Params


def compare(config: Config, seed: int, *, part: Part) -> Rows:
    """Train all tasks by every plan: on heterogeneous modalities, or on homogeneous ones, where all should be shared.

    All plans have the same samples, batches, numbers of steps and learning rates to choose from. Pre-trained groups
    begin as copies of a model that has shared all for the first half of the steps.
    """
    homogeneous = part == "homogeneous"
    suite = SEQUENCES if homogeneous else suite_of(config)
    model, key = model_of(config, suite), jax.random.key(seed)
    data = draw(config, suite, seed, angle=0.0 if homogeneous else None)
    parts, new, half = by_part(data), from_nothing(model, key), config.num_steps // 2

    def fit(plan: SharingPlan, start: Params = new, num_steps: int = config.num_steps) -> Trained:
        return tuned(config, trainer(config, model, num_steps), start, plan, key, parts)

    def row(name: str, plan: SharingPlan, trained: Trained) -> Row:
        return _row(part, seed, name, model, plan, trained.accuracies)

    share_all = model.layout.share_all()
    shared = fit(share_all)
    plans = {"share none": model.layout.share_none(), "true groups": true_plan(suite, model.layout)}
    if not homogeneous:
        plans["groups by transfer"] = by_transfer(config, model, data, key)
        plans["groups by features"] = by_features(model, shared.params, data, plans["groups by transfer"])
    size = plans.get("groups by transfer", plans["true groups"])
    plans["random groups"] = _random(key, size)
    rows = [row("share all", share_all, shared), *(row(name, plan, fit(plan)) for name, plan in plans.items())]
    if not homogeneous:
        copies = from_shared(model, fit(share_all, num_steps=half).params)
        rows += [
            row(f"{name}, pre-trained", plans[name], fit(plans[name], copies, config.num_steps - half))
            for name in ("groups by transfer", "true groups", "random groups", "share none")
        ]
        wide = _widened(config, suite, of_size=_num_parameters(model, size))
        wide_model = model_of(wide, suite)
        trained = tuned(wide, trainer(wide, wide_model, config.num_steps), wide_model.init(key), share_all, key, parts)
        rows.append(_row(part, seed, f"share all, width {wide.width}", wide_model, share_all, trained.accuracies))
    return rows


def _random(key: Array, size: SharingPlan) -> SharingPlan:
    """Draw a plan of as many nodes, pairs and groups as another one."""
    return SharingPlan.random(
        key,
        len(size.unimodal),
        len(size.crossmodal),
        num_unimodal_groups=size.num_unimodal_groups,
        num_crossmodal_groups=size.num_crossmodal_groups,
    )


def _widened(config: Config, suite: WorldSuite, *, of_size: int) -> Config:
    """Return the configuration of the narrowest model that shares all and has so many parameters, or more."""
    for width in itertools.count(config.width):
        wide = dataclasses.replace(config, width=width)
        model = model_of(wide, suite)
        if _num_parameters(model, model.layout.share_all()) >= of_size:
            return wide
    raise AssertionError("itertools.count has no end")


def _row(part: Part, seed: int, name: str, model: HighMMT, plan: SharingPlan, accuracies: dict[str, float]) -> Row:
    return {
        "part": part,
        "seed": seed,
        "plan": name,
        "groups": [plan.num_unimodal_groups, plan.num_crossmodal_groups],
        "parameters": _num_parameters(model, plan),
        "accuracy": float(np.mean(list(accuracies.values()))),
        "tasks": accuracies,
    }


def _num_parameters(model: HighMMT, plan: SharingPlan) -> int:
    groups = {"num_unimodal_groups": plan.num_unimodal_groups, "num_crossmodal_groups": plan.num_crossmodal_groups}
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(lambda: model.init(jax.random.key(0), **groups))))
