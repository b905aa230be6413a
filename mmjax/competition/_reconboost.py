"""Room competition: unimodal learners that are trained in turn, each to correct the others, as in boosting."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._classes import check_classes
from mmjax.competition._contributions import weight_with
from mmjax.competition._held import held_statistics
from mmjax.competition._multi_loss import summed_logits
from mmjax.competition._rates import rates_by_label
from mmjax.competition._strategy import (
    Auxiliary,
    Model,
    Samples,
    Strategy,
    Tree,
    Variables,
    weighted_mean,
)
from mmjax.competition._task import Task, classification


def reconboost(
    task: Task = classification,
    *,
    label_weight: ArrayLike = 5.0,
    residual_weight: ArrayLike = 1.0,
    memory_weight: ArrayLike = 0.5,
    num_alone: ArrayLike = 1,
    num_joint: ArrayLike = 1,
) -> Strategy:
    """Train one modality at a time to correct the others, and all together in between.

    A cycle has, for each modality m, `num_alone` segments in which only m trains, then `num_joint` segments of L(y),
    y = sum_m u_m the sum of the logits of the unimodal heads, by which the model is judged. Alone, with C classes,
    t the one-hot label and y_(-m) the sum over the other modalities, stopped,

      L = 1/C sum_c [ -w1 t_c log p_c + w2 t_c softmax(y_(-m))_c log p_c + alpha (p_c - sg(q_c))^2 ],

    p = softmax(u_m), and q = softmax(u) of the modality trained before. ReconBoost (Hua et al. 2024, arXiv 2405.09321);
    "epochs" there are segments here. Public code stops the gradient of both sides of its last term, so that the term
    does nothing: `memory_weight=0` gives what that code trains, the default the term as it is meant. It is left out in
    the first stage of the run, when no modality has been trained before (ours).

    What does not train is held by rates of 0, with the optimiser's memory and running statistics of it; the fusion head
    never trains. An absent modality has no say. The sum of the others is that of the logits, not of their softmax.

    Args:
      task: what the label is: classes.
      label_weight: w1; 5, and 3 on CREMA-D with ResNets.
      residual_weight: w2; 1.
      memory_weight: alpha; 0.5, and 3 on AVE with Conformers.
      num_alone: E, segments of a modality, at least 1; 1 or 4.
      num_joint: F, segments of all together after each, not negative; 1 or 4. All may be traced.

    Returns:
      the strategy; its state is the number of segments made.

    Raises:
      ValueError: when its loss is called, if labels are no classes.
    """

    def turn(model: Model, segment: Array) -> tuple[Array, Array]:
        """Return the modality whose turn it is, and whether all train together."""
        alone, joint = jnp.asarray(num_alone, jnp.int32), jnp.asarray(num_joint, jnp.int32)
        position = segment % ((alone + joint) * len(model.modalities))
        return position // (alone + joint), position % (alone + joint) >= alone

    def rates_of(model: Model, segment: Array) -> dict[str, Array]:
        own, together = turn(model, segment)
        trains = ((jnp.arange(len(model.modalities)) == own) | together).astype(float)
        parts = {f"{part}:{name}": trains[m] for m, name in enumerate(model.modalities) for part in ("encoder", "head")}
        return parts | {"head": jnp.zeros(())}

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Array, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        check_classes("reconboost", batch.label)
        variables = {"params": params, **statistics}
        latents, new = model.encode(variables, batch.modalities, batch.masks, key=key, train=True)
        heads = model.unimodal(variables, latents)
        logits = jnp.stack([jnp.where(batch.masks[name][:, None], heads[name], 0) for name in model.modalities])
        weights = jnp.stack([weight_with(batch, name) for name in model.modalities])
        own, together = turn(model, state)
        fused = jnp.sum(logits, axis=0)
        before = (own - 1) % len(model.modalities)
        residual = boosting_losses(logits[own], fused - logits[own], batch.label, label_weight, residual_weight)
        apart = memory_losses(logits[own], logits[before])
        both = jnp.minimum(weights[own], weights[before])
        memory = jnp.where(state >= num_alone, memory_weight, 0) * weighted_mean(apart, both)
        joint = weighted_mean(task.losses(fused, batch.label), batch.weight)
        value = jnp.where(together, joint, weighted_mean(residual, weights[own]) + memory)
        return value, Auxiliary(fused, held_statistics(model, new, statistics, rates_of(model, state)))

    def on_segment(
        model: Model, variables: Variables, state: Array, train: Samples, valid: Samples
    ) -> tuple[Tree, Array]:
        return variables["params"], state + 1

    def rates(model: Model, params: Tree, state: Array) -> Tree:
        return rates_by_label(model, params, rates_of(model, state))

    return Strategy(
        lambda key, model, params: (params, jnp.int32(0)),
        loss,
        on_segment=on_segment,
        rates=rates,
        predict=summed_logits,
    )


def boosting_losses(
    own: Array, others: Array, label: Array, label_weight: ArrayLike, residual_weight: ArrayLike
) -> Array:
    """Return the first two terms of the loss of `reconboost` (n,), from logits (n, C) and classes (n,)."""
    at = label[:, None]
    log_p = jnp.take_along_axis(jax.nn.log_softmax(own), at, axis=1)[:, 0]
    explained = jnp.take_along_axis(jax.nn.softmax(jax.lax.stop_gradient(others)), at, axis=1)[:, 0]
    coefficient = jnp.asarray(residual_weight) * explained - label_weight
    return coefficient * log_p / own.shape[1]


def memory_losses(own: Array, before: Array) -> Array:
    """Return mean_c (softmax(own)_c - sg(softmax(before)_c))^2 (n,), from logits (n, C)."""
    return jnp.mean(jnp.square(jax.nn.softmax(own) - jax.lax.stop_gradient(jax.nn.softmax(before))), axis=1)
