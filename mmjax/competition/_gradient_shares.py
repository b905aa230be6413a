"""Room competition: which share of the gradient each modality's encoder gets, at a step and over a run."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.competition._strategy import Auxiliary, Model, Samples, Strategy, Tree, Variables
from mmjax.numerics import divide_or_zero


def gradient_shares(model: Model, gradients: Tree) -> dict[str, Array]:
    """Share the gradient out among the encoders by its Euclidean norms.

    share_m = |g_m| / sum_j |g_j|, g_m the gradient by all parameters of the encoder of m; what heads get does not
    count.

    Args:
      model: the model.
      gradients: a tree like its parameters.

    Returns:
      modality to a scalar in [0, 1]; they sum to 1, or are 0 where all gradients are. An encoder without parameters
      has 0.
    """
    leaves: dict[str, list[Array]] = {name: [] for name in model.modalities}
    for label, leaf in zip(jax.tree.leaves(model.labels(gradients)), jax.tree.leaves(gradients), strict=True):
        owner, _, name = label.partition(":")
        if owner == "encoder":
            leaves[name].append(leaf.ravel())
    flat = {name: jnp.concatenate([jnp.zeros(1), *parts]) for name, parts in leaves.items()}
    largest = functools.reduce(jnp.maximum, [jnp.max(jnp.abs(g)) for g in flat.values()])
    norms = {name: jnp.linalg.norm(divide_or_zero(g, largest)) for name, g in flat.items()}  # no square overflows
    return {name: divide_or_zero(norm, sum(norms.values(), jnp.zeros(()))) for name, norm in norms.items()}


class RecordedShares(NamedTuple):
    """The state of a strategy that records gradient shares."""

    strategy: Tree
    """The state of the strategy itself."""
    history: dict[str, Array]
    """Modality to (num_segments,): means over the steps of each segment; NaN for segments to come."""
    sums: dict[str, Array]
    """Modality to the sum over the steps of the present segment."""
    num_steps: Array
    """Steps of the present segment."""
    segment: Array
    """Segments made."""


def with_gradient_shares(strategy: Strategy, num_segments: int) -> Strategy:
    """Let a strategy record the gradient shares of its run.

    The gradients are those that the optimiser gets, after the strategy's `update`; factors of the learning rate are
    not in them.

    Args:
      strategy: the strategy; it trains as it did.
      num_segments: how many segments to record, static; later ones are not.

    Returns:
      the strategy, its state a `RecordedShares`: after a run `history` is there.
    """

    def init(key: Array, model: Model, params: Tree) -> tuple[Tree, Tree]:
        params, inner = strategy.init(key, model, params)
        history = {name: jnp.full(num_segments, jnp.nan) for name in model.modalities}
        return params, RecordedShares(inner, history, _zeros(model), jnp.int32(0), jnp.int32(0))

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Tree, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        return strategy.loss(model, params, statistics, state.strategy, batch, key)

    def update(model: Model, gradients: Tree, state: Tree, aux: Auxiliary) -> tuple[Tree, Tree]:
        gradients, inner = strategy.update(model, gradients, state.strategy, aux)
        sums = jax.tree.map(jnp.add, state.sums, gradient_shares(model, gradients))
        return gradients, state._replace(strategy=inner, sums=sums, num_steps=state.num_steps + 1)

    def on_segment(
        model: Model, variables: Variables, state: Tree, train: Samples, valid: Samples
    ) -> tuple[Tree, Tree]:
        params, inner = strategy.on_segment(model, variables, state.strategy, train, valid)
        means = {name: divide_or_zero(x, state.num_steps.astype(x.dtype)) for name, x in state.sums.items()}
        history = {name: x.at[state.segment].set(means[name]) for name, x in state.history.items()}
        return params, RecordedShares(inner, history, _zeros(model), jnp.int32(0), state.segment + 1)

    return strategy._replace(
        init=init,
        loss=loss,
        update=update,
        on_segment=on_segment,
        rates=lambda model, params, state: strategy.rates(model, params, state.strategy),
        selectable=lambda state: strategy.selectable(state.strategy),
    )


def _zeros(model: Model) -> dict[str, Array]:
    return {name: jnp.zeros(()) for name in model.modalities}
