"""Sweeps that are stopped, killed and started again, under each engine: nothing lost, nothing twice."""

import contextlib
import dataclasses
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from mmjax import sweep
from mmjax.sweep import Execution, Space, SweepError, WorkerDied, inline, launch, read
from tests.sweep import tasks

ROOT = Path(__file__).parents[2]
BY_TWO = Execution(num_devices=1, chunk=2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The sweep run at one go in this process."""
    return launch(tasks.walk, tasks.SPACE, tmp_path_factory.mktemp("whole"), execution=BY_TWO)


@pytest.fixture
def workers(tmp_path, monkeypatch):
    """What workers inherit: where tasks are, one device each, and a file that says that one of them has died."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("XLA_FLAGS", os.environ["XLA_FLAGS"].replace("device_count=8", "device_count=1"))
    monkeypatch.setenv("MMJAX_TEST_MARKER", str(tmp_path / "died"))
    return tmp_path


@pytest.fixture
def engine(request, workers):
    """Two workers at a time."""
    if request.param == "submitit":
        return sweep.submitit(num_workers=2, cluster="local", logs=str(workers / "logs"))
    pytest.importorskip("ray", reason="Ray is optional: pip install -e '.[ray]' runs this test under it too")
    return sweep.ray(num_workers=2, runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}})


def files(folder):
    """Name and time of all files of results."""
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/trials-*")}


def test_a_trial_is_that_of_its_key_and_hyper_parameters(whole):
    assert len(whole) == 18
    assert whole.columns.tolist() == ["scale", "rate", "seed", "path", "valid/loss"]
    row = whole.iloc[9]
    assert (row["scale"], row["rate"], row["seed"]) == (2, 0.2, 1)
    trial, data = tasks.walk({"scale": 2})
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(7), 0x7121A1), 1)
    alone = jax.jit(trial)(key, {"rate": np.float32(0.2)}, data)
    np.testing.assert_allclose(row["valid/loss"], alone["valid"]["loss"], rtol=1e-5)
    np.testing.assert_allclose(row["path"], alone["path"], rtol=1e-5)


def test_a_finished_sweep_is_only_read(tmp_path):
    first = launch(tasks.walk, tasks.SPACE, tmp_path)
    again = launch(tasks.failing_walk, tasks.SPACE, tmp_path)
    pd.testing.assert_frame_equal(first, again)


def test_a_sweep_grows_by_seeds_values_and_configurations(tmp_path):
    launch(tasks.walk, tasks.SPACE, tmp_path)
    before = files(tmp_path)
    more = dataclasses.replace(
        tasks.SPACE, static={"scale": [1, 2, 3, 4]}, traced={"rate": [0.05, 0.1, 0.2, 0.3]}, num_seeds=3
    )
    grown = launch(tasks.walk, more, tmp_path)
    assert len(grown) == 4 * 4 * 3
    assert before.items() <= files(tmp_path).items()
    assert sum(len(pd.read_parquet(path)) for path in files(tmp_path)) == 48
    assert len(launch(tasks.failing_walk, tasks.SPACE, tmp_path)) == 18


def test_a_few_trials_more_are_one_small_program_and_a_pilot_does_not_rule_what_follows(tmp_path):
    def space(rates):
        return Space(traced={"rate": rates})

    def task(static):
        return tasks.walk({"scale": 1})

    launch(task, space([0.1, 0.2]), tmp_path, execution=Execution(num_devices=1))
    launch(task, space([0.1, 0.2, *np.arange(1.0, 31)]), tmp_path, execution=Execution(num_devices=1))
    launch(task, space([0.1, 0.2, *np.arange(1.0, 34)]), tmp_path, execution=Execution(num_devices=1))
    sizes = sorted(len(pd.read_parquet(path)) for path in files(tmp_path))
    assert sizes == [2, 3, 30]
    (head,) = tmp_path.glob("*/configuration.json")
    assert json.loads(head.read_text())["plan"]["chunk"] == 3


def test_the_keys_of_trials_are_not_those_that_a_task_splits_from_the_seed(tmp_path):
    def task(static):
        return lambda key, hparams, data: {"words": jax.random.key_data(key)}, ()

    trials = launch(task, Space(num_seeds=4), tmp_path)
    used = {tuple(words) for words in trials["words"]}
    made = [*jax.random.split(jax.random.key(0), 8), *(jax.random.fold_in(jax.random.key(0), k) for k in range(8))]
    assert len(used) == 4
    assert used.isdisjoint({tuple(jax.random.key_data(key).tolist()) for key in made})


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda x: {"seed": x}, "results need names of their own.*'seed'"),
        (lambda x: {"a/b": x, "a": {"b": x}}, "results need names of their own.*'a/b', 'a/b'"),
        (lambda x: x, "results need names of their own"),
        (lambda x: {"z": jnp.complex64(1j)}, "result 'z' is complex64; return real numbers"),
        (lambda x: {"key": jax.random.key(0)}, "result 'key' is key"),
    ],
)
def test_results_that_cannot_be_kept_are_refused_before_a_trial_runs(result, message, tmp_path):
    ran = []

    def task(static):
        def trial(key, hparams, data):
            jax.debug.callback(lambda: ran.append(1))
            return result(jax.random.uniform(key))

        return trial, ()

    with pytest.raises(SweepError, match=message):
        launch(task, Space(), tmp_path)
    assert not ran and not list(tmp_path.iterdir())


def test_matrices_and_half_precision_are_kept(tmp_path):
    def task(static):
        return lambda key, hparams, data: {"confusion": jnp.eye(2), "loss": jnp.bfloat16(0.5), "right": True}, ()

    (row,) = launch(task, Space(), tmp_path).to_dict("records")
    np.testing.assert_array_equal(np.stack(row["confusion"]), np.eye(2))
    assert row["loss"] == 0.5 and row["right"]


def test_another_precision_is_another_sweep(tmp_path):
    launch(tasks.walk, tasks.SPACE, tmp_path)
    with jax.enable_x64(True), pytest.raises(SweepError, match=r"precision=float32 \(now float64\)"):
        launch(tasks.walk, dataclasses.replace(tasks.SPACE, num_seeds=3), tmp_path)


def test_the_live_view_counts_old_and_new(tmp_path):
    launch(tasks.walk, dataclasses.replace(tasks.SPACE, num_seeds=1), tmp_path)
    told = []
    everything = launch(tasks.walk, tasks.SPACE, tmp_path, execution=BY_TWO, progress=told.append)
    assert [view.num_done for view in told] == [11, 12, 14, 15, 17, 18]  # by two of three that each scale lacks
    assert {view.num_trials for view in told} == {18}
    assert told[-1].best == everything["valid/loss"].min()
    assert told[-1].seconds_left == 0 and told[0].rate > 0


KILLED = """
import os, signal, sys
from tests.sweep import tasks
from mmjax.sweep import Execution, launch

def progress(view):
    if view.num_done >= int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

launch(tasks.walk, tasks.SPACE, sys.argv[1], execution=Execution(num_devices=1, chunk=2), progress=progress)
"""


def test_killed_inline_and_resumed_is_bitwise_the_same(workers, whole):
    folder = workers / "results"

    def start(kill_at):
        command = [sys.executable, "-c", KILLED, str(folder), str(kill_at)]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)

    assert start(4).returncode == -9
    first = files(folder)
    assert len(first) == 2
    assert start(11).returncode == -9
    assert first.items() < files(folder).items()
    finished = start(10**6)
    assert finished.returncode == 0, finished.stderr
    assert first.items() < files(folder).items()
    assert len(files(folder)) == 9
    resumed = launch(tasks.failing_walk, tasks.SPACE, folder)
    pd.testing.assert_frame_equal(resumed, whole, check_exact=True)


@pytest.mark.parametrize("engine", [pytest.param("submitit", marks=pytest.mark.slow), "ray"], indirect=True)
def test_only_the_trials_of_a_killed_worker_run_again(workers, whole, engine):
    seen = []

    def progress(view):
        seen.append((view.num_done, (workers / "died").exists(), files(workers / "results")))

    out = launch(
        tasks.deadly_walk,
        tasks.SPACE,
        workers / "results",
        engine=engine,
        execution=BY_TWO,
        progress=progress,
    )
    assert (workers / "died").exists()
    pd.testing.assert_frame_equal(out, whole, check_exact=True)
    for (_, _, before), (_, _, after) in itertools.pairwise(seen):
        assert before.items() <= after.items()  # no file is written twice
    assert sum(len(pd.read_parquet(path)) for path in files(workers / "results")) == 18


def test_a_worker_that_always_dies_is_given_up(tmp_path):
    started = []

    def engine(jobs, poll):
        started.append(len(jobs))
        dead = [job.configuration["scale"] == 2 or job() for job in jobs]
        return [WorkerDied("killed") if died else None for died in dead]

    with pytest.raises(SweepError, match=r"1 of 1 configurations failed 3 times, first \{'scale': 2\}: killed;"):
        launch(tasks.walk, tasks.SPACE, tmp_path, engine=engine)
    assert started == [3, 1, 1]
    assert set(read(tmp_path)["scale"]) == {1, 3}


@pytest.mark.parametrize("engine", ["submitit", pytest.param("ray", marks=pytest.mark.slow)], indirect=True)
def test_an_error_in_a_worker_is_told_and_the_others_finish(workers, engine):
    with pytest.raises(
        SweepError,
        match=r"1 of 3 configurations failed, first \{'scale': 2\}: ValueError: scale 2 is not for walking; ",
    ):
        launch(tasks.failing_walk, tasks.SPACE, workers / "results", engine=engine)
    assert set(read(workers / "results")["scale"]) == {1, 3}


def test_an_error_in_this_process_is_raised_as_it_is(tmp_path):
    with pytest.raises(ValueError, match="scale 2 is not for walking"):
        launch(tasks.failing_walk, tasks.SPACE, tmp_path, engine=inline)
    assert set(read(tmp_path)["scale"]) == {1}


def test_another_seed_is_another_sweep(tmp_path):
    launch(tasks.walk, tasks.SPACE, tmp_path)
    with pytest.raises(SweepError, match=r"holds trials with seed=7 \(now 8\); use another folder"):
        launch(tasks.walk, dataclasses.replace(tasks.SPACE, seed=8), tmp_path)


@pytest.mark.parametrize("make", [sweep.submitit, sweep.ray])
def test_no_workers_are_refused(make):
    with pytest.raises(ValueError, match="num_workers must be at least 1; got 0"):
        make(num_workers=0)


def test_a_cluster_that_is_none_is_refused(tmp_path):
    with pytest.raises(SweepError, match="submitit: AutoExecutor doesn't know any executor named sluurm"):
        launch(tasks.walk, tasks.SPACE, tmp_path, engine=sweep.submitit(cluster="sluurm", logs=str(tmp_path)))


TOGETHER = """
import os, signal, sys
import jax
jax.distributed.initialize("127.0.0.1:" + sys.argv[1], 2, int(sys.argv[2]))
from tests.sweep import tasks
from mmjax.sweep import Execution, launch

assert len(jax.devices()) == 2 and len(jax.local_devices()) == 1

def progress(view):
    if view.num_done >= int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)

task = tasks.failing_walk if sys.argv[5] == sys.argv[2] else tasks.walk
out = launch(task, tasks.SPACE, sys.argv[3], execution=Execution(chunk=2), progress=progress)
assert len(out) == 18
jax.distributed.shutdown()
"""


def start_two(folder, *, kill_at=10**6, failing=-1):
    """Run both processes to their ends, or until one ends badly; return their exit codes and what they said."""
    port = str(_free_port())
    calls = [[sys.executable, "-c", TOGETHER, port, str(k), str(folder), str(kill_at), str(failing)] for k in range(2)]
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in calls]
        both = [subprocess.Popen(call, cwd=ROOT, stderr=log) for call, log in zip(calls, logs, strict=True)]
        try:
            while all(process.poll() is None for process in both):
                time.sleep(0.1)
            if -9 not in [process.poll() for process in both]:  # else the other one waits for the dead one
                for process in both:
                    process.wait(timeout=60)
            codes = [process.poll() for process in both]
        finally:
            for process in both:
                process.kill()
                process.wait()
        for log in logs:
            log.seek(0)
        return codes, [log.read() for log in logs]


def test_two_processes_of_one_program_killed_and_resumed(workers, whole):
    """Each process has a device; together they run two trials at a time. Both are killed, both start again."""
    folder = workers / "results"
    assert -9 in start_two(folder, kill_at=8)[0]
    first = files(folder)
    assert 4 <= len(first) < 9
    codes, said = start_two(folder)
    assert codes == [0, 0], said
    assert first.items() < files(folder).items()
    pd.testing.assert_frame_equal(launch(tasks.failing_walk, tasks.SPACE, folder), whole, check_exact=True)


def test_where_one_of_two_processes_fails_neither_waits_for_ever(workers):
    codes, said = start_two(workers / "results", failing=1)
    assert 0 not in codes
    assert "process 1 failed and says why" in said[0]
    assert "scale 2 is not for walking" in said[1]


def _free_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
