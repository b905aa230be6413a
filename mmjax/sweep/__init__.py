"""Room of sweep (floor 6): a space of trials, run as few programs on many devices and machines, and its results."""

from mmjax.sweep._engines import Engine, WorkerDied, inline, ray, submitit
from mmjax.sweep._errors import SweepError
from mmjax.sweep._files import write_whole
from mmjax.sweep._launch import Task, launch
from mmjax.sweep._processes import is_first_process, wait_for_all
from mmjax.sweep._program import Execution, TrialFn, map_trials
from mmjax.sweep._progress import Progress
from mmjax.sweep._space import Space, grid, random, zipped
from mmjax.sweep._store import read
from mmjax.sweep._tables import differences, select, summary, to_table

__all__ = [
    "Engine",
    "Execution",
    "Progress",
    "Space",
    "SweepError",
    "Task",
    "TrialFn",
    "WorkerDied",
    "differences",
    "grid",
    "inline",
    "is_first_process",
    "launch",
    "map_trials",
    "random",
    "ray",
    "read",
    "select",
    "submitit",
    "summary",
    "to_table",
    "wait_for_all",
    "write_whole",
    "zipped",
]
