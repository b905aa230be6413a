import pytest

from experiments import harness


@pytest.fixture(scope="module", autouse=True)
def settings(optax_promotes):
    """Experiments are imported, and their configurations read, under the dtype promotion that they run with."""


@pytest.fixture
def refusal(capsys, tmp_path):
    """Run an experiment that must refuse its arguments, in one line and before it writes; return that line."""

    def run(experiment, arguments):
        assert harness.main(experiment, [*arguments, "--out", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert len(error.strip().splitlines()) == 1
        assert not (tmp_path / "out").exists()
        return error

    return run
