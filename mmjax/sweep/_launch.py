"""Room sweep: running all trials of a space, wherever they run, and going on where an earlier start stopped."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from mmjax.sweep._engines import Engine, WorkerDied, inline
from mmjax.sweep._errors import SweepError
from mmjax.sweep._processes import agreed, wait_for_all, writes
from mmjax.sweep._program import Execution, Tree, TrialFn, compile_trials, run_chunks
from mmjax.sweep._progress import LiveView, Progress
from mmjax.sweep._space import SEED, Space
from mmjax.sweep._store import TrialStore

if TYPE_CHECKING:
    import pandas as pd

Task = Callable[[Mapping[str, Any]], tuple[TrialFn, Tree]]
"""From a static point to the trials' function and their data. A worker calls it, so it must be importable there."""
NUM_STARTS = 3
"""Times that the trials of a worker that dies are started."""


def launch(
    task: Task,
    space: Space,
    folder: str | Path,
    *,
    engine: Engine = inline,
    execution: Execution | None = None,
    progress: Callable[[Progress], None] | None = None,
    watch: str = "valid/loss",
) -> "pd.DataFrame":
    """Run the trials of a space that have no results yet, and read the results of all.

    A configuration (static point) is one program in one process with all the devices it sees. To go on after a crash,
    or with more seeds or values, call it again with the same folder: what is there is not run again.

    With `jax.distributed` initialised, call it in every process with engine `inline`: all of them run each program
    together, the first one writes, and the folder must be one that all can read.

    Args:
      task: makes a static point's function of a trial and its data.
      space: the trials.
      folder: where the results are kept.
      engine: where configurations run: `inline`, `submitit(...)`, `ray(...)`.
      execution: how the trials of a configuration are spread over devices and time.
      progress: called now and then.
      watch: the result whose lowest value `progress` shows.

    Returns:
      one row a trial, in the order of the space: static fields, traced fields, "seed", and results by their paths.

    Raises:
      SweepError: if the folder holds something else or cannot be written, or a configuration fails; what is finished
        is kept. Under `inline` an error of the task is raised as it is.
    """
    import pandas as pd

    jobs = [Job(task, space, configuration, str(folder), execution) for configuration in space.configurations()]
    num_missing = [int(agreed(job.num_missing())) for job in jobs]
    view = LiveView(folder, space.num_trials, sum(num_missing), watch, progress)
    pending = [job for job, count in zip(jobs, num_missing, strict=True) if count]
    for _ in range(NUM_STARTS):
        if pending:
            _raise_first_error(pending, engine(pending, view))
        pending = [job for job in pending if agreed(job.num_missing())]
    if pending:
        raise SweepError(
            f"workers died {NUM_STARTS} times with {dict(pending[0].configuration)}; finished trials are kept"
        )
    return pd.concat([job.store().read(space.trials()) for job in jobs], ignore_index=True)


@dataclasses.dataclass(frozen=True)
class Job:
    """All missing trials of one configuration; called in a worker."""

    task: Task
    space: Space
    configuration: Mapping[str, Any]
    folder: str
    execution: Execution | None

    def store(self) -> TrialStore:
        """Open the results."""
        facts = {"fields": [*self.space.traced], "seed": self.space.seed, "mmjax": metadata.version("mmjax")}
        return TrialStore(self.folder, self.configuration, facts)

    def num_missing(self) -> int:
        """Count the trials without results."""
        return int(self.store().missing(self.space.trials()).sum())

    def __call__(self, after_chunk: Callable[[], None] = lambda: None) -> None:
        """Run what is missing and write it, chunk by chunk."""
        store, trials = self.store(), self.space.trials()
        missing = agreed(store.missing(trials))
        if not missing.any():
            return
        fn, data = self.task(self.configuration)
        execution = self.execution or Execution()
        chunk = int(agreed(store.chunk or 0))
        if execution.chunk is None and chunk:
            execution = dataclasses.replace(execution, chunk=chunk)
        rows = {name: column[missing] for name, column in trials.items()}
        keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(self.space.seed), seed))(rows[SEED])
        program = compile_trials(fn, keys, [*self.space.traced], data, num_trials=len(missing), execution=execution)
        if writes() and not store.chunk:
            store.begin(program.chunk)
        for part, results in run_chunks(program, keys, {name: rows[name] for name in self.space.traced}):
            if writes():
                store.write({name: column[part] for name, column in rows.items()}, results)
            after_chunk()
        wait_for_all()


def _raise_first_error(jobs: Sequence[Job], outcomes: Sequence[BaseException | None]) -> None:
    failed = [
        (job, error) for job, error in zip(jobs, outcomes, strict=True) if error and not isinstance(error, WorkerDied)
    ]
    if failed:
        job, error = failed[0]
        raise SweepError(
            f"{len(failed)} of {len(jobs)} configurations failed, first {dict(job.configuration)}: {error}; "
            "finished trials are kept"
        ) from error
