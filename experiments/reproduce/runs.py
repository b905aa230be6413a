"""Experiments, reproduce: finished runs of the other experiments: found, checked against what is needed, and read."""

import dataclasses
import functools
import importlib
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import mmjax
from experiments._options import parse
from experiments._store import RunStore
from experiments.harness import Experiment, Rows, UserError, default_out

RUN = "run.json"
DAMAGED = (ValueError, KeyError, IndexError, TypeError, AttributeError, OSError, UserError)
"""What reading a file that something else has written may raise."""
MOST_NAMED = 5
"""How many missing choices are named, and not only counted."""


@dataclasses.dataclass(frozen=True)
class Source:
    """The run of an experiment that a number is read from."""

    experiment: str
    presets: tuple[str, ...] = ("quick",)
    """Those whose run will do; the first is that of the command."""
    arguments: tuple[str, ...] = ()
    """More of the command."""
    among: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """Fields of several names, with those that the run must have."""
    fields: tuple[str, ...] = ()
    """Fields that must be as in the command; others do not change what is read, or say so beside the number."""

    @property
    def folder(self) -> str:
        """Name of the folder that the command writes."""
        words = [self.experiment, *self._options(self.presets[0])]
        return "-".join(word.lstrip("-").replace(" ", "_") for word in words if word != "--preset")

    def command(self, runs: Path) -> str:
        """Return the command that makes the run."""
        words = ["python", "-m", f"experiments.{self.experiment}", *self._options(self.presets[0])]
        is_default = self.folder == self.experiment and runs == default_out(self.experiment).parent
        return shlex.join([*words, *([] if is_default else ["--out", str(runs / self.folder)])])

    def config(self, preset: str | None = None) -> Any:
        """Return the configuration of the command, or of it with another preset."""
        return _config(self.experiment, self._options(preset or self.presets[0]))

    def differences(self, there: Mapping[str, Any]) -> list[str]:
        """Say in what a run of the experiment is not the one needed; of the presets the nearest counts."""
        if there.get("experiment") != self.experiment:
            return [f"of {there.get('experiment')}"]
        found = [] if there.get("mmjax") == mmjax.__version__ else [f"mmjax {there.get('mmjax')}"]
        found += [f"data={there['data']}"] if there.get("data") else []
        for field, names in self.among.items():
            missing = [name for name in names if name not in (there.get(field) or ())]
            named = ", ".join(missing) if len(missing) <= MOST_NAMED else f"{len(missing)} of those needed"
            found += [f"{field} without {named}"] if missing else []
        return found + min((self._unlike(there, preset) for preset in self.presets), key=len)

    def _unlike(self, there: Mapping[str, Any], preset: str) -> list[str]:
        config = self.config(preset) if self.fields else None
        needed = {field: json.loads(json.dumps(getattr(config, field))) for field in self.fields}
        return [f"{name}={there.get(name)} (needs {of})" for name, of in needed.items() if there.get(name) != of]

    def _options(self, preset: str) -> tuple[str, ...]:
        return (*(() if preset == "quick" else ("--preset", preset)), *self.arguments)


@dataclasses.dataclass(frozen=True)
class Results:
    """What a run left."""

    folder: Path

    @functools.cached_property
    def configuration(self) -> dict[str, Any]:
        """Configuration of the run, with experiment, version and device."""
        configuration = json.loads((self.folder / RUN).read_bytes())["configuration"]
        if not isinstance(configuration, dict):
            raise ValueError(f"{RUN} has no configuration")
        return configuration

    @functools.cached_property
    def rows(self) -> Rows:
        """All rows, in their order.

        Raises:
          ValueError: if some are missing or damaged.
        """
        store = RunStore(self.folder, self.configuration)
        if not store.finished():
            raise ValueError("rows or tables are missing")
        return store.finished_rows()

    def table(self, name: str) -> pd.DataFrame:
        """Return a table by its heading, in full precision.

        Raises:
          KeyError: if the run has no such table.
        """
        if "table" not in self._stacked:
            return self._stacked
        part = self._stacked[self._stacked["table"] == name]
        if part.empty:
            raise KeyError(f"no table {name!r}")
        return part.drop(columns="table").dropna(axis=1, how="all").reset_index(drop=True)

    @functools.cached_property
    def _stacked(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "table.csv")


@dataclasses.dataclass(frozen=True)
class Runs:
    """A folder of runs, each in a folder of its own, whatever its name."""

    folder: Path

    def find(self, source: Source) -> Results | str:
        """Return a finished run that will do, the one of the command first; or say why there is none."""
        own = source.folder
        unfinished = own not in self._all and (self.folder / own / "rows").is_dir()
        said = "not finished" if unfinished else "not run"
        for name in sorted(self._all, key=lambda name: (name != own, name)):
            try:
                results = self._all[name]
                there = results.configuration
                if there.get("experiment") != source.experiment and name != own:
                    continue
                unlike = source.differences(there)
                if not unlike and results.rows:
                    return results
                reason = f"{name} is another run: {'; '.join(unlike)}"
            except DAMAGED as error:
                if name != own:
                    continue
                reason = f"{name} is damaged: {one_line(error)}"
            said = reason if said in ("not run", "not finished") else said
        return said

    @functools.cached_property
    def _all(self) -> dict[str, Results]:
        return {path.parent.name: Results(path.parent) for path in sorted(self.folder.glob(f"*/{RUN}"))}


def experiment_of(name: str) -> Experiment[Any]:
    """Return an experiment by the name of its package."""
    return importlib.import_module(f"experiments.{name}.__main__").EXPERIMENT


def one_line(error: Exception) -> str:
    """Return what an error says, in few words."""
    return " ".join(str(error).split()).strip("'\"")[:100] or type(error).__name__


@functools.lru_cache
def _config(experiment: str, arguments: tuple[str, ...]) -> Any:
    return parse(experiment, "", experiment_of(experiment).presets, list(arguments)).config
