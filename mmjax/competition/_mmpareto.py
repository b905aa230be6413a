"""Room competition: MMPareto, which joins the gradients of the fused and a unimodal loss for each encoder."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._multi_loss import unimodal_losses
from mmjax.competition._strategy import (
    Auxiliary,
    Model,
    Samples,
    Strategy,
    Tree,
    forward,
    weighted_mean,
    without_state,
)
from mmjax.competition._task import Task, classification


def mmpareto_weight(squares0: Array, squares1: Array, product: Array) -> Array:
    """Return the weight a_0 of the first of two gradients; that of the second is 1 - a_0.

    1/2 where they do not conflict, g_0 . g_1 > 0; else that of the shortest a_0 g_0 + (1 - a_0) g_1:
    a_0 = (|g_1|^2 - g_0 . g_1) / (|g_0|^2 + |g_1|^2 - 2 g_0 . g_1), kept within [.001, .999].

    Args:
      squares0: |g_0|^2.
      squares1: |g_1|^2.
      product: g_0 . g_1.

    Returns:
      a_0; 1/2 where both gradients are 0.
    """
    span = squares0 + squares1 - 2 * product
    shortest = jnp.clip((squares1 - product) / jnp.where(span > 0, span, 1), 0.001, 0.999)
    return jnp.where((product > 0) | (span <= 0), 0.5, shortest)


def mmpareto(task: Task = classification, *, gamma: ArrayLike = 1.5) -> Strategy:
    """Train on the fused and the unimodal losses, whose gradients are joined for each encoder without conflict.

    MMPareto (Wei, Hu 2024, arXiv 2405.17730): for the encoder of m, with g_0 and g_m the gradients of the fused loss
    and of the loss of its unimodal head, all tensors taken together, g = 2 a_0 g_0 + 2 (1 - a_0) g_m with a_0 of
    `mmpareto_weight`; where g is shorter than g_0 + g_m, it is brought to that length, tensor by tensor as in the
    published code; and gamma g is the gradient. Heads get the gradient of the sum of the losses, as in `multi_loss`.

    Published gamma in the code of MCR (Kontras et al. 2024, arXiv 2411.07335): 1.5 (CREMA-D, ResNet), 2 (Conformer),
    .5 (AVE, ResNet), 3 (AVE, UCF, Something-Something, MOSEI), 1 and 1.5 (MOSI and three modalities).

    Ours: any number of modalities, each with the fused loss only; a tensor whose g is 0 stays 0.

    Args:
      task: what the label is.
      gamma: factor of the encoders' gradients, above 0; may be traced.

    Returns:
      the strategy; it has no state. Its losses are 1 + M: the fused one, then the modalities' in the order of names.
    """

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Tree, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        made = forward(model, params, statistics, batch, key)
        fused = weighted_mean(task.losses(made.logits, batch.label), batch.weight)
        alone = unimodal_losses(task, model, made, batch)
        return jnp.stack([fused, *alone.values()]), Auxiliary(made.logits, made.statistics)

    def update(model: Model, gradients: Tree, state: Tree, aux: Auxiliary) -> tuple[Tree, Tree]:
        labels = model.labels(gradients)
        weights = _weights(model, labels, gradients)

        def joined(label: str, of_losses: Array) -> Array:
            if label not in weights:
                return jnp.sum(of_losses, axis=0)
            place, weight = weights[label]
            return _as_long(_pair_sum(of_losses, place, weight), jnp.sum(of_losses, axis=0)) * gamma

        return jax.tree.map(joined, labels, gradients), state

    return Strategy(without_state, loss, update)


def _weights(model: Model, labels: Tree, gradients: Tree) -> Mapping[str, tuple[int, Array]]:
    """Label of an encoder to the place of its loss and a_0."""
    found = {}
    for place, name in enumerate(model.modalities, start=1):
        label = f"encoder:{name}"
        pairs = zip(jax.tree.leaves(labels), jax.tree.leaves(gradients), strict=True)
        own = [x.reshape(x.shape[0], -1) for owner, x in pairs if owner == label]
        if own:
            together = jnp.concatenate(own, axis=1)
            first, second = together[0], together[place]
            found[label] = place, mmpareto_weight(first @ first, second @ second, first @ second)
    return found


def _pair_sum(of_losses: Array, place: int, weight: Array) -> Array:
    return 2 * weight * of_losses[0] + 2 * (1 - weight) * of_losses[place]


def _as_long(gradient: Array, plain: Array) -> Array:
    """Bring a gradient to the length of a plain one that is longer."""
    length, wanted = jnp.linalg.norm(gradient.ravel()), jnp.linalg.norm(plain.ravel())
    return gradient * jnp.where((wanted > length) & (length > 0), wanted / jnp.where(length > 0, length, 1), 1)
