import sys
from types import ModuleType

import pandas as pd
import pytest

from experiments import harness
from experiments.benchmarks import __main__ as command
from experiments.benchmarks.timing import Comparison


@pytest.fixture
def benchmarks(monkeypatch):
    """Two benchmarks: one measures, the other lacks its peer."""

    def measure(repetitions):
        yield Comparison("toy", "2x2", 8, "slow peer", 1e-6, 5e-6, 5.0, 4.0, 6.0, f"{repetitions} runs")

    def measure_absent(repetitions):
        import a_peer_that_is_not_there

        yield from a_peer_that_is_not_there.measure(repetitions)

    for name, function in [("toy", measure), ("absent", measure_absent)]:
        module = ModuleType(f"experiments.benchmarks.{name}")
        module.measure = function
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(command, "benchmark_names", lambda: ["toy", "absent"])


def test_benchmarks_are_measured_and_missing_peers_named(benchmarks, tmp_path, capfd):
    assert harness.main(command.EXPERIMENT, ["--out", str(tmp_path / "out"), "--repetitions", "2"]) == 0
    frame = pd.read_csv(tmp_path / "out" / "table.csv")
    assert frame["our_microseconds"][0] == pytest.approx(1.0)
    assert list(frame["ratio_median"][:1]) == [5.0]
    assert frame["note"][0] == "2 runs"
    assert frame["peer"][1] == "a_peer_that_is_not_there"
    assert "left out" in frame["note"][1]
    printed = capfd.readouterr().out
    assert "CPU threads" in printed
    assert "a_peer_that_is_not_there" in printed
    assert (tmp_path / "out" / "figure.png").exists()


def test_only_names_a_benchmark(benchmarks, tmp_path, capfd):
    assert harness.main(command.EXPERIMENT, ["--out", str(tmp_path / "out"), "--only", "toy"]) == 0
    assert len(pd.read_csv(tmp_path / "out" / "table.csv")) == 1
    assert harness.main(command.EXPERIMENT, ["--out", str(tmp_path / "other"), "--only", "tea"]) == 2
    assert "no benchmark tea; there are toy, absent" in capfd.readouterr().err


def test_every_module_but_the_timing_is_a_benchmark():
    assert "timing" not in command.benchmark_names()
    assert "__main__" not in command.benchmark_names()
