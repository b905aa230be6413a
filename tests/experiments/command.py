"""An experiment as its command: run with arguments, and the one line it says of a mistake."""

from experiments import harness


def run(experiment, *arguments):
    return harness.main(experiment, [str(argument) for argument in arguments])


def error_line(capfd, experiment, *arguments):
    """The line on stderr that begins with "error: ", of which there must be one."""
    capfd.readouterr()
    assert run(experiment, *arguments) == 2
    lines = capfd.readouterr().err.splitlines()
    (line,) = [line for line in lines if line.startswith("error: ")]
    return line.removeprefix("error: ")
