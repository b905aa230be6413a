"""Room competition: a model run on a whole data set, without noise, some samples at a time."""

import jax
from jax import Array

from mmjax.competition._strategy import Model, Samples, Variables

BATCH_SIZE = 1024
"""Samples encoded at once."""


def latents_of(model: Model, variables: Variables, samples: Samples) -> dict[str, Array]:
    """Encode all samples as evaluation does.

    Args:
      model: the model.
      variables: its variables.
      samples: n samples.

    Returns:
      modality to (n, width).
    """

    def one(sample: tuple[dict[str, Array], dict[str, Array]]) -> dict[str, Array]:
        modalities, masks = jax.tree.map(lambda x: x[None], sample)
        latents, _ = model.encode(variables, modalities, masks)
        return jax.tree.map(lambda z: z[0], latents)

    return jax.lax.map(one, (dict(samples.modalities), dict(samples.masks)), batch_size=BATCH_SIZE)
