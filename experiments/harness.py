"""Experiments, harness: what turns functions of a configuration into a command with results that resume.

An experiment is a list of named work items, and functions from the rows they give to tables and a figure.
The harness runs the items that are missing, each written as soon as it is done, and then the outputs:
`table.csv`, `table.md`, `figure.png`, `run.json`. An item is a function, or a `Sweep` of trials, which run wherever
the configuration's `launch: Launch` says. In `experiments/<name>/__main__.py`:

    EXPERIMENT = Experiment(name, presets, items, tables, figure)
    if __name__ == "__main__":
        sys.exit(main(EXPERIMENT))

Items must not depend on each other's order: derive each one's PRNG key from the seed and the item's own name.
"""

import contextlib
import dataclasses
import hashlib
import io
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

import jax
from tqdm import tqdm

import mmjax
from experiments._checks import check_counts, check_modalities, check_names, check_numbers
from experiments._launch import Launch, LaunchOptions, Sweep, run_sweep
from experiments._options import Config, default_out, parse
from experiments._store import OUTPUTS, TRIALS, Rows, RunStore, UserError, check_key
from experiments._tables import Table, to_csv, to_markdown
from mmjax.data import DataFileError
from mmjax.sweep import is_first_process, wait_for_all

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Experiment",
    "Item",
    "Launch",
    "LaunchOptions",
    "Row",
    "Rows",
    "Sweep",
    "Table",
    "UserError",
    "check_counts",
    "check_modalities",
    "check_names",
    "check_numbers",
    "default_out",
    "input_errors",
    "main",
    "run",
]

Row = dict[str, Any]
"""Column to value: numbers, strings, None, or lists and arrays of numbers (for the figure)."""
Item = Callable[[], Row | Rows] | Sweep


@dataclasses.dataclass(frozen=True)
class Experiment(Generic[Config]):
    """What the harness needs to know of an experiment."""

    name: str
    """Its package under `experiments`."""
    description: str
    """Printed by `--help`: what it reproduces, expected run time and numbers."""
    presets: Mapping[str, Config]
    """Named frozen dataclasses of one type; the first is what runs with no argument."""
    items: Callable[[Config], Mapping[str, Item]]
    """Key (a file name) to work; cheap itself, but reads and checks the user's data."""
    tables: Callable[[Config, Rows], Sequence[Table]]
    """From all rows, in the order of the items, as they read back from JSON."""
    figure: Callable[[Config, Rows], "Figure"] | None = None
    """A figure made without pyplot, which would keep it alive and may want a screen."""
    followup: Callable[[Config, Rows], Mapping[str, Item]] | None = None
    """Work that needs the rows of the items, such as a closer look at what they choose; its rows come after them."""


def main(experiment: Experiment[Config], arguments: Sequence[str] | None = None) -> int:
    """Run an experiment from the command line.

    Args:
      experiment: what to run.
      arguments: the command line after the program; by default this process's.

    Returns:
      the exit code: 0 done, 2 for what the user must mend (one line on stderr), 130 interrupted.
    """
    try:
        options = parse(experiment.name, experiment.description, experiment.presets, arguments)
        _launch_of(options.config).start()
        tables = run(experiment, options.config, options.out, overwrite=options.overwrite)
        if is_first_process():
            print(to_markdown(tables))
            written = ", ".join(name for name in OUTPUTS if (options.out / name).exists())
            print(f"in {options.out}: {written}")
    except (UserError, DataFileError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\ninterrupted; run it again, without --overwrite, to go on from the finished rows",
            file=sys.stderr,
        )
        return 130
    return 0


def run(experiment: Experiment[Config], config: Config, out: Path | str, *, overwrite: bool = False) -> Sequence[Table]:
    """Compute the rows that are missing in a folder, write the outputs, and return the tables.

    Args:
      experiment: what to run.
      config: its configuration.
      out: the folder; a finished run in it is read, an interrupted one continued.
      overwrite: replace what is there.

    Returns:
      the tables.

    Raises:
      UserError: if the folder holds another run, or cannot be written.
      DataFileError: if the user's data file breaks its contract.
    """
    store = RunStore(Path(out), _configuration(experiment.name, config), overwrite=overwrite, writes=is_first_process())
    wait_for_all()  # each has seen the folder as it was
    if store.finished():
        print(f"{out} is finished; --overwrite computes it again", file=sys.stderr)
        return experiment.tables(config, store.finished_rows())
    items = {check_key(key): item for key, item in experiment.items(config).items()}
    store.prepare(clear=overwrite)
    wait_for_all()  # and sees it as it is now
    rows = _rows_of_all(experiment.name, items, store)
    if experiment.followup:
        more = {check_key(key): item for key, item in experiment.followup(config, rows).items()}
        rows = rows + _rows_of_all(experiment.name, more, store)
        items = items | more
    tables = experiment.tables(config, rows)
    outputs = {"table.csv": to_csv(tables).encode(), "table.md": to_markdown(tables).encode()}
    if experiment.figure:
        outputs["figure.png"] = _png(experiment.figure(config, rows))
    for name, data in outputs.items():
        store.write(name, data)
    seconds = sum(store.records[key].seconds for key in items)
    facts = {"seed": getattr(config, "seed", None), "wall_seconds": seconds, **_machine()}
    store.finish(list(items), list(outputs), facts)
    return tables


@contextlib.contextmanager
def input_errors(subject: object) -> Iterator[None]:
    """Report a ValueError about the user's input, such as a `check_*` raises, as one line about `subject`."""
    try:
        yield
    except DataFileError:  # it names the file itself
        raise
    except (ValueError, OverflowError) as error:
        raise UserError(f"{subject}: {error}") from error


def _rows_of_all(name: str, items: Mapping[str, Item], store: RunStore) -> Rows:
    """Compute what is missing and return all rows."""
    missing = [key for key in items if key not in store.records]
    done = len(items) - len(missing)
    interval = 0.5 if sys.stderr.isatty() else 10.0
    quiet = all(isinstance(item, Sweep) for item in items.values())  # trials have a bar of their own
    with tqdm(
        total=len(items), initial=done, desc=name, unit="row", ascii=True, mininterval=interval, disable=quiet
    ) as bar:
        for key in missing:
            bar.set_postfix_str(key)
            start = time.perf_counter()
            store.save(key, _rows_of(items[key], key, store), time.perf_counter() - start)
            bar.update()
    return [row for key in items for row in store.records[key].rows]


def _rows_of(item: Item, key: str, store: RunStore) -> Rows:
    if isinstance(item, Sweep):
        return run_sweep(item, store.out, store.out / TRIALS / key)
    result = item()
    return [result] if isinstance(result, dict) else result


def _launch_of(config: Any) -> Launch:
    return getattr(config, "launch", Launch())


def _configuration(name: str, config: Any) -> dict[str, Any]:
    """Return what makes a run what it is: rows of another device or version do not mix with its own."""
    fields = {key: _recorded(value) for key, value in dataclasses.asdict(config).items() if key != "launch"}
    return {"experiment": name, "mmjax": mmjax.__version__, "device": _launch_of(config).device(), **fields}


def _recorded(value: Any) -> Any:
    """Return a field as JSON; a file is known by its content, so that a changed one makes another run."""
    if isinstance(value, Path):
        try:
            with open(value, "rb") as stream:
                return f"{value.name} sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()[:16]}"
        except OSError:  # a folder, or a file for the experiment to complain of
            return str(value)
    if isinstance(value, dict):
        return {key: _recorded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_recorded(item) for item in value]
    return value


def _machine() -> dict[str, Any]:
    versions = {name: metadata.version(name) for name in ("jax", "jaxlib", "numpy")}
    devices = jax.devices()
    return {
        "versions": {"mmjax": mmjax.__version__, **versions, "python": platform.python_version()},
        "device": {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)},
        "cpus": os.cpu_count(),
    }


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()
