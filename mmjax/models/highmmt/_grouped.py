"""Models, HighMMT: one function on many inputs, each with the parameters of its group."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

Groups = tuple[int, ...] | Array
"""A group an input: static, or traced, so that one program serves many sharing plans."""


def by_group(fn: Callable[..., Any], params: Any, groups: Groups, *inputs: Any) -> Any:
    """Apply `fn(params of the group, *input)` to each of n inputs.

    With static groups, all inputs of a group are one batch for one call: no parameter is copied. With traced ones, an
    input gets a copy of its group's parameters, and the calls are one `vmap`. Values and gradients are the same up to
    rounding; the gradient of a group is the sum over its inputs.

    Args:
      fn: from parameters and arrays (batch, ...) to a tree of arrays (batch, ...), sample by sample.
      params: tree of arrays with a leading axis of groups.
      groups: n group numbers; a tuple is static.
      inputs: trees of arrays (n, batch, ...).

    Returns:
      the tree of arrays (n, batch, ...).

    Raises:
      ValueError: if the parameters have no such group; not known of traced groups.
    """
    if not isinstance(groups, tuple):
        return jax.vmap(fn)(jax.tree.map(lambda leaf: leaf[groups], params), *inputs)
    numbers, num_groups = np.asarray(groups), jax.tree.leaves(params)[0].shape[0]
    if numbers.max() >= num_groups:
        raise ValueError(f"the plan uses group {numbers.max()}; the parameters have {num_groups}: see `expand_shared`")
    members = [np.flatnonzero(numbers == group) for group in np.unique(numbers)]
    parts = [
        _as_one_batch(fn, jax.tree.map(lambda leaf, g=group: leaf[g], params), len(groups), rows, inputs)
        for group, rows in zip(np.unique(numbers), members, strict=True)
    ]
    if len(parts) == 1:
        return parts[0]
    place = np.argsort(np.concatenate(members))
    return jax.tree.map(lambda *part: jnp.concatenate(part)[place], *parts)


def _as_one_batch(fn: Callable[..., Any], params: Any, total: int, rows: np.ndarray, inputs: tuple[Any, ...]) -> Any:
    def joined(x: Array) -> Array:
        chosen = x if len(rows) == total else x[rows]
        return chosen.reshape(-1, *x.shape[2:])

    outputs = fn(params, *jax.tree.map(joined, inputs))
    return jax.tree.map(lambda y: y.reshape(len(rows), -1, *y.shape[1:]), outputs)
