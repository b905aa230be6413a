"""Room sweep: what processes of one program (`jax.distributed`) must agree on, lest they wait for each other."""

from typing import Any

import jax
import numpy as np


def writes() -> bool:
    """Say whether this process is the one that writes."""
    return not _several() or jax.process_index() == 0


def agreed(x: Any) -> Any:
    """Return what the first process says, an array or a number; `x` where there is only one."""
    if not _several():
        return x
    from jax.experimental.multihost_utils import broadcast_one_to_all

    return np.asarray(broadcast_one_to_all(np.asarray(x)))


def fetched(out: Any) -> Any:
    """Bring the arrays of a program to every host."""
    if not _several():
        return jax.device_get(out)
    from jax.experimental.multihost_utils import process_allgather

    return process_allgather(out, tiled=True)


def wait_for_all() -> None:
    """Wait until all processes are here."""
    if _several():
        from jax.experimental.multihost_utils import sync_global_devices

        sync_global_devices("sweep")


def _several() -> bool:
    """Say whether there are several; starts no device, which would take it from workers, where there is one."""
    return jax.distributed.is_initialized() and jax.process_count() > 1
