"""Room sweep: engines: where the configurations of a sweep run.

An engine runs jobs, calls `poll` about every second meanwhile, and returns what became of each: None, the error that
it raised, or `WorkerDied`. Jobs do not depend on each other and may be run again.
"""

import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from mmjax.sweep._errors import SweepError

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
    """What a worker raised: the last line, and as a note its traceback."""


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

        try:
            executor = package.AutoExecutor(folder=logs, cluster=cluster)
            executor.update_parameters(**{"timeout_min": MINUTES_OF_A_JOB, **parameters})
        except (ValueError, RuntimeError, NameError) as error:  # no such cluster or parameter, no SLURM here
            raise SweepError(f"submitit: {error}") from error

        def outcome(handle: Any) -> BaseException | None:
            try:
                return handle.result()
            except package.core.utils.UncompletedJobError as error:
                last = str(error).strip().splitlines()[-1]
                return WorkerDied(f"the worker died ({last}); see {handle.paths.stderr}")

        return _run_some_at_a_time(
            jobs,
            poll,
            num_workers,
            submit=lambda job: executor.submit(_call, job),
            is_done=lambda handle: handle.done(),
            outcome=outcome,
            cancel=lambda handle: handle.cancel(),
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
                return WorkerDied(f"the worker died ({str(error).strip().splitlines()[0]})")

        mine = not package.is_initialized()
        if mine:
            size: dict[str, Any] = {} if address else {"num_cpus": num_workers * options.get("num_cpus", 1)}
            package.init(
                address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **size
            )
        task = package.remote(max_retries=0, **options)(_call)
        try:
            gpus = package.cluster_resources().get("GPU", 0)
            if not address and options.get("num_gpus", 0) > gpus:  # Ray would wait for them for ever
                raise SweepError(f"a worker asks for {options['num_gpus']} GPUs and this machine has {gpus:.0f}")
            return _run_some_at_a_time(
                jobs,
                poll,
                num_workers,
                submit=task.remote,
                is_done=lambda handle: bool(package.wait([handle], timeout=0)[0]),
                outcome=outcome,
                cancel=lambda handle: package.cancel(handle, force=True),
            )
        finally:
            if mine:
                package.shutdown()

    return run


def _call(job: EngineJob) -> BaseException | None:
    """Run a job in a worker; its error comes back as a value."""
    try:
        job()
    except Exception as error:
        told = WorkerError(f"{type(error).__name__}: {error}")
        told.add_note(traceback.format_exc())
        return told
    return None


def _run_some_at_a_time(
    jobs: Sequence[EngineJob],
    poll: Callable[[], None],
    num_workers: int,
    *,
    submit: Callable[[EngineJob], Any],
    is_done: Callable[[Any], bool],
    outcome: Callable[[Any], BaseException | None],
    cancel: Callable[[Any], None],
) -> Outcomes:
    outcomes: Outcomes = [None] * len(jobs)
    waiting = list(range(len(jobs)))
    running: dict[int, Any] = {}
    try:
        while waiting or running:
            while waiting and len(running) < num_workers:
                number = waiting.pop(0)
                running[number] = submit(jobs[number])
            for number in [number for number, handle in running.items() if is_done(handle)]:
                outcomes[number] = outcome(running.pop(number))
            poll()
            time.sleep(SECONDS_BETWEEN_POLLS)
    finally:
        for handle in running.values():  # after an interruption; else there is none
            cancel(handle)
    return outcomes


def _check_workers(num_workers: int) -> None:
    if num_workers < 1:
        raise ValueError(f"num_workers must be at least 1; got {num_workers}")
