"""Room competition: joint training, the baseline of every strategy: one loss on the fused logits."""

from collections.abc import Callable

import jax
import optax
from jax import Array

from mmjax.competition._strategy import Auxiliary, Model, Samples, Strategy, Tree, weighted_mean

LossFn = Callable[[Array, Array], Array]
"""From logits (n, num_outputs) and labels to losses (n,)."""


def joint(loss_fn: LossFn = optax.softmax_cross_entropy_with_integer_labels) -> Strategy:
    """Train all parts of a model together on the loss of its fused logits.

    Args:
      loss_fn: from logits (n, num_outputs) and labels to losses (n,), in nats if it is a likelihood's.

    Returns:
      the strategy; it has no state and passes gradients on as they are.
    """

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Tree, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        del state
        encode_key, fuse_key = jax.random.split(key)
        variables = {"params": params, **statistics}
        latents, statistics = model.encode(variables, batch.modalities, batch.masks, key=encode_key, train=True)
        logits = model.fuse(variables, latents, batch.masks, key=fuse_key, train=True)
        return weighted_mean(loss_fn(logits, batch.label), batch.weight), Auxiliary(logits, statistics)

    return Strategy(
        init=lambda model, params: (),
        loss=loss,
        update=lambda model, gradients, state, aux: (gradients, state),
        on_segment=lambda model, params, state, metrics: (params, state),
    )
