"""Data, prefetching: batches from data larger than the device, read by a thread while the device computes."""

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, Self

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from mmjax.data._batch import Batch, batch_of
from mmjax.data._batching import epoch_order, num_batches
from mmjax.data._npz import MultimodalData

Indices = NDArray[np.integer[Any]]


class Source(Protocol):
    """Samples on the host or on disk that can be read in any order."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def __getitem__(self, indices: Indices, /) -> MultimodalData:
        """Return the samples of an array of indices (k,)."""


class TfdsSource:
    """A source of the examples that a TFDS builder prepared; `source[np.arange(len(source))]` reads all of them."""

    def __init__(self, examples: Any, modalities: Sequence[str], *, label: str = "label"):
        """Name the parts of an example.

        Args:
          examples: one split of `builder.as_data_source`.
          modalities: the features that are modalities, of one shape in all examples.
          label: the feature that is the class.
        """
        self._examples = examples
        self._modalities = tuple(modalities)
        self._label = label

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self._examples)

    def __getitem__(self, indices: Indices) -> MultimodalData:
        """Read examples; every modality is present in all."""
        examples = self._examples.__getitems__(indices.tolist())
        return MultimodalData(
            modalities={name: np.stack([example[name] for example in examples]) for name in self._modalities},
            label=np.array([example[self._label] for example in examples], np.int64),
            split=None,
            masks={name: np.ones(len(indices), bool) for name in self._modalities},
        )


class PrefetchedBatches(Iterator[Batch]):
    """The batches of `batch_at` without end, from a source that need not fit on the device.

    A context manager: leaving it stops the thread. What goes wrong in the thread is raised where its batch is due.

    Example::

      with PrefetchedBatches(source, key, batch_size=256, first_step=step) as batches:
          for step, batch in zip(range(step, num_steps), batches):
              ...
    """

    def __init__(
        self,
        source: Source | MultimodalData,
        key: Array,
        *,
        batch_size: int,
        first_step: int = 0,
        num_ahead: int = 2,
    ):
        """Start to read.

        Args:
          source: the samples; data in memory, memory-mapped arrays included, or a `Source`.
          key: PRNG key of the run.
          batch_size: samples in a batch.
          first_step: the step of the first batch, to resume a run.
          num_ahead: number of batches read before they are asked for, at least 1; as many wait on the device.

        Raises:
          ValueError: if there is no sample, or a number is out of its range.
        """
        if first_step < 0 or num_ahead < 1:
            raise ValueError(
                f"expected first_step from 0 and num_ahead from 1; got first_step {first_step}, num_ahead {num_ahead}"
            )
        self._source = _Rows(source) if isinstance(source, MultimodalData) else source
        self._key, self._batch_size = key, batch_size
        self._num_batches = num_batches(len(self._source), batch_size)
        self._epoch = -1
        # These settings hold for a thread, so the reading one has to be told.
        config: Any = jax.config  # its attributes are made at run time
        self._x64, self._device = config.jax_enable_x64, config.jax_default_device
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mmjax-prefetch")
        self._steps = itertools.count(first_step)
        self._ahead: deque[Future[Batch]] = deque()
        for _ in range(num_ahead):
            self._ask()

    def __enter__(self) -> Self:
        """Return the iterator itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the thread."""
        self.close()

    def __next__(self) -> Batch:
        """Return the next batch, which waits for it where it has not been read yet."""
        if not self._ahead:
            raise ValueError("these batches are closed; open new ones at the step to go on from")
        try:
            batch = self._ahead.popleft().result()
        except BaseException:
            self.close()
            raise
        self._ask()
        return batch

    def close(self) -> None:
        """Stop the thread, after the batch that it reads at the moment."""
        self._ahead.clear()
        self._reader.shutdown(cancel_futures=True)

    def _ask(self) -> None:
        self._ahead.append(self._reader.submit(self._read, next(self._steps)))

    def _read(self, step: int) -> Batch:
        with jax.enable_x64(self._x64), jax.default_device(self._device):
            epoch, place = divmod(step, self._num_batches)
            if epoch != self._epoch:
                order = epoch_order(jax.random.fold_in(self._key, epoch), len(self._source), self._batch_size)
                self._epoch, self._indices, self._weight = epoch, np.asarray(order.indices), np.asarray(order.weight)
            data = self._source[self._indices[place]]
            return batch_of(data.modalities, data.label, data.masks, self._weight[place])


class _Rows:
    """A source of data in memory."""

    def __init__(self, data: MultimodalData):
        self._data = data

    def __len__(self) -> int:
        return len(self._data.label)

    def __getitem__(self, indices: Indices) -> MultimodalData:
        return jax.tree.map(lambda x: x[indices], self._data)
