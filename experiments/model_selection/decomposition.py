"""Experiments, model selection: many tables decomposed by one program."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mmjax import pid

PARTS = ("redundancy", "unique1", "unique2", "synergy")
CHUNK = 64
"""Tables of one call."""
_decompose = jax.jit(jax.vmap(pid.broja))


def decomposed(counts: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Decompose what two modalities in cells tell of a label or a prediction, by `mmjax.pid.broja`.

    Args:
      counts: tables (n1, n2, ny) of samples by cells and classes, of any sizes.

    Returns:
      (len(counts), 4) of `PARTS` in bits, in double precision.
    """
    shapes = np.array([np.shape(table) for table in counts])
    padded = np.zeros((-(-len(counts) // CHUNK) * CHUNK, *shapes.max(axis=0)))
    for place, table in enumerate(counts):  # an empty cell or class changes nothing
        padded[place, : shapes[place, 0], : shapes[place, 1], : shapes[place, 2]] = table / np.sum(table)
    padded[len(counts) :] = padded[0]
    with jax.enable_x64(True):
        found = [_decompose(jnp.asarray(padded[start : start + CHUNK])) for start in range(0, len(padded), CHUNK)]
        parts = np.concatenate([np.stack([np.asarray(getattr(of, name)) for name in PARTS], axis=1) for of in found])
    return parts[: len(counts)]
