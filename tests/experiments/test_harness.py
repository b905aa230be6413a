import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mmjax
from experiments import harness
from tests.experiments.toy_experiment import EXPERIMENT, Config

TOY = Path(__file__).parent / "toy_experiment.py"
ROOT = TOY.parent.parent.parent
OUTPUTS = ["figure.png", "run.json", "table.csv", "table.md"]


@pytest.fixture
def computed(tmp_path, monkeypatch):
    """The numbers whose rows were computed since the last call."""
    log = tmp_path / "log"
    monkeypatch.setenv("TOY_LOG", str(log))

    def read():
        numbers = [int(line) for line in log.read_text().split()] if log.exists() else []
        log.unlink(missing_ok=True)
        return numbers

    return read


def start(*arguments) -> subprocess.Popen:
    command = [sys.executable, str(TOY), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def outputs(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in OUTPUTS if name != "run.json"}


def error_line(capfd, *arguments) -> str:
    """The one line that a refused command prints, without its `error: `."""
    capfd.readouterr()
    assert harness.main(EXPERIMENT, [str(argument) for argument in arguments]) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return line.removeprefix("error: ")


def test_a_run_writes_and_prints_its_outputs(tmp_path, capfd):
    out = tmp_path / "deep" / "out"
    assert harness.main(EXPERIMENT, ["--out", str(out), "--seed", "7"]) == 0
    assert sorted(path.name for path in out.iterdir()) == sorted([*OUTPUTS, "rows"])
    assert [path.name for path in sorted((out / "rows").iterdir())] == [f"n={n}.json" for n in range(4)]
    printed = capfd.readouterr()
    assert (out / "table.md").read_text() in printed.out
    assert "toy" in printed.err
    assert "4/4" in printed.err
    run = json.loads((out / "run.json").read_text())
    assert run["seed"] == 7
    assert run["configuration"]["num_rows"] == 4
    assert run["versions"]["mmjax"] == mmjax.__version__
    assert run["device"]["platform"] == "cpu"
    assert run["wall_seconds"] >= 0
    assert (out / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_several_tables_are_one_csv_and_sections_of_one_page(tmp_path):
    harness.run(EXPERIMENT, Config(), tmp_path / "out")
    frame = pd.read_csv(tmp_path / "out" / "table.csv")
    assert list(frame.columns) == ["table", "number", "power", "largest"]
    np.testing.assert_array_equal(frame[frame["table"] == "Powers"]["power"], [0, 1, 4, 9])
    assert frame[frame["table"] == "Largest"]["largest"].item() == 9
    page = (tmp_path / "out" / "table.md").read_text()
    assert "## Powers\n\n| number | power |\n| -----: | ----: |\n|      0 |     0 |\n" in page
    assert "\nof kind square\n" in page
    assert "## Largest" in page


def test_a_finished_run_is_read_and_not_computed(tmp_path, computed, capfd):
    first = harness.run(EXPERIMENT, Config(), tmp_path / "out")
    assert computed() == [0, 1, 2, 3]
    second = harness.run(EXPERIMENT, Config(), tmp_path / "out")
    assert computed() == []
    for one, other in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(one.frame, other.frame)
    assert "is finished" in capfd.readouterr().err
    harness.run(EXPERIMENT, Config(), tmp_path / "out", overwrite=True)
    assert computed() == [0, 1, 2, 3]


def test_a_missing_output_is_written_again_from_the_rows(tmp_path, computed):
    out = tmp_path / "out"
    harness.run(EXPERIMENT, Config(), out)
    computed()
    before = outputs(out)
    (out / "figure.png").unlink()
    harness.run(EXPERIMENT, Config(), out)
    assert computed() == []
    assert outputs(out) == before


def test_a_killed_run_goes_on_where_it_stopped_and_ends_the_same(tmp_path, computed, capfd):
    config = Config(pause=0.5)
    out, uninterrupted = tmp_path / "out", tmp_path / "uninterrupted"
    process = start("--pause", 0.5, "--out", out)
    wait_for(out / "rows" / "n=1.json")
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    assert not (out / "run.json").exists()
    finished = sorted(int(path.stem.removeprefix("n=")) for path in (out / "rows").glob("*.json"))
    assert finished[:2] == [0, 1]
    assert len(finished) < 4
    computed()
    (out / "rows" / ".n=3.json.1.partial").write_text("{")
    assert harness.main(EXPERIMENT, ["--pause", "0.5", "--out", str(out)]) == 0
    assert computed() == [number for number in range(4) if number not in finished]
    harness.run(EXPERIMENT, config, uninterrupted)
    assert outputs(out) == outputs(uninterrupted)
    assert not list(out.rglob("*.partial"))


def test_ctrl_c_says_how_to_go_on(tmp_path):
    out = tmp_path / "out"
    process = start("--pause", 30, "--out", out)
    wait_for(out / "rows")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; run it again" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    "damage", ["", '{"key": "n=2", "rows": [{"num', "[1, 2]", "{}", '{"key": "n=2", "configuration": 3}']
)
def test_a_damaged_row_is_said_and_computed_again(tmp_path, computed, capfd, damage):
    out = tmp_path / "out"
    harness.run(EXPERIMENT, Config(), out)
    computed()
    before = outputs(out)
    (out / "rows" / "n=2.json").write_text(damage)
    harness.run(EXPERIMENT, Config(), out)
    assert computed() == [2]
    assert "n=2.json is damaged or foreign" in capfd.readouterr().err
    assert outputs(out) == before


def test_a_row_under_another_name_is_foreign(tmp_path, computed, capfd):
    out = tmp_path / "out"
    harness.run(EXPERIMENT, Config(), out)
    computed()
    (out / "rows" / "n=2.json").write_bytes((out / "rows" / "n=1.json").read_bytes())
    harness.run(EXPERIMENT, Config(), out)
    assert computed() == [2]
    assert "foreign" in capfd.readouterr().err


def test_another_configuration_is_refused_by_name(tmp_path, computed, capfd):
    out = tmp_path / "out"
    harness.run(EXPERIMENT, Config(), out)
    computed()
    line = error_line(capfd, "--out", out, "--num-rows", 5)
    assert "num_rows=4 (now 5)" in line
    assert "--overwrite" in line
    (out / "run.json").unlink()
    assert "num_rows=4 (now 5)" in error_line(capfd, "--out", out, "--num-rows", 5)
    assert computed() == []
    assert harness.main(EXPERIMENT, ["--out", str(out), "--num-rows", "2", "--overwrite"]) == 0
    assert computed() == [0, 1]
    assert len(list((out / "rows").iterdir())) == 2


def test_a_folder_with_other_files_is_left_alone(tmp_path, capfd):
    (tmp_path / "table.csv").write_text("mine")
    assert "holds other files" in error_line(capfd, "--out", tmp_path)
    assert (tmp_path / "table.csv").read_text() == "mine"


def test_a_data_file_is_known_by_its_content(tmp_path, capfd):
    data, out = tmp_path / "data.npz", tmp_path / "out"
    np.savez(data, x=np.ones((2, 1)), label=[0, 1])
    harness.run(EXPERIMENT, Config(data=data), out)
    np.savez(data, x=np.zeros((2, 1)), label=[0, 1])
    assert "data=data.npz sha256:" in error_line(capfd, "--out", out, "--data", data)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--num-row", "5"], ["unknown option --num-row", "did you mean --num-rows?", "--help"]),
        (["--outt=x"], ["unknown option --outt=x", "did you mean --out?"]),
        (["stray"], ["unknown option stray"]),
        (["--num-rows", "many"], ["--num-rows", "'many'", "python -m experiments.toy --help"]),
        (["--num-rows", "0"], ["num_rows must be at least 1; got 0"]),
        (["--num-rows"], ["--num-rows"]),
        (["--kind", "root"], ["'root'", "square", "cube"]),
        (["--preset", "huge"], ["'huge'", "quick", "full"]),
        (["--preset"], ["--preset"]),
        (["--seed=-1"], ["seed: must not be negative"]),
        (["--data", "absent.npz"], ["absent.npz: cannot be read (No such file or directory)"]),
    ],
)
def test_a_bad_command_line_is_one_line_and_writes_nothing(tmp_path, capfd, arguments, words):
    out = tmp_path / "out"
    line = error_line(capfd, "--out", out, *arguments)
    for word in words:
        assert word in line
    assert not out.exists()


def test_presets_name_configurations_that_options_override(tmp_path, computed):
    assert harness.main(EXPERIMENT, ["--out", str(tmp_path / "a"), "--preset", "full"]) == 0
    assert computed() == [0, 1, 2, 3, 4, 5]
    assert harness.main(EXPERIMENT, [f"--out={tmp_path / 'b'}", "--preset=full", "--num_rows=2"]) == 0
    assert computed() == [0, 1]


def test_help_shows_every_option_with_its_default(capfd):
    with pytest.raises(SystemExit) as stop:
        harness.main(EXPERIMENT, ["--preset", "full", "--help"])
    assert stop.value.code == 0
    shown = " ".join(capfd.readouterr().out.split())
    for word in [
        "Powers of small numbers.",
        "--num-rows",
        "(default: 6)",
        "--preset",
        "--out",
        "--overwrite",
    ]:
        assert word in shown


def test_results_go_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.delenv("MMJAX_RESULTS", raising=False)
    assert harness.default_out("toy") == Path("results/toy")
    monkeypatch.setenv("MMJAX_RESULTS", str(tmp_path))
    assert harness.main(EXPERIMENT, []) == 0
    assert (tmp_path / "toy" / "run.json").exists()


def test_a_folder_that_cannot_be_made_is_one_line_before_any_work(tmp_path, computed, capfd):
    (tmp_path / "file").write_text("")
    line = error_line(capfd, "--out", tmp_path / "file" / "out")
    assert "cannot write to" in line
    assert "Not a directory" in line
    assert "Not a directory" in error_line(capfd, "--out", tmp_path / "file")
    assert computed() == []


def test_a_full_disk_is_one_line_and_leaves_whole_rows_only(tmp_path, computed, capfd, monkeypatch):
    out, sync, written = tmp_path / "out", os.fsync, []

    def fill_up(descriptor):
        written.append(descriptor)
        if len(written) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fill_up)
    assert harness.main(EXPERIMENT, ["--out", str(out)]) == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("error: cannot write")
    assert "No space left on device" in last
    assert sorted(path.name for path in (out / "rows").iterdir()) == ["n=0.json", "n=1.json"]
    monkeypatch.setattr(os, "fsync", sync)
    computed()
    assert harness.main(EXPERIMENT, ["--out", str(out)]) == 0
    assert computed() == [2, 3]


def test_followup_work_sees_the_rows_and_is_kept_like_them(tmp_path):
    seen = []

    def later(_config, rows):
        def work():
            seen.append(len(rows))
            return {"later": len(rows)}

        return {"later": work}

    experiment = dataclasses.replace(EXPERIMENT, followup=later, tables=lambda _, rows: [table_of(rows)], figure=None)
    out = tmp_path / "out"
    for _ in range(2):
        tables = harness.run(experiment, Config(), out)
        assert tables[0].frame["later"].dropna().tolist() == [len(tables[0].frame) - 1]
        (out / "table.csv").unlink()
    assert len(seen) == 1


def table_of(rows):
    return harness.Table("all", pd.DataFrame(rows))


def test_a_mistake_of_the_experiment_is_no_user_error(tmp_path):
    broken = harness.Experiment("toy", "", {"quick": Config()}, lambda _: {"a/b": dict}, EXPERIMENT.tables)
    with pytest.raises(ValueError, match="a row's key"):
        harness.main(broken, ["--out", str(tmp_path / "out")])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.31127812, "0.3113"),
        (3.0, "3"),
        (1e-7, "1e-07"),
        (123456.5, "1.23e+05"),
        (float("nan"), "nan"),
        (None, ""),
        (True, "True"),
        (12, "12"),
        ("a|b\nc", "a\\|b c"),
    ],
)
def test_cells_are_written_for_people(value, shown):
    from experiments._tables import format_cell

    assert format_cell(value) == shown
