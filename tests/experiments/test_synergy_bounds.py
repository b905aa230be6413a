import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments import harness
from experiments.synergy_bounds.__main__ import EXPERIMENT, PRESETS, Config
from experiments.synergy_bounds.gates import gates
from experiments.synergy_bounds.samples import cells

pytestmark = pytest.mark.usefixtures("quickly_compiled")

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def write(tmp_path):
    def write(**arrays):
        path = tmp_path / "mine.npz"
        np.savez(path, **arrays)
        return path

    return write


def rows_of(out: Path) -> list[dict]:
    return [row for path in sorted((out / "rows").iterdir()) for row in json.loads(path.read_text())["rows"]]


def error_line(capfd, out, *arguments) -> str:
    assert harness.main(EXPERIMENT, ["--out", str(out), *map(str, arguments)]) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert not out.exists()
    return line


def xor_file(write, num=400):
    a, b = np.random.default_rng(0).integers(0, 2, (2, num))
    return write(sight=a, sound=b, smell=b, label=a ^ b)


@pytest.mark.slow
def test_gates_and_random_tables(tmp_path):
    config = Config(parts=("gates", "random"), num_tables=200)
    gate_table, widths, formulas = (table.frame for table in harness.run(EXPERIMENT, config, tmp_path))
    assert list(gate_table["gate"]) == list(gates())
    assert all(row["deviation"] < 1e-8 for row in rows_of(tmp_path) if row["kind"] == "gate")
    conjunction = gate_table.set_index("gate").loc["and"]  # arXiv 2302.12247: R 0.31, S 0.5; the marginals fix it
    assert conjunction["redundancy"] == pytest.approx(0.311278, abs=1e-6)
    assert conjunction["lower bound"] == pytest.approx(0.5, abs=1e-6)
    parity = gate_table.set_index("gate").loc["xor"]
    assert [parity["lower bound"], parity["upper bound"]] == pytest.approx([0, 1], abs=1e-6)
    assert [parity["least accuracy"], parity["largest accuracy"]] == pytest.approx([0.5, 1], abs=1e-6)

    (width,) = widths.to_dict("records")
    assert width["tables"] == 200
    assert width["published width"] > 2 * width["mmjax width"] > 0
    violated = formulas.set_index("formula")["violated"]
    assert violated[["mmjax, lower", "mmjax, upper", "published, redundancy", "published, upper"]].sum() == 0
    assert violated["published, uniqueness 1"] > 10
    assert violated["published, uniqueness 2"] > 10

    assert len(rows_of(tmp_path)) == len(gates()) + 1
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert len(pd.read_csv(tmp_path / "table.csv")) == len(gate_table) + len(widths) + len(formulas)


def test_every_pair_of_a_file_is_measured(tmp_path, write):
    out = tmp_path / "out"
    config = Config(data=xor_file(write), cells=2, num_permutations=5)
    (table,) = harness.run(EXPERIMENT, config, out)
    assert list(table.frame["pair"]) == ["mine sight, sound", "mine sight, smell", "mine sound, smell"]
    measured = table.frame.set_index("pair")
    assert measured.loc["mine sight, sound", "S"] == pytest.approx(1, abs=0.02)
    assert measured.loc["mine sight, sound", "p"] == pytest.approx(1 / 6)
    assert measured.loc["mine sound, smell", "S"] == pytest.approx(0, abs=1e-6)
    assert (measured["lower bound"] <= measured["S"] + 1e-8).all()
    assert (measured["S"] <= measured["upper bound"] + 1e-8).all()
    assert (measured["n"] == 400).all()
    assert "quantised" in table.note
    assert sorted(path.name for path in out.iterdir()) == ["figure.png", "rows", "run.json", "table.csv", "table.md"]


def test_a_file_without_labelled_pairs_is_bounded(tmp_path, write):
    rng = np.random.default_rng(0)

    def draw(num):
        a, b = rng.integers(0, 2, (2, num))
        return a, b, (a & b) ^ (rng.random(num) < 0.1)

    (x1, _, y1), (_, x2, y2), (pair1, pair2, _) = draw(30_000), draw(20_000), draw(40_000)
    path = write(x1_labelled=x1, y1=y1, x2_labelled=x2, y2=y2, x1_paired=pair1, x2_paired=pair2)
    (table,) = harness.run(EXPERIMENT, Config(data=path, cells=2, num_replicates=20), tmp_path / "out")
    (row,) = table.frame.to_dict("records")
    # The noisy AND: S = 0.2655; its marginals allow [0.1881, 0.5540], and accuracies [0.85, 0.95].
    assert row["lower bound"] == pytest.approx(0.1881, abs=0.02)
    assert row["upper bound"] == pytest.approx(0.5540, abs=0.08)  # three cells vanish at once, so it is sensitive
    assert row["interval from"] < row["lower bound"] < 0.2655 < row["upper bound"] < row["interval to"]
    assert row["accuracy x1"] == pytest.approx(0.7, abs=0.01)
    assert 0.7 < row["accuracy from"] < 0.9 < row["accuracy to"] <= 1
    assert row["disagreement"] < 5 * row["expected"]
    assert "30000 and 20000 labelled samples, 40000 pairs" in table.note


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"image": np.ones((4, 3)), "label": [0, 1, 0, 1]}, "a decomposition needs two"),
        ({"a": np.eye(4), "b": np.eye(4), "label": [0, -1, 0, -1]}, "only class 0"),
        (
            {"a": np.eye(4), "b": np.eye(4), "label": [0, 1, 0, 1], "mask_a": [1, 0, 1, 0]},
            "no labelled pairs of two classes",
        ),
        ({"a": np.eye(4), "b": np.eye(4)}, "no array 'label'"),
        ({"a": np.eye(4), "b": np.eye(3), "label": [0, 1, 0, 1]}, "'b' has 3 samples"),
        ({"x1_labelled": np.eye(2), "y1": [0, 1]}, "no array x2_labelled"),
        (
            dict.fromkeys(("x1_labelled", "x2_labelled", "x1_paired", "x2_paired"), np.eye(2))
            | {"y1": [0, 1], "y2": [0, 2]},
            "class 1 is in only one",
        ),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, write, capfd, arrays, words):
    line = error_line(capfd, tmp_path / "out", "--data", write(**arrays))
    assert words in line
    assert "mine.npz" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cells", "1"], "cells must be at least 2"),
        (["--generative", "synergie"], "generative must be some of redundancy"),
        (["--sizes", "2"], "sizes must be at least 3"),
        (["--parts", "gate"], "gate"),
    ],
)
def test_bad_options_are_refused_in_one_line(tmp_path, capfd, arguments, words):
    assert words in error_line(capfd, tmp_path / "out", *arguments)


def test_the_repo_recipe_needs_test_samples(tmp_path, write, capfd):
    path = write(a=np.eye(4), b=np.eye(4), label=[0, 1, 0, 1], split=[0, 0, 1, 1])
    assert "no sample of split 2" in error_line(capfd, tmp_path / "out", "--data", path, "--recipe", "repo")


def test_the_command_refuses_a_missing_file(tmp_path):
    command = [sys.executable, "-m", "experiments.synergy_bounds", "--data", "absent.npz", "--out", str(tmp_path / "o")]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "absent.npz" in done.stderr


def test_presets_and_items():
    assert set(PRESETS) == {"quick", "full", "paper"}
    keys = list(EXPERIMENT.items(PRESETS["paper"]))
    assert sum(key.startswith("random-2x2x2") for key in keys) == 40
    assert sum(key.startswith("generative") for key in keys) == 10
    assert [key for key in EXPERIMENT.items(PRESETS["quick"]) if key.startswith(("digits", "cancer"))] == [
        "digits-000-top-bottom",
        "digits-001-left-right",
        "cancer-000-mean-se",
        "cancer-001-mean-worst",
        "cancer-002-se-worst",
    ]


def test_gate_tables_are_tables():
    for name, gate in gates().items():
        assert gate.table.min() >= 0, name
        assert gate.table.sum() == pytest.approx(1), name
        p1y, p2y = gate.table.sum(1), gate.table.sum(0)
        for table, parts in ((p1y, gate.redundancy + gate.unique1), (p2y, gate.redundancy + gate.unique2)):
            independent = np.outer(table.sum(1), table.sum(0))
            information = np.sum(table * np.log2(np.where(table > 0, table, 1) / np.where(table > 0, independent, 1)))
            assert information == pytest.approx(parts, abs=1e-9), name


@pytest.mark.parametrize("recipe", ["std", "repo"])
def test_cells_separate_groups(recipe):
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 3, 90)
    x = 10 * np.eye(3)[groups] + rng.normal(size=(90, 3))
    found = cells(x.reshape(90, 3, 1), 3, recipe=recipe, fit=np.arange(90) < 60)
    assert len({*zip(groups, found, strict=True)}) == 3


def test_cells_keep_discrete_modalities_and_survive_constant_ones():
    x = np.array([5, 7, 5, 9])
    np.testing.assert_array_equal(cells(x, 3, recipe="std", fit=np.ones(4, bool)), [0, 1, 0, 2])
    assert set(cells(np.zeros((4, 6)), 3, recipe="std", fit=np.ones(4, bool))) == {0}
    assert set(cells(np.zeros((4, 6)), 3, recipe="repo", fit=np.ones(4, bool))) == {0}


def test_cells_are_those_of_the_reference(reference):
    data, clusters = np.load(reference / "data" / "mfeat.npz"), np.load(reference / "data" / "clusters.npz")
    found = cells(data["mor"], 20, recipe="std", fit=data["split"] != 2)
    assert len({*zip(clusters["mfeat.std20.mor"], found, strict=True)}) == 20
