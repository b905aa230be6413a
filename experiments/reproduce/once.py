"""Experiments, reproduce: programs that run once, on one table or a few, compiled without optimisation."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

Result = TypeVar("Result")
_OPTIONS: dict[str, str | bool] = {"xla_backend_optimization_level": "0", "xla_llvm_disable_expensive_passes": True}


def once(function: Callable[..., Result], *arrays: ArrayLike) -> Result:
    """Return what a function makes of arrays, as NumPy arrays, in double precision."""
    with jax.enable_x64(True):
        tables = [jnp.asarray(x) for x in arrays]
        made = jax.jit(function).lower(*tables).compile(_OPTIONS)(*tables)
        return jax.tree.map(np.asarray, made)
