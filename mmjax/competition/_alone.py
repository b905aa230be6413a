"""Room competition: what a fusion head makes of one modality, as if the sample had no other."""

from collections.abc import Mapping

import jax.numpy as jnp
from jax import Array

from mmjax.competition._strategy import Model, Variables


def logits_alone(
    model: Model,
    variables: Variables,
    latents: dict[str, Array],
    masks: Mapping[str, Array],
    *,
    key: Array | None = None,
    train: bool = False,
) -> dict[str, Array]:
    """Fuse each modality with all others absent.

    Args:
      model: the model.
      variables: its variables.
      latents: modality to (n, width).
      masks: modality to (n,), False where it is absent.
      key: PRNG key of dropout, the same for each modality.
      train: whether dropout is on.

    Returns:
      modality to logits (n, num_outputs): of a linear head z_m W_m + b. Of a head in which a modality only conditions
      others, as in FiLM, they do not depend on that modality.
    """
    absent = {name: jnp.zeros_like(mask) for name, mask in masks.items()}
    return {
        name: model.fuse(variables, latents, absent | {name: masks[name]}, key=key, train=train)
        for name in model.modalities
    }
