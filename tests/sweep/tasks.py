"""Tasks of the launch tests, importable by workers of any engine."""

import os
import signal
from pathlib import Path

import jax
import jax.numpy as jnp

from mmjax.sweep import Space, grid

SPACE = Space(static=grid(scale=(1, 2, 3)), traced=grid(rate=(0.1, 0.2, 0.3)), num_seeds=2, seed=7)


def walk(static):
    """Walks whose ends depend on scale, rate, key and data."""
    scale = static["scale"]

    def trial(key, hparams, data):
        path = data + scale * jnp.cumsum(hparams["rate"] * jax.random.normal(key, (50,)))
        return {"valid": {"loss": path[-1]}, "path": path[::10]}

    return trial, jnp.float32(1)


def deadly_walk(static):
    """The walks, whose process kills itself at the first trial of rate 0.2 and scale 2 that it ever runs."""
    trial, data = walk(static)

    def die(rate):
        marker = Path(os.environ["MMJAX_TEST_MARKER"])
        if rate > 0.15 and not marker.exists():
            marker.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)

    def deadly(key, hparams, data):
        if static["scale"] == 2:
            jax.debug.callback(die, hparams["rate"])
        return trial(key, hparams, data)

    return deadly, data


def failing_walk(static):
    """The walks, one of which has an error."""
    if static["scale"] == 2:
        raise ValueError("scale 2 is not for walking")
    return walk(static)
