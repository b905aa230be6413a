"""Room sweep: what processes of one program (`jax.distributed`) must agree on, lest they wait for each other."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.sweep._errors import SweepError

T = TypeVar("T")


def is_first_process() -> bool:
    """Say whether this process is the one that writes and prints, of several with `jax.distributed`."""
    return not several() or jax.process_index() == 0


def agreed(x: Any) -> Any:
    """Return what the first process says, an array or a number; `x` where there is only one."""
    if not several():
        return x
    from jax.experimental.multihost_utils import broadcast_one_to_all

    return np.asarray(broadcast_one_to_all(np.asarray(x)))


def fetched(out: Any) -> Any:
    """Bring the arrays of a program to every host."""
    if not several():
        return jax.device_get(out)
    from jax.experimental.multihost_utils import process_allgather

    return process_allgather(out, tiled=True)


def wait_for_all() -> None:
    """Wait until all processes are here, of several with `jax.distributed`."""
    if several():
        from jax.experimental.multihost_utils import sync_global_devices

        sync_global_devices("mmjax")


def placed(arrays: Any, sharding: jax.sharding.Sharding) -> Any:
    """Bring arrays, the same in all processes, to their devices."""
    if not several():
        return jax.device_put(arrays, sharding)  # of several processes it would compare them, and NaN is not itself

    def place(x: Any) -> Any:
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(place(jax.random.key_data(x)), impl=jax.random.key_impl(x))
        host = np.asarray(x)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    return jax.tree.map(place, arrays)


def together(work: Callable[[], T]) -> T:
    """Do a process's own work, after which all go on or none: the others would wait for one that failed.

    Raises:
      SweepError: if another process has an error; what this process's work raises, as it is.
    """
    if not several():
        return work()
    from jax.experimental.multihost_utils import process_allgather

    try:
        result = work()
    except Exception:
        process_allgather(np.asarray(True))
        raise
    failed = np.flatnonzero(process_allgather(np.asarray(False)))
    if len(failed):
        raise SweepError(f"process {failed[0]} failed and says why; finished trials are kept")
    return result


def several() -> bool:
    """Say whether there are several; starts no device, which would take it from workers, where there is one."""
    return jax.distributed.is_initialized() and jax.process_count() > 1
