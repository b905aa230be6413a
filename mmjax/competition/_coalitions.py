"""Room competition: what a fused model says when only some of its modalities take part."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from mmjax.competition._joint import joint
from mmjax.competition._strategy import Model, Strategy, Variables, weighted_mean
from mmjax.estimators import permute_within

JOINT = joint()
Latents = Mapping[str, Array]
Masks = Mapping[str, Array]
Missing = Callable[[Latents, Masks], tuple[Latents, Masks]]
"""From latents (n, width) and masks (n,), by modality, to what stands for a modality that takes no part."""


def coalitions(num_modalities: int) -> NDArray[np.bool_]:
    """Return all sets of modalities as rows (2^M, M): row s has modality m where bit m of s is 1.

    Row 0 is the empty set, row 2^m modality m alone, the last row all of them.
    """
    return (np.arange(2**num_modalities)[:, None] >> np.arange(num_modalities)[None] & 1).astype(bool)


def num_modalities_of(values: Array) -> int:
    """Return M of an array (2^M, ...) of one entry a coalition, M >= 1.

    Raises:
      ValueError: if its length is no power of 2 above 1.
    """
    count = values.shape[0]
    if count < 2 or count & (count - 1):
        raise ValueError(f"one value a coalition of M modalities makes 2^M values, M >= 1; got {count}")
    return count.bit_length() - 1


def zero_latents(latents: Latents, masks: Masks) -> tuple[Latents, Masks]:
    """Stand for missing modalities by zeros, marked as absent: what a head makes of modalities that samples lack."""
    return jax.tree.map(jnp.zeros_like, (dict(latents), dict(masks)))


def mean_latents(latents: Latents, masks: Masks) -> tuple[Latents, Masks]:
    """Stand for missing modalities by their mean latents over the samples that have them."""

    def mean(z: Array, present: Array) -> Array:
        of_all = jax.vmap(weighted_mean, in_axes=(1, None))(z, present.astype(z.dtype))
        return jnp.broadcast_to(of_all[None], z.shape)

    return {name: mean(z, masks[name]) for name, z in latents.items()}, masks


def permuted_latents(key: Array) -> Missing:
    """Stand for missing modalities by the latents of other samples: a permutation a modality, among those that have it.

    A sample may get its own latent: permutations are uniform.

    Args:
      key: PRNG key of the permutations.

    Returns:
      the function for `coalition_logits`.
    """

    def permuted(latents: Latents, masks: Masks) -> tuple[Latents, Masks]:
        names = sorted(latents)
        keys = dict(zip(names, jax.random.split(key, len(names)), strict=True))
        return {name: latents[name][permute_within(keys[name], masks[name])] for name in names}, masks

    return permuted


def coalition_logits(
    model: Model,
    variables: Variables,
    latents: Latents,
    masks: Masks,
    *,
    missing: Missing = zero_latents,
    strategy: Strategy = JOINT,
) -> Array:
    """Compute a model's logits for every set of its modalities, the others missing.

    The value v(S) of a set is what the caller makes of its logits, per sample or as a mean:
    `jax.vmap(task.accuracy, (0, None))(logits, label)`, or minus `task.losses`; `shapley_values` takes both.

    Args:
      model: the model.
      variables: its variables.
      latents: modality to (n, width), of all its modalities.
      masks: modality to (n,), False where the sample has no such modality; it then takes part in no set.
      missing: what stands for a missing modality: `zero_latents`, `mean_latents` or `permuted_latents(key)`.
      strategy: whose prediction it is, such as a sum of unimodal logits; by default the fused logits.

    Returns:
      (2^M, n, num_outputs), in the order of `coalitions`, modalities in that of `model.modalities`.
    """
    theirs = dict(latents), dict(masks)
    others = missing(*theirs)

    def logits_of(members: Array) -> Array:
        chosen = dict(zip(model.modalities, members, strict=True))
        z, present = (
            {name: jnp.where(chosen[name], own[name], other[name]) for name in model.modalities}
            for own, other in zip(theirs, others, strict=True)
        )
        return strategy.predict(model, variables, z, present)

    return jax.vmap(logits_of)(jnp.asarray(coalitions(len(model.modalities))))
