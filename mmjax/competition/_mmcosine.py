"""Room competition: logits that are cosines, so that no modality wins by the length of its latents or weights."""

from collections.abc import Mapping

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._multi_loss import total
from mmjax.competition._norms import normalised
from mmjax.competition._strategy import (
    Auxiliary,
    Model,
    Samples,
    Strategy,
    Tree,
    Variables,
    forward,
    weighted_mean,
    without_state,
)
from mmjax.competition._task import Task, classification


def cosine_logits(latents: Mapping[str, Array], weights: Mapping[str, Array], scale: ArrayLike) -> Array:
    """Return y = scale * sum_m cos(z_m, columns of W_m).

    Args:
      latents: modality to z_m (n, width).
      weights: modality to W_m (width, num_outputs).
      scale: may be traced.

    Returns:
      (n, num_outputs), in [-M scale, M scale]. The cosine of a vector of zeros is 0, and so are its derivatives.
    """
    return total(normalised(z) @ normalised(weights[name], axis=0) for name, z in sorted(latents.items())) * scale


def mmcosine(task: Task = classification, *, scale: ArrayLike = 10.0) -> Strategy:
    """Train on, and judge by, cosines of latents and the weights of a linear fusion head.

    MMCosine (Xu, Feng, Zhang, Hu 2023, arXiv 2303.05338): y = scale * sum_m cos(z_m, columns of W_m), without bias;
    the loss is that of y. Encoders and the head's slices W_m are trained, its bias and unimodal heads get gradients
    of 0. Published scale: 10 (CREMA-D) and 1 (AVE) in the code of MCR (Kontras et al. 2024, arXiv 2411.07335), 15 in
    BalanceBenchmark (2025, arXiv 2502.10816).

    It needs a head that is linear, as `mmjax.models.LateLinear`. It is meant for classes and labels: as numbers the
    logits are bounded by M scale, so targets of a regression must be within.

    Args:
      task: what the label is.
      scale: above 0; may be traced.

    Returns:
      the strategy; it has no state. An absent modality adds 0.

    Raises:
      ValueError: when its loss or prediction is called, if the head is not linear.
    """

    def predict(model: Model, variables: Variables, latents: dict[str, Array], masks: Mapping[str, Array]) -> Array:
        present = {name: jnp.where(masks[name][:, None], z, 0) for name, z in latents.items()}
        return cosine_logits(present, _weights(model, variables, latents), scale)

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Tree, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        made = forward(model, params, statistics, batch, key)
        logits = predict(model, made.variables, made.latents, batch.masks)
        value = weighted_mean(task.losses(logits, batch.label), batch.weight)
        return value, Auxiliary(logits, made.statistics)

    return Strategy(without_state, loss, predict=predict)


def _weights(model: Model, variables: Variables, latents: Mapping[str, Array]) -> dict[str, Array]:
    """Modality to W_m (width, num_outputs): what a linear head makes of the unit vectors."""
    if not model.linear:
        raise ValueError("mmcosine needs a linear fusion head, whose pieces add up to the logits, such as LateLinear")
    return model.pieces(variables, {name: jnp.eye(z.shape[1], dtype=z.dtype) for name, z in latents.items()})
