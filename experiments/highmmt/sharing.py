"""Experiments, HighMMT: what groups of parameters are worth, by the plans that make them."""

import dataclasses
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.harness import Row, Rows
from experiments.highmmt.config import Config, Part
from experiments.highmmt.grouping import by_features, by_transfer, measured
from experiments.highmmt.training import Trained, from_nothing, from_shared, trainer, tuned
from experiments.highmmt.worlds import SEQUENCES, by_part, draw, model_of, suite_of, true_plan
from mmjax.data import Splits, WorldSuite
from mmjax.heterogeneity import SharingPlan
from mmjax.models.highmmt import HighMMT, Params


def compare(config: Config, seed: int, *, part: Part) -> Rows:
    """Train all tasks by every plan: on heterogeneous modalities, or on homogeneous ones, where all should be shared.

    All plans have the same samples, batches, numbers of steps and learning rates to choose from, in two stages of half
    the steps. Pre-trained groups begin the second one as copies of a model that has shared all in the first.
    """
    homogeneous = part == "homogeneous"
    suite = SEQUENCES if homogeneous else suite_of(config)
    model, key = model_of(config, suite), jax.random.key(seed)
    data = draw(config, suite, seed, angle=0.0 if homogeneous else None)
    stage, share_all = _stage(config, model, key, by_part(data)), model.layout.share_all()
    new = from_nothing(model, key)
    first = stage(new, share_all)
    shared = stage(first.params, share_all)
    plans = {"share none": model.layout.share_none(), "true groups": true_plan(suite, model.layout)}
    if not homogeneous:
        plans["groups by transfer"] = by_transfer(config, model, measured(config, model, data, key))
        plans["groups by features"] = by_features(model, shared.params, data, plans["groups by transfer"])
    size = plans.get("groups by transfer", plans["true groups"])
    plans["random groups"] = _random(key, size)
    if homogeneous:
        plans["true groups, shuffled"] = _shuffled(key, plans["true groups"])

    def row(name: str, plan: SharingPlan, trained: Trained, of: HighMMT = model) -> Row:
        return plan_row(part, seed, name, of, plan, trained.accuracies)

    rows = [row("share all", share_all, shared)]
    rows += [row(name, plan, stage(stage(new, plan).params, plan)) for name, plan in plans.items()]
    copies = from_shared(model, first.params)
    rows += [row(f"{name}, pre-trained", plan, stage(copies, plan)) for name, plan in plans.items()]
    if not homogeneous:
        wide = _widened(config, suite, num_parameters=_num_parameters(model, size))
        wide_stage = _stage(config, wide, key, by_part(data))
        trained = wide_stage(wide_stage(jax.jit(wide.init)(key), share_all).params, share_all)
        rows.append(row("share all, wider", share_all, trained, wide))
    return rows


def _stage(config: Config, model: HighMMT, key: Array, data: Splits) -> Callable[[Params, SharingPlan], Trained]:
    """Make the training of half the steps from some parameters."""
    train = trainer(config, model, -(-config.num_steps // 2))
    return lambda start, plan: tuned(config, train, start, plan, key, data)


def _random(key: Array, size: SharingPlan) -> SharingPlan:
    """Draw a plan of as many nodes, pairs and groups as another one."""
    return SharingPlan.random(
        key,
        len(size.unimodal),
        len(size.crossmodal),
        num_unimodal_groups=size.num_unimodal_groups,
        num_crossmodal_groups=size.num_crossmodal_groups,
    )


def _shuffled(key: Array, plan: SharingPlan) -> SharingPlan:
    """Return a plan whose encoders are dealt out anew, as often each: clusters that nothing speaks for."""
    dealt = jax.random.permutation(key, jnp.asarray(plan.unimodal)).tolist()
    return SharingPlan.from_clusters(dealt, plan.crossmodal)


def _widened(config: Config, suite: WorldSuite, *, num_parameters: int) -> HighMMT:
    """Return the narrowest model that has so many parameters, or more, when it shares all."""
    for width in itertools.count(config.width):
        model = model_of(dataclasses.replace(config, width=width), suite)
        if _num_parameters(model, model.layout.share_all()) >= num_parameters:
            return model
    raise AssertionError("widths have no end")


def plan_row(part: str, seed: int, name: str, model: HighMMT, plan: SharingPlan, accuracies: dict[str, float]) -> Row:
    """Return what is reported of a plan: its groups, the model's parameters with it, and test accuracies of tasks."""
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
