"""Room sweep: how many trials a device should run at once, from what the compiler says of their memory."""

import math
from pathlib import Path
from typing import Any

import jax

from mmjax.sweep._errors import SweepError
from mmjax.sweep._processes import agreed

CACHE_BYTES = 2 * 2**20
"""On a CPU, trials that work on more memory than this run one by one: batches of them leave the cache."""
SHARE = 0.8
"""Of the memory that is free, how much a program may take."""


def fewer_lanes(
    compiled: jax.stages.Compiled, lanes: int, *, num_devices: int, memory_limit: int | None, mind_cache: bool
) -> int:
    """Return how many of its trials a device should run at once: `lanes` where the program is fine as it is.

    Args:
      compiled: a program whose devices run `lanes` trials at once.
      lanes: their number.
      num_devices: of this process, which share its memory on a CPU.
      memory_limit: bytes that a device may use; None: most of what is free.
      mind_cache: whether trials may run one by one for speed.

    Returns:
      `lanes`, or fewer; the same number in all processes.

    Raises:
      SweepError: if not even one trial fits.
    """
    memory: Any = compiled.memory_analysis()
    if memory is None:  # a backend that does not say
        return lanes
    taken = memory.temp_size_in_bytes + memory.output_size_in_bytes
    limit = float(agreed(memory_limit or _free_bytes(num_devices))) - memory.argument_size_in_bytes
    if mind_cache and lanes > 1 and jax.default_backend() == "cpu" and taken > lanes * CACHE_BYTES:
        return 1
    if taken <= limit:
        return lanes
    if lanes == 1:
        raise SweepError(
            f"a trial takes about {taken / 2**20:.3g} MiB and a device has {max(limit, 0) / 2**20:.3g} MiB left for "
            "it; use a smaller model or batch, or raise memory_limit"
        )
    return max(1, min(lanes // 2, int(limit * lanes // taken)))  # in proportion, but what is shared does not shrink


def _free_bytes(num_devices: int) -> float:
    statistics = jax.local_devices()[0].memory_stats()
    if statistics and "bytes_limit" in statistics:
        return SHARE * (statistics["bytes_limit"] - statistics["bytes_in_use"])
    return SHARE * min(_available(), _left_to_group()) / num_devices


def _available() -> float:
    """Return the memory to be had without swapping; no limit where the system does not say it as Linux does."""
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        return 1024.0 * int(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return math.inf


def _left_to_group() -> float:
    """Return what the control group of this process, such as a container or a SLURM job, may still take."""
    try:
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text() for name in ("max", "current"))
        return float(limit) - float(used)
    except (OSError, ValueError):  # "max": no limit
        return math.inf
