"""Experiments, store: the rows of a run in a folder, each written whole, found again by the next start.

A row is `rows/<key>.json`, and carries the configuration it belongs to; `run.json`, written last, says that
the run is finished. Whatever stops a run leaves whole rows only, so the same command continues it.
"""

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmjax.sweep import write_whole

Rows = list[dict[str, Any]]
OUTPUTS = ("table.csv", "table.md", "figure.png", "run.json")
TRIALS = "trials"
"""Folder of the sweeps' results."""
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+,-]*")


class UserError(Exception):
    """Something that the user can mend; the message is one line."""


class Record(NamedTuple):
    """What one work item gave, and how long it took."""

    rows: Rows
    seconds: float


class RunStore:
    """The folder of one run."""

    def __init__(self, out: Path, configuration: Mapping[str, Any], *, overwrite: bool = False, writes: bool = True):
        """Open a folder and take in the rows that an earlier start left.

        Args:
          out: the folder; it need not exist.
          configuration: what makes the run what it is, as JSON values.
          overwrite: leave what is there unread.
          writes: whether this process writes; of several with the same rows, one does.

        Raises:
          UserError: if the folder holds a run of another configuration, or other files.
        """
        self.out = out
        self.records: dict[str, Record] = {}
        self._writes = writes
        self._configuration = json.loads(json.dumps(configuration, default=_plain))
        self._finished_keys: list[str] | None = None
        if overwrite or not out.exists():
            return
        try:
            if any(out.iterdir()) and not (out / "rows").is_dir():
                raise UserError(f"{out} holds other files; choose another --out")
            run = self._read(out / "run.json", "outputs", "keys")
            paths = sorted((out / "rows").glob("*.json"))
            stored = {path: self._read(path, "key", "rows", "seconds") for path in paths}
        except OSError as error:
            raise UserError(f"cannot read {out}: {error.strerror}") from None
        if run and all((out / name).exists() for name in run["outputs"]):
            self._finished_keys = run["keys"]
        for path, content in stored.items():
            if content and content["key"] == path.stem:
                self.records[path.stem] = Record(content["rows"], content["seconds"])
            else:
                print(f"{path} is damaged or foreign: left out", file=sys.stderr)

    def finished(self) -> bool:
        """Say whether the run is complete: all its outputs and all its rows are there."""
        return self._finished_keys is not None and self.records.keys() >= set(self._finished_keys)

    def finished_rows(self) -> Rows:
        """Return the rows of a finished run, in its order."""
        return [row for key in self._finished_keys or () for row in self.records[key].rows]

    def prepare(self, *, clear: bool) -> None:
        """Make the folder, find out at once whether it can be written, and remove an earlier run if asked."""
        if not self._writes:
            return
        try:
            (self.out / "rows").mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.out):
                pass
            if clear:
                for path in [*(self.out / name for name in OUTPUTS), *(self.out / "rows").glob("*.json")]:
                    path.unlink(missing_ok=True)
                shutil.rmtree(self.out / TRIALS, ignore_errors=True)
        except OSError as error:
            raise UserError(f"cannot write to {self.out}: {error.strerror}") from None

    def save(self, key: str, rows: Rows, seconds: float) -> None:
        """Write what an item gave, and keep it as it will be read again.

        Raises:
          UserError: if the folder cannot be written.
        """
        content = {"key": key, "configuration": self._configuration, "seconds": seconds, "rows": rows}
        text = json.dumps(content, default=_plain)
        self.write(f"rows/{key}.json", text.encode())
        self.records[key] = Record(json.loads(text)["rows"], seconds)

    def finish(self, keys: Sequence[str], outputs: Sequence[str], facts: Mapping[str, Any]) -> None:
        """Write `run.json`, which marks the run as complete, and remove what a killed start left."""
        content = {"configuration": self._configuration, **facts, "outputs": outputs, "keys": keys}
        self.write("run.json", json.dumps(content, indent=2, default=_plain).encode() + b"\n")
        for partial in [*self.out.glob(".*.partial"), *(self.out / "rows").glob(".*.partial")]:
            partial.unlink(missing_ok=True)

    def write(self, name: str, data: bytes) -> None:
        """Write a file of the folder so that it is there whole or not at all.

        Raises:
          UserError: if it cannot be written.
        """
        if not self._writes:
            return
        try:
            write_whole(self.out / name, data)
        except OSError as error:
            raise UserError(f"cannot write {self.out / name}: {error.strerror}") from None

    def _read(self, path: Path, *fields: str) -> dict[str, Any] | None:
        """Read a file of this run with these fields; None if it is absent, damaged or foreign."""
        if not path.exists():
            return None
        try:
            content = json.loads(path.read_bytes())
        except ValueError:
            return None
        if not isinstance(content, dict) or not content.keys() >= set(fields):
            return None
        if not isinstance(content.get("configuration"), dict):
            return None
        self._check_same(content["configuration"])
        return content

    def _check_same(self, there: dict[str, Any]) -> None:
        here = self._configuration
        differences = [
            f"{name}={there.get(name)} (now {here.get(name)})"
            for name in sorted(here.keys() | there.keys())
            if here.get(name) != there.get(name)
        ]
        if differences:
            raise UserError(
                f"{self.out} holds a run with {', '.join(differences)}; "
                "choose another --out, or --overwrite to replace it"
            )


def check_key(key: str) -> str:
    """Return a key that can name a file on any system.

    Raises:
      ValueError: if it cannot.
    """
    if not _KEY.fullmatch(key):
        raise ValueError(f"a row's key must be letters, digits and . _ = + , -; got {key!r}")
    return key


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a row holds {type(value).__name__}; expected numbers, strings, lists or arrays")
