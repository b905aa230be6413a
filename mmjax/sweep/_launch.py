"""Room sweep: running all trials of a space, wherever they run, and going on where an earlier start stopped."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from mmjax.sweep._engines import Engine, WorkerDied, inline
from mmjax.sweep._errors import SweepError
from mmjax.sweep._processes import agreed, is_first_process, together
from mmjax.sweep._program import Execution, Program, Tree, TrialFn, compile_trials, run_chunks
from mmjax.sweep._progress import LiveView, Progress
from mmjax.sweep._space import SEED, Space, Trials
from mmjax.sweep._store import TrialStore

if TYPE_CHECKING:
    import pandas as pd

Task = Callable[[Mapping[str, Any]], tuple[TrialFn, Tree]]
"""From a static point to the trials' function and their data. A worker calls it, so it must be importable there."""
NUM_STARTS = 3
"""Times that the trials of a worker that dies are started."""
TRIALS = 0x7121A1
"""Sets the keys of trials apart."""


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

    folder = Path(folder).absolute()  # workers may be elsewhere
    jobs = [Job(task, space, configuration, str(folder), execution) for configuration in space.configurations()]
    num_missing = [int(agreed(job.num_missing())) for job in jobs]
    view = LiveView(folder, space.num_trials, sum(num_missing), watch, progress)
    pending = [job for job, count in zip(jobs, num_missing, strict=True) if count]
    for start in range(NUM_STARTS):
        if pending:
            outcomes = engine(pending, view)
            _raise_errors(pending, outcomes, last=start == NUM_STARTS - 1)
            pending = [job for job, outcome in zip(pending, outcomes, strict=True) if outcome]
    trials = pd.concat([job.store().read(space.trials()) for job in jobs], ignore_index=True)
    if len(trials) < space.num_trials:
        raise SweepError(
            f"{len(trials)} of {space.num_trials} trials are in {folder}; it must be one that all workers share"
        )
    return trials


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
        facts = {
            "fields": sorted(self.space.traced),
            "seed": self.space.seed,
            "precision": str(jnp.result_type(float)),
            "mmjax": metadata.version("mmjax"),
        }
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
        rows = {name: column[missing] for name, column in trials.items()}
        keys = _keys(self.space.seed, rows[SEED])
        program = self._program(store, trials, keys)
        for part, results in run_chunks(program, keys, {name: rows[name] for name in self.space.traced}):
            some = {name: column[part] for name, column in rows.items()}
            together(functools.partial(store.write, some, results) if is_first_process() else lambda: None)
            after_chunk()

    def _program(self, store: TrialStore, trials: Trials, keys: Array) -> Program:
        """Compile for the missing trials, or as an earlier start did that was asked for the same ones."""
        fn, data = together(lambda: self._checked_task(store, keys[0]))
        execution = self.execution or Execution()
        plan, num_trials = store.plan_of(trials), len(keys)
        if plan:
            num_trials = max(num_trials, plan.chunk)  # the last few of a chunk run in a program of its size
            if execution.chunk is None and execution.lanes is None:
                execution = dataclasses.replace(execution, chunk=plan.chunk, lanes=plan.lanes)
        program = compile_trials(fn, keys, [*self.space.traced], data, num_trials=num_trials, execution=execution)
        together(lambda: store.begin(trials, chunk=program.chunk, lanes=program.lanes) if is_first_process() else None)
        return program

    def _checked_task(self, store: TrialStore, key: Array) -> tuple[TrialFn, Tree]:
        """Make the trial and its data, and make sure that its results can be kept."""
        fn, data = self.task(self.configuration)
        numbers = {name: jax.ShapeDtypeStruct((), jnp.result_type(float)) for name in self.space.traced}
        store.check_results(jax.eval_shape(fn, key, numbers, data), [*self.space.traced, SEED])
        return fn, data


def _keys(seed: int, seeds: NDArray[np.int_]) -> Array:
    """Return the keys of trials, one level deeper than those that tasks may make of the same seed for their data."""
    trials_key = jax.random.fold_in(jax.random.key(seed), TRIALS)
    return jax.vmap(lambda number: jax.random.fold_in(trials_key, number))(seeds)


def _raise_errors(jobs: Sequence[Job], outcomes: Sequence[BaseException | None], *, last: bool) -> None:
    """Raise what a worker raised, and after the last start also that one died."""
    failed = [pair for pair in zip(jobs, outcomes, strict=True) if pair[1]]
    told = [(job, error) for job, error in failed if last or not isinstance(error, WorkerDied)]
    if told:
        job, error = told[0]
        starts = f" {NUM_STARTS} times" if isinstance(error, WorkerDied) else ""
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SweepError(
            f"{len(failed)} of {len(jobs)} configurations failed{starts}, first {dict(job.configuration)}: {reason}; "
            "finished trials are kept"
        ) from error
