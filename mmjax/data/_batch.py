"""Data, batch: multimodal samples as arrays of one length, which is what models and training take."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike


class Batch(NamedTuple):
    """Samples with all their modalities; a whole data set is one, and so is what a step sees of it."""

    modalities: dict[str, Array]
    """Modality to array (n, ...)."""
    label: Array
    """Classes (n,), int32; or real targets or binary labels (n, num_targets)."""
    masks: dict[str, Array]
    """Modality to (n,), False where it is absent from the sample; every modality has one."""
    weight: Array
    """(n,): 1 for a sample that counts, 0 for one that fills up a shape or has no label."""


def batch_of(
    modalities: Mapping[str, ArrayLike],
    label: ArrayLike,
    masks: Mapping[str, ArrayLike] | None = None,
    weight: ArrayLike | None = None,
) -> Batch:
    """Make a batch, with every modality present in every sample and weight 1 unless said otherwise.

    Args:
      modalities: modality to array (n, ...).
      label: classes (n,), -1 where unlabelled (their weight becomes 0); or targets (n, num_targets).
      masks: modality to (n,) bools; modalities without one are present.
      weight: (n,).

    Returns:
      the batch, its integers int32 and its other numbers in JAX's float.

    Raises:
      ValueError: if there is no modality, lengths differ, a mask has no modality, or numbers of an array of NumPy's
        exceed those of the device: int32, and JAX's float.
    """
    arrays = {name: _array(x) for name, x in modalities.items()}
    y = _array(label)
    if not arrays:
        raise ValueError("a batch needs a modality; got none")
    lengths = {name: x.shape[0] for name, x in arrays.items()} | {"label": y.shape[0]}
    unknown = sorted(set(masks or {}) - set(arrays))
    if unknown:
        raise ValueError(f"masks of {', '.join(unknown)} have no modality; there are {', '.join(arrays)}")
    present = {name: jnp.ones(x.shape[0], bool) for name, x in arrays.items()}
    present |= {name: jnp.asarray(mask, bool) for name, mask in (masks or {}).items()}
    lengths |= {f"mask of {name}": mask.shape[0] for name, mask in present.items()}
    counts = jnp.ones(y.shape[0]) if weight is None else jnp.asarray(weight, float)
    lengths["weight"] = counts.shape[0]
    if len(set(lengths.values())) > 1:
        raise ValueError(f"all arrays of a batch must have one length; got {lengths}")
    if y.ndim == 1 and jnp.issubdtype(y.dtype, jnp.integer):
        counts = jnp.where(y < 0, 0, counts)
        y = jnp.maximum(y, 0)
    return Batch(arrays, y, present, counts)


def _array(x: ArrayLike) -> Array:
    """Bring an array to the device as int32, or in JAX's float; refuse numbers of the host that do not fit."""
    if isinstance(x, jnp.ndarray):
        return jnp.asarray(x, jnp.int32 if jnp.issubdtype(x.dtype, jnp.integer) else float)
    host = np.asarray(x)
    if np.issubdtype(host.dtype, np.integer):
        dtype, limit = np.dtype(np.int32), float(np.iinfo(np.int32).max)
    else:
        dtype = jax.dtypes.canonicalize_dtype(float)
        limit = float(jnp.finfo(dtype).max)
    if host.size and host.dtype.itemsize >= dtype.itemsize and host.dtype != dtype:
        least, most = host.min(), host.max()
        if least < -limit or most > limit:
            raise ValueError(f"numbers of a batch must fit into {dtype}; got {least} to {most}")
    return jnp.asarray(host, dtype)
