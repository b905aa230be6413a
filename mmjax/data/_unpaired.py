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
    """Modality to labelled samples of it alone: a batch of that one modality. Weights and masks are not looked at."""
    tuples: Batch
    """Unlabelled samples of all modalities; their labels are 0 and mean nothing."""


def unpaired(batch: Batch, *, key: Array) -> Unpaired:
    """Forget which labels belong to which tuples, to study on labelled data what unpaired data tell.

    Args:
      batch: n samples, labelled and with all modalities; may be traced.
      key: PRNG key; the samples are dealt out in random order, n / (M + 1) to each of the M labelled modalities and to
        the tuples, so that the sets are independent.

    Returns:
      the samples.

    Raises:
      ValueError: if there are fewer samples than sets, or a sample (not traced) has no label or lacks a modality.
    """
    _check_complete(batch)
    names = sorted(batch.modalities)
    num_samples, num_sets = batch.label.shape[0], len(names) + 1
    if num_samples < num_sets:
        raise ValueError(f"{num_samples} samples cannot be dealt out to {num_sets} sets; give at least {num_sets}")
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


def _check_complete(batch: Batch) -> None:
    present = jnp.all(jnp.stack([batch.weight > 0, *batch.masks.values()]), axis=0)
    if not isinstance(present, jax.core.Tracer) and not present.all():
        raise ValueError(
            f"{int(jnp.sum(~present))} of {present.size} samples have no label or lack a modality; leave them out first"
        )
