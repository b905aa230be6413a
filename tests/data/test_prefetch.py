import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import MultimodalData, PrefetchedBatches, TfdsSource, batch_at, batch_of

KEY = jax.random.key(3)
NUM_SAMPLES = 7
DATA = MultimodalData(
    {"x": np.arange(14.0).reshape(7, 2), "ids": np.arange(7)},
    np.array([0, 1, 2, 0, 1, 2, -1]),
    None,
    {"x": np.arange(7) != 3, "ids": np.ones(7, bool)},
)


class Recorder:
    """A source that keeps account of what is asked of it, and fails at one reading."""

    def __init__(self, fails_at=None):
        self.readings = []
        self.threads = set()
        self.fails_at = fails_at

    def __len__(self):
        return NUM_SAMPLES

    def __getitem__(self, indices):
        self.threads.add(threading.current_thread())
        self.readings.append(indices.tolist())
        if len(self.readings) - 1 == self.fails_at:
            raise OSError("disk on fire")
        return jax.tree.map(lambda x: x[indices], DATA)


@pytest.mark.parametrize("first_step", [0, 4])
@pytest.mark.parametrize("source", [DATA, Recorder()], ids=["data", "source"])
def test_batches_are_those_of_batch_at(source, first_step):
    whole = batch_of(DATA.modalities, DATA.label, DATA.masks)
    with PrefetchedBatches(source, KEY, batch_size=3, first_step=first_step) as batches:
        for step, batch in zip(range(first_step, first_step + 7), batches, strict=False):
            jax.tree.map(np.testing.assert_array_equal, batch, batch_at(whole, KEY, step, batch_size=3))
            assert isinstance(batch.modalities["x"], jax.Array)


def test_readings_are_one_thread_and_no_further_ahead_than_said():
    source = Recorder()
    with PrefetchedBatches(source, KEY, batch_size=2, num_ahead=3) as batches:
        for _ in range(5):
            next(batches)
    assert 5 <= len(source.readings) <= 8
    (thread,) = source.threads
    assert thread is not threading.current_thread()
    assert not thread.is_alive()


def test_a_failure_is_raised_where_its_batch_is_due_and_stops_the_thread():
    source = Recorder(fails_at=2)
    batches = PrefetchedBatches(source, KEY, batch_size=2)
    next(batches)
    next(batches)
    with pytest.raises(OSError, match="disk on fire"):
        next(batches)
    assert not any(thread.is_alive() for thread in source.threads)
    with pytest.raises(ValueError, match="closed"):
        next(batches)


def test_an_error_of_the_consumer_stops_the_thread():
    source = Recorder()
    with pytest.raises(KeyError), PrefetchedBatches(source, KEY, batch_size=2) as batches:
        next(batches)
        raise KeyError
    assert not any(thread.is_alive() for thread in source.threads)


def test_closing_twice_is_closing_once():
    batches = PrefetchedBatches(DATA, KEY, batch_size=2)
    batches.close()
    batches.close()
    with pytest.raises(ValueError, match="closed"):
        next(batches)


def test_the_thread_has_the_precision_and_the_device_of_its_maker(float64):
    device = jax.devices()[1]
    with jax.default_device(device), PrefetchedBatches(DATA, KEY, batch_size=2) as batches:
        x = next(batches).modalities["x"]
    assert x.dtype == jnp.float64
    assert x.devices() == {device}


@pytest.mark.parametrize(
    "options", [{"batch_size": 0}, {"batch_size": 2, "first_step": -1}, {"batch_size": 2, "num_ahead": 0}]
)
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="expected"):
        PrefetchedBatches(DATA, KEY, **options)


class Examples(list):
    """What a data source of TFDS is, as far as it is used."""

    def __getitems__(self, indices):
        return [self[index] for index in indices]


def test_examples_become_arrays():
    examples = Examples({"image": np.full((2, 2), i, np.uint8), "label": i % 3, "id": i} for i in range(5))
    source = TfdsSource(examples, ["image"])
    assert len(source) == 5
    data = source[np.array([4, 0])]
    assert data.modalities["image"][:, 0, 0].tolist() == [4, 0]
    assert data.label.tolist() == [1, 0]
    assert data.masks["image"].tolist() == [True, True]
