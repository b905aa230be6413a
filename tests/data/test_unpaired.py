import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import UnpairedData, batch_of, unpaired, unpaired_of


def _batch(num_samples):
    rows = np.arange(num_samples, dtype=float)
    return batch_of({"a": rows[:, None], "b": -rows[:, None]}, np.arange(num_samples) % 2)


def test_samples_are_dealt_out_once():
    parts = unpaired(_batch(10), key=jax.random.key(0))
    assert [*parts.labelled] == ["a", "b"]
    rows = {name: batch.modalities[name][:, 0] for name, batch in parts.labelled.items()}
    assert [len(x) for x in rows.values()] == [3, 3]
    assert [*parts.labelled["a"].modalities] == ["a"]
    tuples = parts.tuples.modalities
    np.testing.assert_array_equal(tuples["a"], -tuples["b"])
    everyone = np.concatenate([rows["a"], -rows["b"], tuples["a"][:, 0]])
    assert len(set(everyone.tolist())) == 9
    for name, batch in parts.labelled.items():
        np.testing.assert_array_equal(batch.label, abs(rows[name]) % 2)
    assert not parts.tuples.label.any() and parts.tuples.weight.all()


def test_samples_without_label_or_modality_are_refused():
    for incomplete in (
        batch_of({"a": np.ones((6, 1))}, [0, 1, -1, 0, 1, -1]),
        batch_of({"a": np.ones((6, 1))}, np.zeros(6, int), masks={"a": [1, 1, 1, 1, 0, 0]}),
    ):
        with pytest.raises(ValueError, match="2 of 6 samples have no label or lack a modality"):
            unpaired(incomplete, key=jax.random.key(0))


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="2 samples cannot be dealt out to 3 sets"):
        unpaired(_batch(2), key=jax.random.key(0))


def test_files_become_batches():
    data = UnpairedData(
        x1_labelled=np.ones((3, 2)),
        y1=np.array([0, 1, 1]),
        x2_labelled=np.zeros((2, 4)),
        y2=np.array([2, 0]),
        x1_paired=np.ones((5, 2)),
        x2_paired=np.zeros((5, 4)),
    )
    parts = unpaired_of(data)
    assert parts.labelled["x2"].label.tolist() == [2, 0]
    assert {name: x.shape for name, x in parts.tuples.modalities.items()} == {"x1": (5, 2), "x2": (5, 4)}
    assert jnp.all(parts.tuples.weight == 1)
