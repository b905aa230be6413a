"""Experiments, options: a frozen dataclass as a command line, every mistake answered in one line."""

import argparse
import contextlib
import dataclasses
import difflib
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import tyro

from experiments._store import UserError

Config = TypeVar("Config")


@dataclasses.dataclass(frozen=True)
class Options(Generic[Config]):
    """What a command line asks for."""

    config: Config
    """The preset with the fields that the command line overrides."""
    out: Path
    """The folder to write."""
    overwrite: bool
    """Whether to replace a run that is there."""


def parse(
    name: str, description: str, presets: Mapping[str, Config], arguments: Sequence[str] | None = None
) -> Options[Config]:
    """Read a command line; `--help` prints every option with its default, and exits.

    Args:
      name: the experiment, run by `python -m experiments.<name>`.
      description: printed by `--help`.
      presets: named configurations, frozen dataclasses of one type; the first is the default.
      arguments: the command line after the program; by default this process's.

    Raises:
      UserError: for an unknown option or a value that cannot be.
    """
    program = f"python -m experiments.{name}"
    preset, *_ = presets
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", nargs="?", default=preset)
    asked = first.parse_known_args(arguments)[0].preset
    command_line = _command_line(presets, asked if asked in presets else preset, default_out(name))
    with _one_line_errors(program):
        parsed, unknown = tyro.cli(
            command_line, prog=program, description=description, args=arguments, return_unknown_args=True
        )
    if unknown:
        raise UserError(_unknown_option(unknown[0], _flags(parsed), program))
    return Options(parsed.config, parsed.out, parsed.overwrite)


def default_out(name: str) -> Path:
    """Return the folder of an experiment: `results/<name>`, or under `MMJAX_RESULTS` where that is set."""
    return Path(os.environ.get("MMJAX_RESULTS", "results")) / name


def _command_line(presets: Mapping[str, Config], preset: str, out: Path) -> Any:
    """Return the dataclass of all options, whose defaults are those of a preset."""
    names = Literal[tuple(presets)]  # type: ignore[valid-type]
    config = presets[preset]

    def option(kind: Any, words: str) -> Any:
        return Annotated[kind, tyro.conf.arg(help=words)]

    return dataclasses.make_dataclass(
        "CommandLine",
        [
            ("preset", option(names, "Named configuration, which the options below override."), preset),
            ("out", option(Path, "Folder to write; the same command continues what is there."), out),
            ("overwrite", option(bool, "Replace the run that is there."), False),
            ("config", Annotated[type(config), tyro.conf.arg(name="")], dataclasses.field(default=config)),
        ],
    )


@contextlib.contextmanager
def _one_line_errors(program: str) -> Iterator[None]:
    """Turn a refusal of the parser, a drawn box of many lines, into a `UserError`."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            yield
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UserError(f"{_first_paragraph(complaint.getvalue())} ({program} --help)") from None
    except ValueError as error:  # a configuration that refuses its values
        raise UserError(f"{error} ({program} --help)") from None


def _first_paragraph(box: str) -> str:
    words: list[str] = []
    for line in re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines():
        content = line.strip("│ ")
        if words and not content.strip("─"):
            break
        if content and not line.startswith("╭"):
            words.append(content)
    return " ".join(words) or "bad command line"


def _flags(parsed: Any) -> list[str]:
    """Return all options; fields of a dataclass inside the configuration are options of their own."""
    names: list[str] = []
    for field in dataclasses.fields(parsed):
        value = getattr(parsed, field.name)
        names += _flags(value) if dataclasses.is_dataclass(value) else [f"--{field.name.replace('_', '-')}"]
    return names


def _unknown_option(option: str, flags: list[str], program: str) -> str:
    near = difflib.get_close_matches(option.partition("=")[0], flags, 1)
    hint = f"did you mean {near[0]}?" if near else "see"
    return f"unknown option {option}; {hint} ({program} --help)"
