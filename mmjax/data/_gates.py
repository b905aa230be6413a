"""Data, gates: samples of known tables, and the logic gates whose decompositions are known."""

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmjax.data._batch import Batch, batch_of


def _gate(label: Callable[[int, int], int], num_classes: int = 2) -> np.ndarray:
    """Return the read-only table of a gate with independent fair bits as inputs."""
    p = np.zeros((2, 2, num_classes))
    for x1, x2 in np.ndindex(2, 2):
        p[x1, x2, label(x1, x2)] = 1 / 4
    p.setflags(write=False)
    return p


def _redundant() -> np.ndarray:
    p = np.zeros((2, 2, 2))
    p[0, 0, 0] = p[1, 1, 1] = 1 / 2
    p.setflags(write=False)
    return p


GATES: Mapping[str, np.ndarray] = MappingProxyType(
    {
        "and": _gate(lambda x1, x2: x1 & x2),
        "or": _gate(lambda x1, x2: x1 | x2),
        "xor": _gate(lambda x1, x2: x1 ^ x2),
        "unique1": _gate(lambda x1, x2: x1),
        "unique2": _gate(lambda x1, x2: x2),
        "redundant": _redundant(),
        "copy": _gate(lambda x1, x2: 2 * x1 + x2, num_classes=4),
    }
)
"""Tables (x1, x2, y) of gates, read-only. Redundancy, unique information of x1 and of x2, and synergy in bits: "and"
and "or" .311278, 0, 0, .5; "xor" 0, 0, 0, 1; "unique1" 0, 1, 0, 0; "unique2" 0, 0, 1, 0; "redundant" (x1 = x2 = y)
1, 0, 0, 0; "copy" (y = (x1, x2)) 0, 1, 1, 0."""


def flip_label(p: Array, rate: Array | float) -> Array:
    """Return the table whose label is wrong in a share of the samples.

    p'(x, y) = (1 - rate) p(x, y) + rate / (ny - 1) sum over y' != y of p(x, y').

    Args:
      p: table (..., ny) of p(x1, ..., y), ny >= 2.
      rate: probability in [0, 1] that the label becomes another one, all others alike.

    Returns:
      the table, of the shape of `p`; differentiable.
    """
    p = jnp.asarray(p, float)
    others = jnp.sum(p, axis=-1, keepdims=True) - p
    return (1 - rate) * p + rate / (p.shape[-1] - 1) * others


@functools.partial(jax.jit, static_argnames="num_samples")
def table_data(key: Array, p: Array, *, num_samples: int) -> Batch:
    """Sample a table, each modality as one-hot rows.

    Args:
      key: PRNG key.
      p: table (n1, ..., ny) of p(x1, ..., y): one axis for each modality, then the label's.
      num_samples: number of samples; static.

    Returns:
      modalities "x1", "x2", ... of shape (num_samples, n1), (num_samples, n2), ... and classes in [0, ny).

    Raises:
      ValueError: if `p` has no axis for a modality.
    """
    p = jnp.asarray(p, float)
    if p.ndim < 2:
        raise ValueError(f"a table needs an axis for each modality and one for the label; got shape {p.shape}")
    cells = jax.random.choice(key, p.size, (num_samples,), p=p.ravel())
    *ids, label = jnp.unravel_index(cells, p.shape)
    sizes = p.shape[:-1]
    one_hot = [jax.nn.one_hot(x, size) for x, size in zip(ids, sizes, strict=True)]
    return batch_of({f"x{m + 1}": x for m, x in enumerate(one_hot)}, label)
