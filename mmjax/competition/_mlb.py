"""Room competition: multi-loss balanced training, which slows and hurries modalities by their unimodal heads."""

from collections.abc import Mapping

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._contributions import scores
from mmjax.competition._multi_loss import total, unimodal_losses
from mmjax.competition._rates import scale_by_label
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


def mlb_coefficients(scores: Mapping[str, Array], alpha: ArrayLike, beta: ArrayLike = 2.0) -> dict[str, Array]:
    """Return modality to the factor of its gradients.

    rho_m = mean of the others' scores / s_m; kappa_m = 1 + tanh(alpha (rho_m - 1)) where rho_m <= 1, else
    1 + (beta - 1) tanh(alpha (rho_m - 1)): below 1 for a modality that is ahead, above 1 for one that lags.

    Args:
      scores: modality to its score s_m, not negative.
      alpha: how strongly, at least 0.
      beta: the limit of kappa_m for modalities that lag, above 1; 2 where none is given in the publication.

    Returns:
      modality to kappa_m in (0, beta); 1 for all where the scores are equal, or there is one modality.
    """

    def coefficient(name: str, score: Array) -> Array:
        others = [other for key, other in scores.items() if key != name]
        if not others:
            return jnp.ones_like(score)
        ratio = jnp.mean(jnp.stack(others)) / jnp.maximum(score, jnp.finfo(score.dtype).eps)
        change = jnp.tanh(alpha * (ratio - 1))
        return 1 + jnp.where(ratio > 1, (beta - 1) * change, change)

    return {name: coefficient(name, score) for name, score in scores.items()}


def mlb(task: Task = classification, *, alpha: ArrayLike = 0.5, beta: ArrayLike = 2.0) -> Strategy:
    """Train on the fused and the unimodal losses, slow modalities that are ahead and hurry those that lag.

    Multi-loss balanced training (Kontras, Chatzichristos, Blaschko, De Vos 2024, arXiv 2405.07930): gradients of
    `multi_loss`, those of the encoder of m and of what in the heads sees m alone (its slice of the fusion head and its
    unimodal head) multiplied by kappa_m of `mlb_coefficients`, with s_m the score of m's unimodal head on the batch.
    What the heads share is trained as without.

    Published values in the code of MCR (Kontras et al. 2024, arXiv 2411.07335), (alpha, beta), 2 where none: CREMA-D
    (.5, 10) and (5, 2), AVE (2, 1) and (3, 2), UCF and Something-Something (2, .5), MOSEI 2.5 and .5, MOSI 1.5.

    Ours: more modalities (mean of the others' scores); samples without m do not count for s_m; for regression the
    score is the inverse of the squared error, which for two modalities is the published ratio of the errors.

    Args:
      task: what the label is.
      alpha: how strongly, at least 0; may be traced.
      beta: the limit of the factor of a modality that lags; may be traced.

    Returns:
      the strategy; it has no state.
    """

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Tree, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        made = forward(model, params, statistics, batch, key)
        fused = weighted_mean(task.losses(made.logits, batch.label), batch.weight)
        value = fused + total(unimodal_losses(task, model, made, batch).values())
        heads = model.unimodal(made.variables, made.latents)
        coefficients = mlb_coefficients(scores(task, heads, batch), alpha, beta)
        return value, Auxiliary(made.logits, made.statistics, coefficients)

    def update(model: Model, gradients: Tree, state: Tree, aux: Auxiliary) -> tuple[Tree, Tree]:
        factors = {f"{part}:{name}": x for name, x in aux.signals.items() for part in ("encoder", "head")}
        return scale_by_label(model, gradients, factors), state

    return Strategy(without_state, loss, update)
