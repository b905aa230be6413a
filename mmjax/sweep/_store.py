"""Room sweep: the results of trials in a folder, one folder inside it a configuration, one Parquet row a trial.

Each chunk of trials is a file of its own, written whole or not at all and named by the digest of its content: whatever
stops a sweep leaves finished trials only, and to go on means to run those that are not there.
"""

import contextlib
import hashlib
import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mmjax.sweep._errors import SweepError
from mmjax.sweep._files import write_whole
from mmjax.sweep._space import SEED, Trials

if TYPE_CHECKING:
    import pandas as pd

HEAD = "configuration.json"
PARTS = "trials-*.parquet"


class Plan(NamedTuple):
    """How a start runs trials: what must be the same for a resumed sweep to give the same bits."""

    trials: str
    """Digest of the trials that the start was asked for."""
    chunk: int
    """Trials of a call, and of a file."""
    lanes: int
    """Trials that a device runs at once."""


class TrialStore:
    """The trials of one configuration, in a folder named by its fields."""

    def __init__(self, folder: str | Path, configuration: Mapping[str, Any], facts: Mapping[str, Any]):
        """Look into the configuration's folder, which need not be there.

        Args:
          folder: that of the sweep.
          configuration: the static fields.
          facts: what else all trials have in common, as JSON holds it.

        Raises:
          SweepError: if there are trials with other facts, or with none.
        """
        self.folder = Path(folder) / _digest(json.dumps(configuration, sort_keys=True).encode())
        self._head = {"configuration": dict(configuration), "facts": dict(facts)}
        self._plan: Plan | None = None
        if (self.folder / HEAD).exists():
            there = _read_head(self.folder)
            self._check_same(there["facts"])
            self._plan = Plan(**there["plan"])
        elif any(self.folder.glob(PARTS)):
            raise SweepError(f"{self.folder} has trials but no {HEAD} to say whose; move it away to run them again")

    def plan_of(self, trials: Trials) -> Plan | None:
        """Return how an earlier start ran these very trials, if one did."""
        return self._plan if self._plan and self._plan.trials == _digest_of(trials) else None

    def begin(self, trials: Trials, *, chunk: int, lanes: int) -> None:
        """Note how these trials are run, in a folder that is made where it is not there; a noted plan stays as it is.

        Raises:
          SweepError: if it cannot be written.
        """
        plan = Plan(_digest_of(trials), chunk, lanes)
        if plan == self._plan:
            return
        self._plan = plan
        content = {**self._head, "plan": self._plan._asdict()}
        with _reported(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / HEAD, json.dumps(content, indent=2).encode())

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
        """Say which trials have no row yet; raises as `read` does. Damaged files are set aside."""
        done = {row for frame in _frames(self.folder, [*trials], _set_aside) for row in _identities(frame, trials)}
        return np.array([row not in done for row in _identities(trials, trials)])

    def write(self, trials: Trials, results: Any) -> None:
        """Write the results of some trials.

        Args:
          trials: the trials (n,).
          results: pytree of arrays (n, ...), `check_results` having passed; the columns are named by their paths, such
            as "valid/loss".

        Raises:
          SweepError: if they cannot be written.
        """
        import pandas as pd

        columns = {name: _cells(np.asarray(column)) for name, column in flat(results).items()}
        data = pd.DataFrame({**trials, **columns}).to_parquet(index=False)
        with _reported(self.folder):
            write_whole(self.folder / f"trials-{_digest(data)}.parquet", data)

    def check_results(self, results: Any, fields: Sequence[str]) -> None:
        """Refuse results that could not be kept, before a trial runs.

        Args:
          results: a trial's, as `jax.eval_shape` gives them.
          fields: traced fields, and the seed.

        Raises:
          SweepError: if two have one name, one that of a field, or one is neither a number nor a truth value.
        """
        names = [name for name, _ in _named(results)]
        taken = {*fields, *self._head["configuration"]}
        wrong = [name for name in names if not name or name in taken or names.count(name) > 1]
        if wrong:
            raise SweepError(
                f"results need names of their own, as the leaves of a dict; got {wrong}, fields {sorted(taken)}"
            )
        for name, leaf in _named(results):
            if not any(jnp.issubdtype(leaf.dtype, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_)):
                raise SweepError(f"result {name!r} is {leaf.dtype}; return real numbers")

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
    return dict(_named(tree))


def _named(tree: Any) -> list[tuple[str, Any]]:
    paths = jax.tree.leaves_with_path(tree)
    return [(jax.tree_util.keystr(path, simple=True, separator="/"), leaf) for path, leaf in paths]


def _cells(column: NDArray[Any]) -> list[Any]:
    """Return a cell a trial: numbers, or nested lists of them; Parquet knows no bfloat16."""
    return (column.astype(np.float32) if column.dtype == jnp.bfloat16 else column).tolist()


def _leave_out(path: Path) -> None:
    warnings.warn(f"{path} is damaged or foreign: left out", stacklevel=2)


def _set_aside(path: Path) -> None:
    warnings.warn(f"{path} is damaged or foreign: set aside", stacklevel=2)
    path.rename(path.with_suffix(".damaged"))


def _frames(
    folder: Path, fields: Sequence[str], treat_damaged: Callable[[Path], None] = _leave_out
) -> Iterator["pd.DataFrame"]:
    for path in sorted(folder.glob(PARTS)):
        frame = _read_part(path)
        if frame is None:
            treat_damaged(path)
            continue
        lacking = [name for name in fields if name not in frame]
        if lacking:
            raise SweepError(f"{path} holds no trials of this sweep: it lacks {', '.join(lacking)}; move it away")
        yield frame


def _read_part(path: Path) -> "pd.DataFrame | None":
    """Read a file of trials; None if it is not what its name, the digest of its content, says."""
    import pandas as pd

    with _reported(path):
        data = path.read_bytes()
    return pd.read_parquet(io.BytesIO(data)) if path.stem == f"trials-{_digest(data)}" else None


def _identities(columns: Any, fields: Trials) -> Iterator[tuple[float, ...]]:
    return zip(*(np.asarray(columns[name]).tolist() for name in fields), strict=True)


def _read_head(folder: Path) -> dict[str, Any]:
    path = folder / HEAD
    try:
        head = json.loads(path.read_bytes())
        Plan(**head["plan"])
        if not (isinstance(head["configuration"], dict) and isinstance(head["facts"]["fields"], list)):
            raise ValueError("its fields are of other types")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SweepError(f"{path} cannot be read: {error}; remove {folder} to run its trials again") from None
    return head


def _digest_of(trials: Trials) -> str:
    return _digest(json.dumps({name: column.tolist() for name, column in sorted(trials.items())}).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


@contextlib.contextmanager
def _reported(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SweepError(f"cannot use {folder}: {error.strerror or error}; finished trials are kept") from error
