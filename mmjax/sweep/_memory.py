"""Room sweep: how many trials a device should run at once, from what the compiler says of their memory."""

import os
from typing import Any

import jax

from mmjax.sweep._errors import SweepError
from mmjax.sweep._processes import agreed

CACHE_BYTES = 2 * 2**20
"""On a CPU, trials that work on more memory than this run one by one: batches of them leave the cache."""
SHARE = 0.8
"""Of the memory that is free, how much a program may take."""


def fitting_lanes(compiled: jax.stages.Compiled, num_lanes: int, memory_limit: int | None) -> int:
    """Return how many trials of a program a device should run at once, the same number in all processes.

    Args:
      compiled: the program of `num_lanes` trials a device, all at once.
      num_lanes: their number.
      memory_limit: bytes that a device may use; None: most of what is free.

    Returns:
      at most `num_lanes`.

    Raises:
      SweepError: if not even one trial fits.
    """
    memory: Any = compiled.memory_analysis()
    if memory is None:  # a backend that does not say
        return num_lanes
    of_trial = (memory.temp_size_in_bytes + memory.output_size_in_bytes) / num_lanes
    limit = float(agreed(memory_limit or _free_bytes())) - memory.argument_size_in_bytes
    if of_trial > limit:
        raise SweepError(
            f"a trial takes about {of_trial / 2**20:.3g} MiB and a device has {max(limit, 0) / 2**20:.3g} MiB left for "
            "it; use a smaller model or batch, or raise memory_limit"
        )
    if jax.default_backend() == "cpu" and of_trial > CACHE_BYTES:
        return 1
    return min(num_lanes, int(limit // of_trial)) if of_trial else num_lanes


def _free_bytes() -> float:
    """Return the memory that a device may take; on a CPU, devices share what is free."""
    statistics = jax.local_devices()[0].memory_stats()
    if statistics and "bytes_limit" in statistics:
        return SHARE * (statistics["bytes_limit"] - statistics["bytes_in_use"])
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return SHARE * free / jax.local_device_count()
