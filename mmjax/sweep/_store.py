"""Room sweep: the results of trials in a folder, one folder inside it a configuration, one Parquet row a trial.

Each chunk of trials is a file of its own, written whole or not at all: whatever stops a sweep leaves finished trials
only, and to go on means to run those that are not there.
"""

import contextlib
import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from numpy.typing import NDArray

from mmjax.sweep._errors import SweepError
from mmjax.sweep._files import write_whole
from mmjax.sweep._space import SEED, Trials

if TYPE_CHECKING:
    import pandas as pd

HEAD = "configuration.json"
PARTS = "trials-*.parquet"


class TrialStore:
    """The trials of one configuration, in a folder named by its fields."""

    def __init__(self, folder: str | Path, configuration: Mapping[str, Any], facts: Mapping[str, Any]):
        """Look into the configuration's folder, which need not be there.

        Args:
          folder: that of the sweep.
          configuration: the static fields.
          facts: what else all trials have in common, as JSON holds it.

        Raises:
          SweepError: if there are trials with other facts.
        """
        self.folder = Path(folder) / _digest(json.dumps(configuration, sort_keys=True))
        self._head = {"configuration": dict(configuration), "facts": dict(facts)}
        self.chunk: int | None = None
        """Trials of a file, as the first start chose it: a resumed sweep runs the same ones together."""
        if (self.folder / HEAD).exists():
            there = _read_head(self.folder)
            self._check_same(there["facts"])
            self.chunk = there["chunk"]

    def begin(self, chunk: int) -> None:
        """Make the folder.

        Raises:
          SweepError: if it cannot be written.
        """
        self.chunk = chunk
        with _reported(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / HEAD, json.dumps({**self._head, "chunk": chunk}, indent=2).encode())

    def read(self, trials: Trials) -> "pd.DataFrame":
        """Read those of some trials that are there, in their order, with the static fields as columns.

        Raises:
          SweepError: if a file is none of this configuration's.
        """
        import pandas as pd

        asked = pd.DataFrame(trials)
        fixed = pd.DataFrame({name: [value] * len(asked) for name, value in self._head["configuration"].items()})
        parts = list(_frames(self.folder, [*trials]))
        if not parts:
            return asked.head(0)
        there = pd.concat(parts, ignore_index=True).drop_duplicates([*trials])
        return pd.concat([fixed, asked], axis=1).merge(there, on=[*trials])

    def missing(self, trials: Trials) -> NDArray[np.bool_]:
        """Say which trials have no row yet; raises as `read` does."""
        there = self.read(trials)
        done = set(_identities(there, trials)) if len(there) else set()
        return np.array([row not in done for row in _identities(trials, trials)])

    def write(self, trials: Trials, results: Any) -> None:
        """Write the results of some trials.

        Args:
          trials: the trials (n,).
          results: pytree of arrays (n, ...); the columns are named by their paths, such as "valid/loss".

        Raises:
          SweepError: if they cannot be written, or have the name of a field.
        """
        import pandas as pd

        columns = {name: list(column) for name, column in flat(results).items()}
        fields = trials.keys() | self._head["configuration"].keys()
        if columns.keys() & fields:
            raise SweepError(f"results have the names of fields: {', '.join(columns.keys() & fields)}; rename them")
        name = _digest(json.dumps({name: column.tolist() for name, column in trials.items()}))
        data = pd.DataFrame({**trials, **columns}).to_parquet(index=False)
        with _reported(self.folder):
            write_whole(self.folder / f"trials-{name}.parquet", data)

    def _check_same(self, there: Mapping[str, Any]) -> None:
        here = json.loads(json.dumps(self._head["facts"]))
        differences = [
            f"{name}={there.get(name)} (now {here.get(name)})"
            for name in sorted({*here, *there})
            if here.get(name) != there.get(name)
        ]
        if differences:
            raise SweepError(f"{self.folder} holds trials with {', '.join(differences)}; use another folder")


def read(folder: str | Path) -> "pd.DataFrame":
    """Read a sweep's results, finished or not.

    Args:
      folder: that of the sweep.

    Returns:
      one row a trial: static fields, traced fields, "seed", and results. Damaged files are left out with a warning.

    Raises:
      SweepError: if there are none, or files of something else among them.
    """
    import pandas as pd

    frames = []
    for path in sorted(Path(folder).glob(f"*/{HEAD}")):
        head = _read_head(path.parent)
        fields = [*head["facts"]["fields"], SEED]
        parts = list(_frames(path.parent, fields))
        if parts:
            trials = pd.concat(parts, ignore_index=True).drop_duplicates(fields).sort_values(fields)
            fixed = {name: [value] * len(trials) for name, value in head["configuration"].items()}
            frames.append(pd.concat([pd.DataFrame(fixed, index=trials.index), trials], axis=1))
    if not frames:
        raise SweepError(f"no results in {folder}; start the sweep first")
    return pd.concat(frames, ignore_index=True)


def flat(tree: Any) -> dict[str, Any]:
    """Return the leaves of a tree by their paths, such as "valid/loss"."""
    paths = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in paths}


def _frames(folder: Path, fields: Sequence[str]) -> Iterator["pd.DataFrame"]:
    import pandas as pd

    for path in sorted(folder.glob(PARTS)):
        try:
            frame = pd.read_parquet(path)
        except (OSError, ValueError) as error:  # pyarrow's own errors are these
            warnings.warn(f"{path} is damaged, its trials count as not run: {error}", stacklevel=2)
            continue
        lacking = [name for name in fields if name not in frame]
        if lacking:
            raise SweepError(f"{path} holds no trials of this sweep: it lacks {', '.join(lacking)}; move it away")
        yield frame


def _identities(columns: Any, fields: Trials) -> Iterator[tuple[float, ...]]:
    return zip(*(np.asarray(columns[name]).tolist() for name in fields), strict=True)


def _read_head(folder: Path) -> dict[str, Any]:
    path = folder / HEAD
    try:
        head = json.loads(path.read_bytes())
        if not head.keys() >= {"configuration", "facts", "chunk"}:
            raise ValueError("it lacks fields")
    except (OSError, ValueError, AttributeError) as error:
        raise SweepError(f"{path} cannot be read: {error}; remove {folder} to run its trials again") from None
    return head


def _digest(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()[:16]


@contextlib.contextmanager
def _reported(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SweepError(f"cannot write to {folder}: {error.strerror or error}; finished trials are kept") from error
