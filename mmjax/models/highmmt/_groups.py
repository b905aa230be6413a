"""Models, HighMMT: parameters for another sharing plan, or for a layout with more modalities and tasks."""

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.heterogeneity import SharingPlan
from mmjax.models.highmmt._model import HighMMT, Params


def expand_shared(params: Params, plan: SharingPlan) -> Params:
    """Copy the one encoder and the one crossmodal stack of shared parameters into the groups of a plan.

    The model computes the same as before; trained on, its groups go their own ways. This is how training by
    heterogeneity begins (Liang et al. 2023, arXiv 2203.01311, B.6).

    Args:
      params: parameters with one group of each.
      plan: the groups to come.

    Returns:
      the parameters, "encoder" and "crossmodal" with the plan's numbers of groups.

    Raises:
      ValueError: if the parameters have more groups than one already.
    """
    counts = {"encoder": plan.num_unimodal_groups, "crossmodal": plan.num_crossmodal_groups}
    expanded = dict(params)
    for name in [name for name in counts if name in params]:
        leaves = jax.tree.leaves(params[name])
        if leaves[0].shape[0] != 1:
            raise ValueError(f"{name} has {leaves[0].shape[0]} groups already; expected 1, shared by all")
        expanded[name] = jax.tree.map(lambda leaf, n=counts[name]: jnp.repeat(leaf, n, axis=0), params[name])
    return expanded


def extend(key: Array, model: HighMMT, params: Params) -> Params:
    """Bring trained parameters to a model whose layout has more modalities and tasks.

    Encoders and crossmodal stacks stay as they are, whatever is encoded: the layout must have had room, in `num_slots`
    for the code and in `min_input_width` for the tokens. Heads of new tasks are new. Shapes do not tell which modality
    a code stood for: a new one put before the old ones, where there is room, is not noticed and spoils them.

    Args:
      key: PRNG key for new heads.
      model: the model with the larger layout; its old modalities come first, in their order.
      params: parameters of the model with the smaller one.

    Returns:
      parameters of the model.

    Raises:
      ValueError: if what is there already has not the shapes of the model.
    """
    new = model.init(key, **_numbers_of_groups(params))
    extended = params | {"heads": new["heads"] | params["heads"]}
    if "crossmodal" not in params and "crossmodal" in new:
        extended["crossmodal"] = new["crossmodal"]
    check_params(model, extended)
    return extended


def check_params(model: HighMMT, params: Params) -> None:
    """Raise ValueError unless parameters, such as those of a checkpoint, are of the model's architecture and layout."""
    groups = _numbers_of_groups(params)
    expected = jax.eval_shape(lambda key: model.init(key, **groups), jax.random.key(0))
    shapes, wanted = (
        {jax.tree_util.keystr(path): leaf.shape for path, leaf in jax.tree.leaves_with_path(tree)}
        for tree in (params, expected)
    )
    wrong = sorted(name for name in shapes.keys() | wanted.keys() if shapes.get(name) != wanted.get(name))
    if wrong:
        name = wrong[0]
        raise ValueError(
            f"parameters are not of this architecture and layout: {len(wrong)} arrays differ, first {name}: "
            f"got {shapes.get(name, 'none')}, expected {wanted.get(name, 'none')}"
        )


def _numbers_of_groups(params: Params) -> dict[str, int]:
    names = {"num_unimodal_groups": "encoder", "num_crossmodal_groups": "crossmodal"}
    return {option: jax.tree.leaves(params[name])[0].shape[0] for option, name in names.items() if params.get(name)}
