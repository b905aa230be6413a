import warnings

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
    store.begin(SPACE.trials(), chunk=3, lanes=3)
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
    assert again.plan_of(SPACE.trials()).chunk == 3
    assert again.plan_of(part([0, 1])) is None
    np.testing.assert_array_equal(again.missing(SPACE.trials()), [False, False, False, True])
    more = Space(traced=zipped(rate=[0.3, 0.5]), num_seeds=2).trials()
    np.testing.assert_array_equal(again.missing(more), [False, True, True, True])
    assert opened(tmp_path / "new").missing(SPACE.trials()).all()


def test_trials_written_twice_count_once(store, tmp_path):
    store.write(part([2, 3]), results([2, 3]))
    assert len(read(tmp_path)) == 4
    assert len(store.read(SPACE.trials())) == 4


def damaged(path, how):
    content = bytearray(path.read_bytes())
    if how == "flipped":
        content[len(content) // 8] ^= 1
    path.write_bytes({"empty": b"", "other": b"no Parquet", "truncated": content[:-20], "flipped": content}[how])


@pytest.mark.parametrize("how", ["empty", "other", "truncated", "flipped"])
def test_a_damaged_file_is_set_aside_and_its_trials_run_again(store, tmp_path, how):
    (path,) = store.folder.glob("trials-*")
    damaged(path, how)
    with (
        pytest.warns(UserWarning, match="is damaged or foreign: left out"),
        pytest.raises(SweepError, match="no results"),
    ):
        read(tmp_path)
    with pytest.warns(UserWarning, match="is damaged or foreign: set aside"):
        assert store.missing(SPACE.trials()).all()
    store.write(part([0, 1, 2]), results([0, 1, 2]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read(tmp_path)) == 3
        assert not store.missing(part([0, 1, 2])).any()


def test_no_flipped_bit_is_overlooked(store, tmp_path):
    (path,) = store.folder.glob("trials-*")
    whole = path.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(whole), 60):
        content = bytearray(whole)
        content[place] ^= 4
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(SweepError, match="no results"):
                read(tmp_path)


def test_trials_of_another_sweep_are_refused(store, tmp_path):
    other = TrialStore(tmp_path / "other", {"head": "late"}, {"fields": ["decay"], "seed": 0})
    trials = {"decay": np.zeros(1), "seed": np.zeros(1, int)}
    other.begin(trials, chunk=1, lanes=1)
    other.write(trials, {"loss": np.zeros(1)})
    (path,) = other.folder.glob("trials-*")
    path.rename(store.folder / path.name)
    for look in (lambda: store.missing(SPACE.trials()), lambda: read(tmp_path)):
        with pytest.raises(SweepError, match=r"holds no trials of this sweep: it lacks rate; move it away"):
            look()


def test_other_facts_are_refused_by_name(store, tmp_path):
    with pytest.raises(SweepError, match=r"holds trials with seed=0 \(now 1\)"):
        opened(tmp_path, {**FACTS, "seed": 1})


def test_trials_without_a_head_are_refused(store, tmp_path):
    (store.folder / "configuration.json").unlink()
    with pytest.raises(SweepError, match=r"has trials but no configuration.json to say whose"):
        opened(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"configuration": {}, "facts": [], "plan": {"trials": "", "chunk": 1, "lanes": 1}}',
        b'{"configuration": {}, "facts": {"fields": []}, "plan": 1}',
    ],
)
def test_a_damaged_head_is_refused(store, tmp_path, content):
    (store.folder / "configuration.json").write_bytes(content)
    for look in (lambda: opened(tmp_path), lambda: read(tmp_path)):
        with pytest.raises(SweepError, match=r"configuration.json cannot be read.*; remove .* to run its trials again"):
            look()


def test_no_results_is_said(tmp_path):
    with pytest.raises(SweepError, match="no results in"):
        read(tmp_path)


def test_a_full_disk_keeps_what_is_there(store, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SweepError, match=r"cannot use .*: No space left on device; finished trials are kept"):
        store.write(part([3]), results([3]))
    assert [path.suffix for path in sorted(store.folder.iterdir())] == [".json", ".parquet"]
    assert len(read(tmp_path)) == 3


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SweepError, match="cannot use"):
        opened(tmp_path / "file").begin(SPACE.trials(), chunk=1, lanes=1)
