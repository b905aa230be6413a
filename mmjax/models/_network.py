"""Room models: any Flax module as two pure functions."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

Shapes = tuple[tuple[tuple[int, ...], Any], ...]


class Network(NamedTuple):
    """A module without noise or running statistics, such as a critic, as pure functions."""

    init: Callable[[Array], dict[str, Any]]
    """From a key to variables, {"params": tree}."""
    apply: Callable[..., Any]
    """`apply(variables, *inputs)`: what the module returns."""


def network(module: nn.Module, *example: Array | jax.ShapeDtypeStruct) -> Network:
    """Turn a module into pure functions; `functional` does so for a multimodal one.

    Equal modules and examples of equal shapes give the same functions, so a jitted function that takes them as static
    arguments is not traced again.

    Args:
      module: a module that is called with arrays only.
      example: its inputs, of a batch of one, or their shapes and dtypes; only these are used.

    Returns:
      the functions.
    """
    return _network(module, tuple((x.shape, jax.dtypes.canonicalize_dtype(x.dtype)) for x in example))


@functools.lru_cache(maxsize=128)
def _network(module: nn.Module, shapes: Shapes) -> Network:
    def init(key: Array) -> dict[str, Any]:
        return dict(module.init(key, *(jnp.zeros(shape, dtype) for shape, dtype in shapes)))

    return Network(init, module.apply)
