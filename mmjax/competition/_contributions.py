"""Room competition: what each modality alone says of a batch, and how well it does there."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.competition._strategy import Model, Samples, Variables, weighted_mean
from mmjax.competition._task import Task


def contributions(
    model: Model, variables: Variables, latents: Mapping[str, Array], masks: Mapping[str, Array]
) -> dict[str, Array]:
    """Return what each modality adds to the fused logits.

    u_m = y(z_m, others 0) - (1 - 1/M) y(all 0). For a linear head these are the z_m W_m + b / M of Peng, Wei, Deng,
    Wang, Hu (2022, arXiv 2203.15332), which add up to y; that other heads are asked in this way is ours.

    Args:
      model: the model; its head runs without noise.
      variables: its variables.
      latents: modality to (n, width).
      masks: modality to (n,).

    Returns:
      modality to (n, num_outputs). Derivatives are 0.
    """
    variables, latents = jax.lax.stop_gradient((variables, dict(latents)))
    names = sorted(latents)

    def logits_of(kept: Array) -> Array:
        return model.fuse(
            variables, {name: jnp.where(keep, latents[name], 0) for name, keep in zip(names, kept, strict=True)}, masks
        )

    *alone, nothing = jax.vmap(logits_of)(jnp.eye(len(names) + 1, len(names), dtype=bool))
    return {name: logits - (1 - 1 / len(names)) * nothing for name, logits in zip(names, alone, strict=True)}


def weight_with(batch: Samples, name: str) -> Array:
    """Return the weights (n,) of samples, 0 for those that lack a modality."""
    return batch.weight * batch.masks[name].astype(batch.weight.dtype)


def occurs(batch: Samples, name: str) -> Array:
    """Say whether a modality is in any sample that counts."""
    return jnp.sum(weight_with(batch, name)) > 0


def measured(
    measure: Callable[[Array, Array, Array], Array], logits: Mapping[str, Array], batch: Samples
) -> dict[str, Array]:
    """Return modality to `measure(logits, label, weight)` over the samples that have it. Derivatives are 0."""
    return {
        name: measure(jax.lax.stop_gradient(u), batch.label, weight_with(batch, name))
        for name, u in sorted(logits.items())
    }


def scores(task: Task, logits: Mapping[str, Array], batch: Samples) -> dict[str, Array]:
    """Return modality to its score; one that no sample has gets the mean of the others', so that none stands out."""
    values = measured(task.score, logits, batch)
    present = {name: occurs(batch, name) for name in values}
    known = jnp.stack(list(values.values()))
    mean = weighted_mean(known, jnp.stack(list(present.values())).astype(known.dtype))
    return {name: jnp.where(present[name], value, mean) for name, value in values.items()}


def mean_ratios(values: Mapping[str, Array]) -> dict[str, Array]:
    """Return modality to the mean, over the others, of its value over theirs; 1 where there are no others.

    Args:
      values: modality to a scalar, not negative; those below the dtype's eps count as eps when divided by.
    """

    def ratio(name: str, value: Array) -> Array:
        others = [jnp.maximum(other, jnp.finfo(other.dtype).eps) for key, other in values.items() if key != name]
        return value * jnp.mean(1 / jnp.stack(others)) if others else jnp.ones_like(value)

    return {name: ratio(name, value) for name, value in values.items()}
