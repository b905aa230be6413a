"""Models, HighMMT: the latents of one modality attend to those of another, for many ordered pairs at once."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from mmjax.models.highmmt._grouped import Groups, by_group
from mmjax.models.highmmt._perceiver import KeysValues, LatentStack


def fuse_pairs(stack: LatentStack, params: Any, groups: Groups, latents: Array, pairs: NDArray[np.intp]) -> Array:
    """Pass each ordered pair through the crossmodal stack of its group and return the last latents.

    Only these are computed in the last layer, where the others do not count; and a modality's latents are mapped to
    keys and values once a group, not once a pair.

    Args:
      stack: the module.
      params: its parameters with a leading axis of groups.
      groups: of the p pairs.
      latents: (n, batch, num_latents, width).
      pairs: (p, 2), rows of `latents`: queries and context.

    Returns:
      (p, batch, width), float32.
    """

    def project(group: Any, context: Array) -> tuple[KeysValues, ...]:
        return stack.apply({"params": group}, context, method="project")  # type: ignore[return-value]

    def last(group: Any, queries: Array, projected: tuple[KeysValues, ...]) -> Array:
        return stack.apply({"params": group}, queries, projected, method="last")  # type: ignore[return-value]

    queries, contexts = pairs[:, 0], pairs[:, 1]
    num_groups = jax.tree.leaves(params)[0].shape[0]
    made_groups, made_contexts, place = _projections(groups, contexts, num_groups, latents.shape[0])
    projected = by_group(project, params, made_groups, latents[made_contexts])
    return by_group(last, params, groups, latents[queries], jax.tree.map(lambda x: x[place], projected))


def _projections(
    groups: Groups, contexts: NDArray[np.intp], num_groups: int, num_nodes: int
) -> tuple[Groups, NDArray[np.intp], Any]:
    """Return groups and contexts of the projections to make, and which of them each pair uses."""
    if isinstance(groups, tuple):
        distinct, place = np.unique(np.stack([groups, contexts], axis=1), axis=0, return_inverse=True)
        return tuple(distinct[:, 0].tolist()), distinct[:, 1], place.reshape(-1)
    if num_groups * num_nodes < len(contexts):
        all_groups, all_nodes = np.divmod(np.arange(num_groups * num_nodes), num_nodes)
        return jnp.asarray(all_groups), all_nodes, groups * num_nodes + contexts
    return groups, contexts, np.arange(len(contexts))
