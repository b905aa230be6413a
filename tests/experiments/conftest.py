import pytest

from experiments import harness


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
