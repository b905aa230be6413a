import warnings

import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.sweep import Space, SweepError, grid, read, zipped
from mmjax.sweep._store import TrialStore

SPACE = Space(static=grid(head=("late",)), traced=zipped(rate=[0.1, 0.3]), num_seeds=2)
FACTS = {"fields": ["rate"], "seed": 0}


def opened(folder, facts=FACTS):
    return TrialStore(folder, {"head": "late"}, facts)


def part(rows):
    return {name: column[rows] for name, column in SPACE.trials().items()}


def results(rows):
    rate = SPACE.trials()["rate"][rows]
    return {"valid": {"loss": rate**2}, "curve": rate[:, None] + np.arange(3.0)[None]}


@pytest.fixture
def store(tmp_path):
    store = opened(tmp_path)
    store.begin(3)
    store.write(part([0, 1, 2]), results([0, 1, 2]))
    return store


def test_what_is_written_is_read(store, tmp_path):
    there = read(tmp_path)
    assert [*there] == ["head", "rate", "seed", "curve", "valid/loss"]
    np.testing.assert_array_equal(there["rate"], [0.1, 0.1, 0.3])
    np.testing.assert_array_equal(there["valid/loss"], there["rate"] ** 2)
    np.testing.assert_array_equal(there["curve"][2], [0.3, 1.3, 2.3])
    assert set(there["head"]) == {"late"}


def test_only_what_is_not_there_is_missing(store, tmp_path):
    again = opened(tmp_path)
    assert again.chunk == 3
    np.testing.assert_array_equal(again.missing(SPACE.trials()), [False, False, False, True])
    more = Space(traced=zipped(rate=[0.3, 0.5]), num_seeds=2).trials()
    np.testing.assert_array_equal(again.missing(more), [False, True, True, True])
    assert opened(tmp_path / "new").missing(SPACE.trials()).all()


def test_trials_written_twice_count_once(store, tmp_path):
    store.write(part([2, 3]), results([2, 3]))
    assert len(read(tmp_path)) == 4
    assert len(store.read(SPACE.trials())) == 4


@pytest.mark.parametrize("content", [b"", b"half a file"])
def test_a_damaged_file_is_left_out_and_written_again(store, tmp_path, content):
    (path,) = store.folder.glob("trials-*")
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged, its trials count as not run"):
        assert store.missing(SPACE.trials()).all()
    store.write(part([0, 1, 2]), results([0, 1, 2]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read(tmp_path)) == 3


def test_a_truncated_file_is_damaged(store):
    (path,) = store.folder.glob("trials-*")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.warns(UserWarning, match="is damaged"):
        assert store.missing(SPACE.trials()).all()


def test_a_foreign_file_is_refused(store, tmp_path):
    import pandas as pd

    pd.DataFrame({"price": [1.0]}).to_parquet(store.folder / "trials-0.parquet")
    for look in (lambda: store.missing(SPACE.trials()), lambda: read(tmp_path)):
        with pytest.raises(SweepError, match=r"trials-0.parquet holds no trials of this sweep: it lacks rate, seed"):
            look()


def test_other_facts_are_refused_by_name(store, tmp_path):
    with pytest.raises(SweepError, match=r"holds trials with seed=0 \(now 1\)"):
        opened(tmp_path, {**FACTS, "seed": 1})


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}"])
def test_a_damaged_head_is_refused(store, tmp_path, content):
    (store.folder / "configuration.json").write_bytes(content)
    for look in (lambda: opened(tmp_path), lambda: read(tmp_path)):
        with pytest.raises(SweepError, match=r"configuration.json cannot be read.*; remove .* to run its trials again"):
            look()


def test_results_must_not_have_the_names_of_fields(store):
    with pytest.raises(SweepError, match="names of fields: rate; rename"):
        store.write(part([0]), {"rate": jnp.zeros(1)})
    with pytest.raises(SweepError, match="names of fields: head; rename"):
        store.write(part([0]), {"head": jnp.zeros(1)})


def test_no_results_is_said(tmp_path):
    with pytest.raises(SweepError, match="no results in"):
        read(tmp_path)


def test_a_full_disk_keeps_what_is_there(store, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SweepError, match=r"cannot write to .*: No space left on device; finished trials are kept"):
        store.write(part([3]), results([3]))
    assert [path.suffix for path in sorted(store.folder.iterdir())] == [".json", ".parquet"]
    assert len(read(tmp_path)) == 3


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SweepError, match="cannot write to"):
        opened(tmp_path / "file").begin(1)
