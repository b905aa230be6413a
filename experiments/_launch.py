"""Experiments, launch: where the trials of an experiment run, as options, and their live view."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import tyro
from tqdm import tqdm

from experiments._store import Rows, UserError
from mmjax import sweep


@dataclasses.dataclass(frozen=True)
class Launch:
    """Where trials run and how many at once; none of it is part of what a run is."""

    engine: Literal["inline", "submitit", "ray", "distributed"] = "inline"
    """inline: this process, on all its devices; submitit: SLURM, or processes here; ray: a Ray cluster; distributed:
    this is one of the processes of one program."""
    workers: int = 2
    """Configurations at a time, for submitit and ray."""
    cluster: str | None = None
    """For submitit: local or slurm; for ray: the address of a cluster, auto for the one that is running."""
    gpus: int = 0
    """GPUs of a worker, for submitit and ray."""
    partition: str | None = None
    """SLURM partition of the workers."""
    coordinator: str | None = None
    """For distributed: host:port of the first process; found out by itself under SLURM, MPI, on TPUs."""
    processes: int | None = None
    """For distributed: how many; found out likewise."""
    process: int | None = None
    """For distributed: which one this is, from 0; found out likewise."""
    devices: int | None = None
    """Devices a program uses; all by default."""
    chunk: int | None = None
    """Trials of one call of a program; all that fit by default."""
    memory_limit: int | None = None
    """Bytes that a device may use; most of what is free by default."""

    def __post_init__(self) -> None:
        """Refuse numbers that do nothing."""
        if self.workers < 1 or self.gpus < 0:
            raise ValueError(f"workers must be at least 1 and gpus at least 0; got {self.workers} and {self.gpus}")
        self.execution()

    def execution(self) -> sweep.Execution:
        """Return how a program's trials are spread."""
        return sweep.Execution(num_devices=self.devices, chunk=self.chunk, memory_limit=self.memory_limit)

    def start(self) -> None:
        """Make this process one of several, or keep it off the devices that its workers need."""
        if self.engine == "distributed":
            try:
                jax.distributed.initialize(self.coordinator, self.processes, self.process)
            except (ValueError, RuntimeError) as error:
                raise UserError(
                    f"{error} Start the processes by SLURM or MPI, or give all of --coordinator, --processes, --process"
                ) from error
        elif self.engine != "inline":
            jax.config.update("jax_platforms", "cpu")

    def device(self) -> str:
        """Say on what the trials run; trials of another device are not mixed with them."""
        return jax.devices()[0].device_kind if self.engine in ("inline", "distributed") else f"workers of {self.engine}"

    def engine_of(self, out: Path) -> sweep.Engine:
        """Return the engine, which may keep its logs in the experiment's folder."""
        if self.engine == "submitit":
            parameters: dict[str, Any] = {"gpus_per_node": self.gpus} if self.gpus else {}
            parameters |= {"slurm_partition": self.partition} if self.partition else {}
            return sweep.submitit(
                num_workers=self.workers, cluster=self.cluster, logs=str(out / "submitit"), **parameters
            )
        if self.engine == "ray":
            return sweep.ray(num_workers=self.workers, address=self.cluster, num_gpus=self.gpus)
        return sweep.inline


LaunchOptions = Annotated[Launch, tyro.conf.arg(name="")]
"""The type of a configuration's field `launch`: its fields are options without a prefix."""


class Sweep(NamedTuple):
    """An item whose rows are the trials of a sweep, each kept as soon as it is done."""

    task: sweep.Task
    space: sweep.Space
    launch: Launch = Launch()


def run_sweep(item: Sweep, out: Path, folder: Path) -> Rows:
    """Run the trials that have no results in `folder`, under a bar of progress, and return all as rows.

    Raises:
      UserError: if a trial cannot be run or its results not be kept.
    """
    interval = 0.5 if sys.stderr.isatty() else 10.0
    with tqdm(total=item.space.num_trials, desc="trials", unit="trial", ascii=True, mininterval=interval) as bar:

        def show(progress: sweep.Progress) -> None:
            bar.set_postfix_str(f"lowest validation loss {progress.best:.4g}", refresh=False)
            bar.update(progress.num_done - bar.n)

        try:
            trials = sweep.launch(
                item.task,
                item.space,
                folder,
                engine=item.launch.engine_of(out),
                execution=item.launch.execution(),
                progress=show,
            )
        except sweep.SweepError as error:
            raise UserError(str(error)) from error
        except ModuleNotFoundError as error:
            raise UserError(f"{error}; --engine {item.launch.engine} needs it (pip install {error.name})") from error
    return trials.to_dict("records")
