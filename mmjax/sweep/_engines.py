"""Room sweep: engines: where the configurations of a sweep run.

An engine runs jobs, calls `poll` about every second meanwhile, and returns what became of each: None, the error that
it raised, or `WorkerDied`. Jobs do not depend on each other and may be run again.
"""

import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

SECONDS_BETWEEN_POLLS = 0.5
MINUTES_OF_A_JOB = 7 * 24 * 60


class EngineJob(Protocol):
    """What an engine runs."""

    @property
    def configuration(self) -> Mapping[str, Any]:
        """Its static point."""

    def __call__(self, after_chunk: Callable[[], None] = ...) -> None:
        """Run."""


Outcomes = list[BaseException | None]
Engine = Callable[[Sequence[Any], Callable[[], None]], Outcomes]
"""`(jobs, poll)` to outcomes."""


class WorkerDied(Exception):
    """A worker ended without an answer: killed, out of memory, its machine gone."""


class WorkerError(Exception):
    """What a worker raised: its last line, and its traceback."""

    def __str__(self) -> str:
        """Return the last line."""
        return str(self.args[0])


def inline(jobs: Sequence[EngineJob], poll: Callable[[], None]) -> Outcomes:
    """Run jobs one after another in this process, each on all its devices; errors are raised as they are."""
    for job in jobs:
        job(poll)
    return [None] * len(jobs)


def submitit(*, num_workers: int = 2, cluster: str | None = None, logs: str = "submitit", **parameters: Any) -> Engine:
    """Make an engine that runs each job in a process of its own, here or on SLURM (package submitit).

    Args:
      num_workers: jobs at a time.
      cluster: "local" for processes on this machine, "slurm"; None: slurm where there is one, else local.
      logs: folder of submitit's scripts and of the workers' output, shared with the workers.
      **parameters: of submitit's `AutoExecutor`: `gpus_per_node`, `timeout_min`, `slurm_partition`, ...

    Returns:
      the engine.

    Raises:
      ValueError: if there is no worker.
    """
    _check_workers(num_workers)

    def run(jobs: Sequence[EngineJob], poll: Callable[[], None]) -> Outcomes:
        import submitit as package

        executor = package.AutoExecutor(folder=logs, cluster=cluster)
        executor.update_parameters(**{"timeout_min": MINUTES_OF_A_JOB, **parameters})

        def outcome(handle: Any) -> BaseException | None:
            try:
                return handle.result()
            except package.core.utils.UncompletedJobError as error:
                return WorkerDied(str(error))

        return _run_some_at_a_time(
            jobs, poll, num_workers, lambda job: executor.submit(_call, job), lambda handle: handle.done(), outcome
        )

    return run


def ray(*, num_workers: int = 2, address: str | None = None, **options: Any) -> Engine:
    """Make an engine that runs jobs in the workers of a Ray cluster (extra `ray`); a worker keeps JAX from job to job.

    Args:
      num_workers: jobs at a time.
      address: of a running cluster, "auto" for the one of this machine; None: a new one on this machine.
      **options: of a Ray task: `num_gpus=1`, `num_cpus`, `runtime_env`, ...

    Returns:
      the engine.

    Raises:
      ValueError: if there is no worker.
    """
    _check_workers(num_workers)

    def run(jobs: Sequence[EngineJob], poll: Callable[[], None]) -> Outcomes:
        import ray as package

        def outcome(handle: Any) -> BaseException | None:
            try:
                return package.get(handle)
            except package.exceptions.RayError as error:
                return WorkerDied(str(error))

        mine = not package.is_initialized()
        if mine:
            size: dict[str, Any] = {} if address else {"num_cpus": num_workers}
            package.init(
                address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **size
            )
        task = package.remote(max_retries=0, **options)(_call)
        try:
            return _run_some_at_a_time(
                jobs, poll, num_workers, task.remote, lambda handle: bool(package.wait([handle], timeout=0)[0]), outcome
            )
        finally:
            if mine:
                package.shutdown()

    return run


def _call(job: EngineJob) -> BaseException | None:
    """Run a job in a worker; its error comes back as a value, with its traceback."""
    try:
        job()
    except Exception as error:
        return WorkerError(f"{type(error).__name__}: {error}", traceback.format_exc())
    return None


def _run_some_at_a_time(
    jobs: Sequence[EngineJob],
    poll: Callable[[], None],
    num_workers: int,
    submit: Callable[[EngineJob], Any],
    is_done: Callable[[Any], bool],
    outcome: Callable[[Any], BaseException | None],
) -> Outcomes:
    outcomes: Outcomes = [None] * len(jobs)
    waiting = list(range(len(jobs)))
    running: dict[int, Any] = {}
    while waiting or running:
        while waiting and len(running) < num_workers:
            number = waiting.pop(0)
            running[number] = submit(jobs[number])
        for number in [number for number, handle in running.items() if is_done(handle)]:
            outcomes[number] = outcome(running.pop(number))
        poll()
        time.sleep(SECONDS_BETWEEN_POLLS)
    return outcomes


def _check_workers(num_workers: int) -> None:
    if num_workers < 1:
        raise ValueError(f"num_workers must be at least 1; got {num_workers}")
