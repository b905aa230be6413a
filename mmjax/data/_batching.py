"""Data, batching: random batches of fixed shape, as pure functions of a key and a step."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.data._batch import Batch


class EpochOrder(NamedTuple):
    """Which samples the batches of an epoch hold, each sample once."""

    indices: Array
    """(num_batches, batch_size), int32."""
    weight: Array
    """(num_batches, batch_size): 1, and 0 for those that fill up the last batch."""


def num_batches(num_samples: int, batch_size: int, *, drop_last: bool = False) -> int:
    """Return the number of batches in an epoch, the last of which may be filled up, or left out.

    Raises:
      ValueError: if there is no sample or a batch holds none, or none is full and the last one is to be left out.
    """
    if num_samples < 1 or batch_size < 1:
        raise ValueError(
            f"expected samples and a positive batch size; got {num_samples} samples, batches of {batch_size}"
        )
    if drop_last and num_samples < batch_size:
        raise ValueError(f"{num_samples} samples fill no batch of {batch_size}; use a smaller batch_size")
    return num_samples // batch_size if drop_last else -(-num_samples // batch_size)


def epoch_order(key: Array, num_samples: int, batch_size: int, *, drop_last: bool = False) -> EpochOrder:
    """Draw a random order of the samples and cut it into batches.

    The last batch is filled up with samples of weight 0, from the start of the order, so that all shapes are equal
    and statistics of a batch are those of real samples.

    Args:
      key: PRNG key.
      num_samples: number of samples, at least 1; static.
      batch_size: samples in a batch, at least 1; static.
      drop_last: whether the samples that do not fill the last batch are left out instead; others in each epoch.

    Returns:
      the order. Under `vmap` over keys, one for each.

    Raises:
      ValueError: as `num_batches`.
    """
    count = num_batches(num_samples, batch_size, drop_last=drop_last)
    place = jnp.arange(count * batch_size, dtype=jnp.int32)
    order = jax.random.permutation(key, jnp.arange(num_samples, dtype=jnp.int32))
    indices, weight = order[place % num_samples], (place < num_samples).astype(float)
    return EpochOrder(indices.reshape(count, batch_size), weight.reshape(count, batch_size))


def take(batch: Batch, indices: Array, weight: Array) -> Batch:
    """Gather samples of a batch.

    Args:
      batch: n samples, such as a whole data set.
      indices: integers of any shape (...), each below n.
      weight: (...), multiplies the weight of the samples.

    Returns:
      the samples, their arrays (..., ...).
    """
    gathered: Batch = jax.tree.map(lambda x: x[indices], batch)
    return gathered._replace(weight=gathered.weight * weight.astype(gathered.weight.dtype))


def batch_at(batch: Batch, key: Array, step: ArrayLike, *, batch_size: int) -> Batch:
    """Return the batch that training sees at a step.

    With b batches in an epoch, step s is batch s mod b in the order of epoch floor(s / b), which is drawn from the
    key and the epoch's number. Nothing else is remembered: a run resumed at step s goes on with the same batches.
    The order is drawn at every call, a sort of n numbers; loops over whole epochs save that with `epoch_order`.

    Args:
      batch: the n samples.
      key: PRNG key of the run.
      step: number of the step, from 0; may be traced.
      batch_size: samples in a batch; static.

    Returns:
      the batch.

    Raises:
      ValueError: if there is no sample or a batch holds none.
    """
    num_samples = batch.label.shape[0]
    epoch, place = jnp.divmod(jnp.asarray(step), num_batches(num_samples, batch_size))
    order = epoch_order(jax.random.fold_in(key, epoch), num_samples, batch_size)
    return take(batch, order.indices[place], order.weight[place])
