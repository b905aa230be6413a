"""Data, unpaired: modalities that are labelled each on its own, and unlabelled tuples of all, as batches."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmjax.data._batch import Batch, batch_of
from mmjax.data._batching import take
from mmjax.data._npz import UnpairedData
from mmjax.data._splits import only


class Unpaired(NamedTuple):
    """All that is known without a labelled tuple (the setting of Liang et al. 2023, arXiv 2306.04539)."""

    labelled: dict[str, Batch]
    """Modality to labelled samples of it alone: a batch of that one modality."""
    tuples: Batch
    """Unlabelled samples of all modalities; their labels are 0 and mean nothing."""


def unpaired(batch: Batch, *, key: Array | None = None) -> Unpaired:
    """Forget which labels belong to which tuples, to study on labelled data what unpaired data tell.

    Args:
      batch: n samples, labelled and with all modalities.
      key: PRNG key; the samples are then dealt out in random order, n / (M + 1) to each of the M labelled modalities
        and to the tuples, so that all are independent. None: each gets all n samples.

    Returns:
      the samples.

    Raises:
      ValueError: if there are fewer samples than sets.
    """
    names = sorted(batch.modalities)
    num_samples, num_sets = batch.label.shape[0], len(names) + 1
    if num_samples < num_sets:
        raise ValueError(f"{num_samples} samples cannot be dealt out to {num_sets} sets; give at least {num_sets}")
    parts = [batch] * num_sets
    if key is not None:
        order = jax.random.permutation(key, num_samples)[: num_samples // num_sets * num_sets]
        parts = [take(batch, rows, jnp.ones(rows.shape)) for rows in jnp.split(order, num_sets)]
    labelled = {name: only(part, (name,)) for name, part in zip(names, parts[:-1], strict=True)}
    return Unpaired(labelled, parts[-1]._replace(label=jnp.zeros_like(batch.label, shape=parts[-1].label.shape)))


def unpaired_of(data: UnpairedData) -> Unpaired:
    """Make batches of what an unpaired data file holds; its modalities are named "x1" and "x2"."""
    labelled = {
        "x1": batch_of({"x1": data.x1_labelled}, data.y1),
        "x2": batch_of({"x2": data.x2_labelled}, data.y2),
    }
    pairs = {"x1": data.x1_paired, "x2": data.x2_paired}
    return Unpaired(labelled, batch_of(pairs, np.zeros(len(data.x1_paired), np.int32)))
