"""Room competition: a blend of losses by how fast each head overfits."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._contributions import weight_with
from mmjax.competition._rates import rates_by_label
from mmjax.competition._samples import latents_of
from mmjax.competition._strategy import (
    Auxiliary,
    Forward,
    Model,
    Samples,
    Strategy,
    Tree,
    Variables,
    forward,
    weighted_mean,
)
from mmjax.competition._task import Task, classification

SMALLEST = 1e-8
"""Added to the square of the overfitting, by which is divided."""


class BlendingState(NamedTuple):
    """What gradient blending remembers."""

    segment: Array
    """Segments made."""
    snapshot: Variables
    """Parameters and running statistics at the start of the super-epoch."""
    taken: Array
    """Whether the snapshot is that of this super-epoch; the first step of one takes it."""
    restore: Array
    """Whether the next step starts from the snapshot's running statistics."""
    ratios: Array
    """(M + 1,), |dG| / dO^2 of each head probed so far in this super-epoch; the fused one is the last."""
    weights: Array
    """(M + 1,), of the losses, in the order of the modalities and the fused one last; they sum to 1."""


def gradient_blending(
    task: Task = classification, *, num_probing: ArrayLike = 1, num_training: ArrayLike = 10
) -> Strategy:
    """Weight the losses of all heads by what each gains on new data for what it overfits.

    L = sum_k w_k L_k over the unimodal heads and the fused one, w_k in proportion to |dG_k| / dO_k^2, sum 1:

      dG_k = V_k(before) - V_k(after),    dO_k = (V_k - T_k)(after) - (V_k - T_k)(before),

    V_k and T_k the mean losses of head k on all validation and training data, before and after training on L_k alone.
    Gradient blending (Wang, Tran & Feiszli 2020, arXiv 1905.12681), online. A super-epoch has `num_probing` segments
    for each of the M + 1 heads, the fused one last, each from the parameters and running statistics at its start; then
    `num_training` segments of the blend, from there again. Segments in which a head is probed may not be selected; they
    count among those of the run, and cost as much.

    While a modality's head is probed only its encoder and heads move. What the optimiser remembers cannot be taken
    back: the probes' moments are what the next probe and the training begin with, where the source begins each with a
    fresh optimiser. With momentum or Adam the first steps after a probe are therefore mixed with the probe's.

    Ours: the guard of the division, 1e-8; equal weights where nothing has gained or all has diverged; unimodal heads in
    place of separate unimodal networks.

    Args:
      task: what the label is.
      num_probing: segments of training a head alone, at least 1.
      num_training: segments with the blend, at least 1; 10. A number beyond the run's blends once ("offline"). Both
        may be traced.

    Returns:
      the strategy; its state, a `BlendingState`, holds a copy of all variables.
    """

    def init(key: Array, model: Model, params: Tree) -> tuple[Tree, BlendingState]:
        shapes = jax.eval_shape(model.init, key)
        empty = {name: jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), tree) for name, tree in shapes.items()}
        equal = jnp.full(len(model.modalities) + 1, 1 / (len(model.modalities) + 1))
        no = jnp.asarray(False)
        return params, BlendingState(jnp.int32(0), empty | {"params": params}, no, no, jnp.zeros_like(equal), equal)

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: BlendingState, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        kept = {name: tree for name, tree in state.snapshot.items() if name != "params"}
        statistics = _where(state.restore, kept, statistics)
        made = forward(model, params, statistics, batch, key)
        num_heads = state.weights.shape[0]
        _, _, head = _place(state.segment, num_heads, num_probing, num_training)
        weights = jnp.where(head < num_heads, jnp.arange(num_heads) == head, state.weights)
        value = jnp.sum(weights * _losses(task, model, made, batch))
        now = jax.lax.stop_gradient(made.variables)
        return value, Auxiliary(made.logits, made.statistics, _where(state.taken, state.snapshot, now))

    def update(model: Model, gradients: Tree, state: BlendingState, aux: Auxiliary) -> tuple[Tree, BlendingState]:
        yes = jnp.asarray(True)
        return gradients, state._replace(snapshot=aux.signals, taken=yes, restore=~yes)

    def on_segment(
        model: Model, variables: Variables, state: BlendingState, train: Samples, valid: Samples
    ) -> tuple[Tree, BlendingState]:
        num_heads = state.weights.shape[0]
        position, length, head = _place(state.segment, num_heads, num_probing, num_training)

        def measured() -> Array:
            after, before = (
                jnp.stack([mean_losses(task, model, of, samples) for samples in (train, valid)])
                for of in (variables, state.snapshot)
            )
            return jnp.where(jnp.arange(num_heads) == head, gain_ratios(before, after), state.ratios)

        ends = (head < num_heads) & ((position + 1) % jnp.asarray(num_probing, jnp.int32) == 0)
        ratios = jax.lax.cond(ends, measured, lambda: state.ratios)
        weights = jnp.where(ends & (head == num_heads - 1), _normalised(ratios), state.weights)
        params = _where(ends, state.snapshot["params"], variables["params"])
        taken = position + 1 < length
        return params, BlendingState(state.segment + 1, state.snapshot, taken, ends, ratios, weights)

    def rates(model: Model, params: Tree, state: BlendingState) -> Tree:
        _, _, head = _place(state.segment, state.weights.shape[0], num_probing, num_training)
        fused = head >= len(model.modalities)
        trains = [((head == m) | fused).astype(float) for m in range(len(model.modalities))]
        parts = {f"{part}:{name}": trains[m] for m, name in enumerate(model.modalities) for part in ("encoder", "head")}
        return rates_by_label(model, params, parts | {"head": fused.astype(float)})

    def selectable(state: BlendingState) -> Array:
        num_heads = state.weights.shape[0]
        return _place(state.segment, num_heads, num_probing, num_training)[2] == num_heads

    return Strategy(init, loss, update, on_segment, rates, selectable=selectable)


def _place(
    segment: Array, num_heads: int, num_probing: ArrayLike, num_training: ArrayLike
) -> tuple[Array, Array, Array]:
    """Return the place in a super-epoch, its length, and the head that is probed, or num_heads where none is."""
    probing = jnp.asarray(num_probing, jnp.int32)
    length = num_heads * probing + jnp.asarray(num_training, jnp.int32)
    position = segment % length
    return position, length, jnp.minimum(position // probing, num_heads)


def gain_ratios(before: Array, after: Array) -> Array:
    """Return |dG| / dO^2 of heads.

    Args:
      before: mean losses (2, num_heads) before training, on training data and on validation data.
      after: the same afterwards.

    Returns:
      (num_heads,), not negative; 0 where a loss is not finite.
    """
    gained = before[1] - after[1]
    overfitted = (after[1] - after[0]) - (before[1] - before[0])
    ratios = jnp.abs(gained) / (overfitted**2 + SMALLEST)
    return jnp.where(jnp.isfinite(ratios), ratios, 0)


def mean_losses(task: Task, model: Model, variables: Variables, samples: Samples) -> Array:
    """Return the mean losses (M + 1,) of the unimodal heads and of the fused one on all samples, without noise."""
    latents = latents_of(model, variables, samples)
    logits = model.fuse(variables, latents, samples.masks)
    return _losses(task, model, Forward(variables, latents, logits, {}), samples)


def _losses(task: Task, model: Model, made: Forward, batch: Samples) -> Array:
    heads = model.unimodal(made.variables, made.latents)
    alone = [
        weighted_mean(task.losses(heads[name], batch.label), weight_with(batch, name)) for name in model.modalities
    ]
    return jnp.stack([*alone, weighted_mean(task.losses(made.logits, batch.label), batch.weight)])


def _normalised(ratios: Array) -> Array:
    sum_ = jnp.sum(ratios)
    return jnp.where(sum_ > 0, ratios / jnp.where(sum_ > 0, sum_, 1), 1 / ratios.shape[0])


def _where(condition: Array, new: Tree, old: Tree) -> Tree:
    return jax.tree.map(lambda new, old: jnp.where(condition, new, old), new, old)
