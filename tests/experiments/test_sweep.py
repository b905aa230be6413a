"""The sweep as a command: a small one on digits and on a file, resumed, and what it refuses."""

import functools

import numpy as np
import pandas as pd
import pytest

from experiments.sweep.__main__ import EXPERIMENT
from tests.experiments import command

SMALL = ["--num-rates", "2", "--num-seeds", "2", "--num-segments", "2", "--steps-per-segment", "20", "--width", "4"]
SMALL += ["--lowest-rate", "1e-4", "--highest-rate", "1e-2", "--devices", "1"]


run = functools.partial(command.run, EXPERIMENT)


def error_line(capfd, *arguments):
    return command.error_line(capfd, EXPERIMENT, *arguments)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A linear task in two modalities."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4)).astype(np.float32)
    path = tmp_path_factory.mktemp("data") / "mine.npz"
    np.savez(path, left=x[:, :2], right=x[:, 2:], label=(x.sum(1) > 0).astype(int))
    return path


def test_heads_are_compared_and_a_finished_trial_is_kept(file, tmp_path, capfd):
    out = tmp_path / "out"
    assert run("--data", file, "--heads", "late linear", "gated", *SMALL, "--chunk", 3, "--out", out) == 0
    table = pd.read_csv(out / "table.csv")
    assert table["head"].tolist() == ["late linear", "gated", "gated"]
    assert table["data"].unique().tolist() == ["mine.npz"]
    assert table["learning_rate"].dropna().tolist() == [0.01, 0.01]
    assert np.all(table["test accuracy"].dropna() > 0.4) and table["n"].tolist() == [2, 2, 2]
    trials = sorted(out.glob("trials/trials/*/trials-*"))
    assert len(trials) == 4
    trials[0].unlink()
    (out / "rows" / "trials.json").unlink()
    before = {path: path.stat().st_mtime_ns for path in trials[1:]}
    figure = (out / "figure.png").read_bytes()
    capfd.readouterr()
    assert run("--data", file, "--heads", "late linear", "gated", *SMALL, "--chunk", 3, "--out", out) == 0
    assert {path: path.stat().st_mtime_ns for path in trials[1:]} == before
    assert trials[0].exists()
    pd.testing.assert_frame_equal(pd.read_csv(out / "table.csv"), table)
    assert (out / "figure.png").read_bytes() == figure


def test_another_engine_may_go_on_with_a_finished_run(file, tmp_path, capfd):
    """Where trials run is not part of what a run is; on which devices is."""
    arguments = ["--data", file, "--heads", "late linear", *SMALL, "--out", tmp_path / "out"]
    assert run(*arguments) == 0
    assert run(*arguments, "--chunk", 1, "--memory-limit", 10**9) == 0
    assert "is finished" in capfd.readouterr().err
    assert "device=" in error_line(capfd, *arguments, "--engine", "ray")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engin", "ray"], "unknown option --engin; did you mean --engine?"),
        (["--heads", "film"], "heads must be one or more of late linear, concatenation, FiLM, gated"),
        (["--num-seeds", "0"], "num_seeds must be at least 1; got 0"),
        (["--workers", "0"], "workers must be at least 1"),
        (["--chunk", "0"], "chunk must be an integer, at least 1; got 0"),
        (["--lowest-rate", "1", "--highest-rate", "0.1"], "rates must be positive and in order; got 1.0 to 0.1"),
        (["--lowest-rate", "1", "--highest-rate", "inf"], "rates must be positive"),
        (["--lowest-rate", "0.1", "--highest-rate", "0.1"], "2 rates need a range"),
        (["--heads", "gated", "gated"], "each once; got gated, gated"),
        (["--seed", "99999999999999999999999"], "seed must be below 2^31"),
        (["--data", "nothing.npz"], "nothing.npz"),
        (["--devices", "99"], "99 devices asked for"),
        (["--memory-limit", "1000"], "a trial takes about"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments, message, file, tmp_path, capfd):
    small = [*SMALL[:-2], "--data", file, "--heads", "late linear", "--out", tmp_path / "out"]
    assert message in error_line(capfd, *small, *arguments)
    assert not (tmp_path / "out" / "run.json").exists()


def test_a_file_without_a_labelled_split_is_refused(file, tmp_path, capfd):
    with np.load(file) as arrays:
        np.savez(tmp_path / "bad.npz", **{**arrays, "label": -np.ones(80, int)})
    assert "no labelled sample" in error_line(capfd, "--data", tmp_path / "bad.npz", "--out", tmp_path / "out")


def test_a_single_modality_is_refused(file, tmp_path, capfd):
    with np.load(file) as arrays:
        np.savez(tmp_path / "one.npz", left=arrays["left"], label=arrays["label"])
    message = error_line(capfd, "--data", tmp_path / "one.npz", "--out", tmp_path / "out")
    assert message == f"{tmp_path / 'one.npz'}: fusion needs two modalities or more; got left"
