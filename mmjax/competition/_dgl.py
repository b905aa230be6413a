"""Room competition: disentangled gradients, the fusion head trained by the fused loss and each encoder by its own."""

import jax
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._alone import logits_alone
from mmjax.competition._contributions import weight_with
from mmjax.competition._multi_loss import total
from mmjax.competition._strategy import Auxiliary, Model, Samples, Strategy, Tree, weighted_mean, without_state
from mmjax.competition._task import Task, classification


def dgl(task: Task = classification, *, alpha: ArrayLike = 4.0) -> Strategy:
    """Cut the fused loss off the encoders, and the unimodal losses off the fusion head.

    L = L(f(sg(z_1), ..., sg(z_M); W)) + alpha sum_m L(f(0, ..., z_m, ..., 0; sg(W))), f the fusion head with parameters
    W, sg the stopped gradient: the head follows the first term only, the encoder of m its own of the others only.
    Disentangled gradient learning (Wei, Luo & Luo 2025, arXiv 2507.10213). As in its public code, a modality's own
    logits are those of the fusion head with the others absent, each loss over the samples that have the modality.

    Ours: any number of modalities, and any task. An encoder trains only if the head's logits depend on its modality
    alone: the condition of a FiLM head does not. The unimodal heads of the model are not trained.

    Args:
      task: what the label is.
      alpha: weight of the unimodal losses, not negative; may be traced. 4 in the public code, 4 and 5 in its runs on
        CREMA-D. With Adam it does not matter, as each parameter follows one kind of loss.

    Returns:
      the strategy; it has no state.
    """

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Tree, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        encode_key, fuse_key = jax.random.split(key)
        variables = {"params": params, **statistics}
        latents, new = model.encode(variables, batch.modalities, batch.masks, key=encode_key, train=True)
        logits = model.fuse(variables, jax.lax.stop_gradient(latents), batch.masks, key=fuse_key, train=True)
        stopped = jax.lax.stop_gradient(variables)
        alone = logits_alone(model, stopped, latents, batch.masks, key=fuse_key, train=True)
        own = total(weighted_mean(task.losses(u, batch.label), weight_with(batch, name)) for name, u in alone.items())
        fused = weighted_mean(task.losses(logits, batch.label), batch.weight)
        return fused + alpha * own, Auxiliary(logits, new)

    return Strategy(without_state, loss)
