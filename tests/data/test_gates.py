import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import GATES, flip_label, table_data
from mmjax.information import joint_table, marginal, mutual_information
from mmjax.pid import broja

NUM_SAMPLES = 20_000


def test_gates_have_their_decompositions():
    expected = {
        "and": (0.311278, 0, 0, 0.5),
        "or": (0.311278, 0, 0, 0.5),
        "xor": (0, 0, 0, 1),
        "unique1": (0, 1, 0, 0),
        "unique2": (0, 0, 1, 0),
        "redundant": (1, 0, 0, 0),
    }
    for name, parts in expected.items():
        pid = broja(jnp.asarray(GATES[name], float))
        found = [pid.redundancy, pid.unique1, pid.unique2, pid.synergy]
        np.testing.assert_allclose(found, parts, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("name", GATES)
def test_samples_follow_the_table(name):
    p = flip_label(GATES[name], 0.1)
    batch = table_data(jax.random.key(0), p, num_samples=NUM_SAMPLES)
    for x in batch.modalities.values():
        np.testing.assert_array_equal(x.sum(1), 1)
    ids = [jnp.argmax(batch.modalities[m], axis=1) for m in ("x1", "x2")]
    np.testing.assert_allclose(joint_table(*ids, batch.label, sizes=p.shape), p, atol=0.015)


def test_impossible_cells_are_never_drawn():
    batch = table_data(jax.random.key(1), GATES["xor"], num_samples=NUM_SAMPLES)
    x1, x2 = (np.argmax(batch.modalities[m], axis=1) for m in ("x1", "x2"))
    np.testing.assert_array_equal(batch.label, x1 ^ x2)


def test_copy_is_all_unique():
    p = jnp.asarray(GATES["copy"], float)
    found = [mutual_information(marginal(p, axes)) for axes in ((0, 2), (1, 2), (0, 1))]
    np.testing.assert_allclose(found, [1, 1, 0], atol=1e-6)
    assert mutual_information(p.reshape(4, 4)) == pytest.approx(2)


def test_flipping_the_label_of_xor_leaves_one_bit_less_its_entropy():
    p = flip_label(GATES["xor"], 0.1)
    assert mutual_information(p.reshape(4, 2)) == pytest.approx(0.531004, abs=1e-5)
    np.testing.assert_allclose(flip_label(p, 0.0), p)
    np.testing.assert_allclose(flip_label(GATES["copy"], 0.75), 1 / 16, atol=1e-7)


def test_gates_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        GATES["and"][0, 0, 0] = 1


def test_three_modalities_and_one():
    p = jnp.zeros((2, 3, 2, 2)).at[1, 2, 0, 1].set(1.0)
    batch = table_data(jax.random.key(0), p, num_samples=1)
    assert {name: int(jnp.argmax(x[0])) for name, x in batch.modalities.items()} == {"x1": 1, "x2": 2, "x3": 0}
    assert batch.modalities["x2"].shape == (1, 3)
    assert batch.label.tolist() == [1]
    assert list(table_data(jax.random.key(0), jnp.eye(2) / 2, num_samples=3).modalities) == ["x1"]
    with pytest.raises(ValueError, match="an axis for each modality"):
        table_data(jax.random.key(0), jnp.ones(2) / 2, num_samples=3)


def test_sampling_maps_over_keys_and_rates():
    keys, rates = jax.random.split(jax.random.key(0), 2), jnp.array([0.0, 0.5])

    def draw(key, rate):
        return table_data(key, flip_label(GATES["or"], rate), num_samples=30)

    many, one = jax.jit(jax.vmap(draw))(keys, rates), draw(keys[1], rates[1])
    np.testing.assert_array_equal(many.label[1], one.label)
    np.testing.assert_array_equal(many.modalities["x1"][1], one.modalities["x1"])
    assert many.label.dtype == jnp.int32
