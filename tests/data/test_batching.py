import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import EpochOrder, batch_at, batch_of, epoch_order, num_batches, take

KEY = jax.random.key(0)
BATCH = batch_of(
    {"x": np.arange(14.0).reshape(7, 2), "ids": np.arange(7)},
    [0, 1, 2, 3, 4, 5, -1],
    {"x": [1, 1, 1, 0, 1, 1, 1]},
)


@pytest.mark.parametrize(
    ("num_samples", "batch_size", "count"), [(7, 3, 3), (6, 3, 2), (1, 1, 1), (2, 5, 1), (7, 1, 7)]
)
def test_an_epoch_holds_each_sample_once(num_samples, batch_size, count):
    order = epoch_order(KEY, num_samples, batch_size)
    assert num_batches(num_samples, batch_size) == count
    assert order.indices.shape == order.weight.shape == (count, batch_size)
    assert order.indices.dtype == jnp.int32
    flat, weight = order.indices.ravel(), order.weight.ravel()
    assert sorted(flat[:num_samples].tolist()) == list(range(num_samples))
    assert weight.tolist() == [1] * num_samples + [0] * (count * batch_size - num_samples)
    assert flat.tolist() == (flat[:num_samples].tolist() * batch_size)[: count * batch_size]


def test_orders_differ_between_keys_and_agree_in_all_modes():
    keys = jax.random.split(KEY, 3)
    eager = [epoch_order(key, 20, 6) for key in keys]
    stacked = jax.jit(jax.vmap(lambda key: epoch_order(key, 20, 6)))(keys)
    for number, order in enumerate(eager):
        jax.tree.map(np.testing.assert_array_equal, EpochOrder(*(x[number] for x in stacked)), order)
    assert not jnp.array_equal(eager[0].indices, eager[1].indices)


@pytest.mark.parametrize(("num_samples", "batch_size"), [(0, 3), (3, 0), (3, -1)])
def test_empty_batches_are_refused(num_samples, batch_size):
    with pytest.raises(ValueError, match=f"got {num_samples} samples, batches of {batch_size}"):
        epoch_order(KEY, num_samples, batch_size)


def test_take_gathers_samples_and_multiplies_weights():
    taken = take(BATCH, jnp.array([3, 6, 0]), jnp.array([1.0, 1.0, 0.0]))
    assert taken.modalities["x"].tolist() == [[6, 7], [12, 13], [0, 1]]
    assert taken.modalities["ids"].tolist() == [3, 6, 0]
    assert taken.label.tolist() == [3, 0, 0]
    assert taken.masks["x"].tolist() == [False, True, True]
    assert taken.weight.tolist() == [1, 0, 0]


def test_take_gathers_a_whole_epoch():
    order = epoch_order(KEY, 7, 3)
    epoch = take(BATCH, *order)
    assert epoch.modalities["x"].shape == (3, 3, 2)
    np.testing.assert_array_equal(epoch.modalities["ids"], order.indices)
    assert epoch.weight.sum() == 6  # one of the seven is unlabelled


def test_steps_run_through_epochs_of_their_own_order():
    ids = [batch_at(BATCH, KEY, step, batch_size=3).modalities["ids"].tolist() for step in range(9)]
    epochs = [np.ravel(ids[start : start + 3])[:7].tolist() for start in (0, 3, 6)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_a_batch_is_a_function_of_key_and_step_under_scan_and_vmap():
    keys = jax.random.split(KEY, 2)

    @jax.jit
    @jax.vmap
    def run(key):
        return jax.lax.scan(lambda step, _: (step + 1, batch_at(BATCH, key, step, batch_size=3)), 0, length=5)[1]

    resumed = jax.jit(batch_at, static_argnames="batch_size")
    scanned = run(keys)
    for run_number, key in enumerate(keys):
        for step in (4, 1):
            jax.tree.map(
                np.testing.assert_array_equal,
                jax.tree.map(lambda x: x[run_number, step], scanned),  # noqa: B023
                resumed(BATCH, key, step, batch_size=3),
            )


def test_the_number_of_samples_may_be_below_the_size_of_a_batch():
    one = take(BATCH, jnp.array([5]), jnp.ones(1))
    batch = batch_at(one, KEY, 11, batch_size=4)
    assert batch.label.tolist() == [5] * 4
    assert batch.weight.tolist() == [1, 0, 0, 0]


def test_double_precision_is_kept(float64):
    batch = batch_at(batch_of({"x": [1.0, 2.0]}, [0, 1]), KEY, jnp.asarray(1), batch_size=2)
    assert batch.modalities["x"].dtype == batch.weight.dtype == jnp.float64
    assert batch.label.dtype == jnp.int32
