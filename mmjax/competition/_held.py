"""Room competition: parts of a model that a strategy holds still: their parameters and their running statistics."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.competition._rates import rates_by_label
from mmjax.competition._strategy import (
    Auxiliary,
    Model,
    Samples,
    Strategy,
    Tree,
    Variables,
)


def held_statistics(
    model: Model, new: dict[str, Tree], old: dict[str, Tree], rates: Mapping[str, Array]
) -> dict[str, Tree]:
    """Return running statistics after a batch, as they were before where the rate of their label is 0.

    Args:
      model: whose labels they are.
      new: collection to statistics after the batch.
      old: the same before it.
      rates: label ("encoder:<modality>") to rate; other statistics are the new ones.

    Returns:
      the statistics.
    """

    def kept(label: str, after: Array, before: Array) -> Array:
        return jnp.where(rates[label] == 0, before, after) if label in rates else after

    return {name: jax.tree.map(kept, model.labels(tree), tree, old[name]) for name, tree in new.items()}


def encoders_held(strategy: Strategy) -> Strategy:
    """Train by a strategy all of a model but its encoders, which stay as they are.

    Their parameters and the optimiser's memory of them are held by rates of 0, so that neither weight decay nor
    momentum moves them. In the loss they encode as in evaluation: without dropout, with running statistics instead of
    the batch's, which stay as they are too; and no gradient is computed through them. What the strategy makes of them
    between segments is undone.

    Args:
      strategy: any.

    Returns:
      the strategy; state and predictions are as before.
    """

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Tree, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        return strategy.loss(_still(model), params, statistics, state, batch, key)

    def rates(model: Model, params: Tree, state: Tree) -> Tree:
        held = rates_by_label(model, params, {f"encoder:{name}": jnp.zeros(()) for name in model.modalities})
        theirs = strategy.rates(model, params, state)
        return held if theirs is None else jax.tree.map(jnp.multiply, held, theirs)

    def on_segment(
        model: Model, variables: Variables, state: Tree, train: Samples, valid: Samples
    ) -> tuple[Tree, Tree]:
        params, state = strategy.on_segment(model, variables, state, train, valid)

        def kept(label: str, after: Array, before: Array) -> Array:
            return before if label.startswith("encoder:") else after

        return jax.tree.map(kept, model.labels(params), params, variables["params"]), state

    return strategy._replace(loss=loss, rates=rates, on_segment=on_segment)


def _still(model: Model) -> Model:
    """Return the model with encoders that encode as in evaluation and pass no gradient."""

    def encode(
        variables: Variables,
        modalities: Mapping[str, Array],
        masks: Mapping[str, Array],
        *,
        key: Array | None = None,
        train: bool = False,
    ) -> tuple[dict[str, Array], dict[str, Tree]]:
        latents, _ = model.encode(variables, modalities, masks)
        statistics = {name: tree for name, tree in variables.items() if name != "params"}
        return jax.lax.stop_gradient((latents, statistics))

    return _Functions(**{name: getattr(model, name) for name in _Functions._fields} | {"encode": encode})


class _Functions(NamedTuple):
    modalities: tuple[str, ...]
    init: Tree
    encode: Tree
    fuse: Tree
    unimodal: Tree
    pieces: Tree
    combine: Tree
    linear: bool
    labels: Tree
