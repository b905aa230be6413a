"""Room synergy: decompositions of the tables of samples, and what samples of them say together."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax import pid

BATCH_ELEMENTS = 2**22
"""Array elements of the resamples that are worked on at a time."""


class Decomposition(NamedTuple):
    """What two quantised modalities tell about a label; every field of the same shape."""

    redundancy: Array
    unique1: Array
    unique2: Array
    synergy: Array
    information: Array
    """I(X1,X2;Y), the sum of the four."""


@functools.partial(jax.jit, static_argnames="base")
def decompose(tables: Array, base: float) -> tuple[Decomposition, Array]:
    """Decompose tables (k, n1, n2, ny); return the (k,) decompositions and the largest certified error."""
    parts = jax.vmap(lambda table: pid.broja(table, base=base))(tables)
    four = parts.redundancy, parts.unique1, parts.unique2, parts.synergy
    return Decomposition(*four, information=parts.union_upper - parts.gap / 2 + parts.synergy), jnp.max(parts.gap)


def map_keys(function: Callable[[Array], Any], key: Array, num: int, elements: int) -> Any:
    """Apply a function of a key to `num` keys, as many at a time as `elements` array elements each allow."""
    return jax.lax.map(function, jax.random.split(key, num), batch_size=max(1, min(num, BATCH_ELEMENTS // elements)))


def interval(samples: Array, level: float) -> tuple[Array, Array]:
    """Return the quantiles of the first axis between which the central `level` of the samples lie."""
    ends = jnp.quantile(samples, jnp.array([(1 - level) / 2, (1 + level) / 2], samples.dtype), axis=0)
    return ends[0], ends[1]


def check_options(level: float, **counts: int) -> None:
    """Raise a `ValueError` for a level outside (0, 1) or a count below 1."""
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1; got {level}")
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be 1 or more; got {count}")


def num_cells(sizes: tuple[int, ...], num_samples: int) -> int:
    """Return how many array elements a table and the samples it is counted from take."""
    return math.prod(sizes) + num_samples
