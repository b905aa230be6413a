"""Experiments, competition: what a method costs: the time between two evaluations, beside that of joint training."""

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.competition.trial import setup_of
from experiments.harness import Rows

REPETITIONS = 5
BASELINE = "joint"


def cost_rows(static: Mapping[str, Any], hparams: Mapping[str, Mapping[str, float]], seed: int) -> Rows:
    """Time one run alone of each method: its steps between two evaluations, and all it does at their end.

    Methods take turns, so that a slow spell of the machine falls on all of them.

    Args:
      static: as `setup_of` takes it.
      hparams: method to hyper-parameters of a run; joint training among them.
      seed: of data and runs.

    Returns:
      a row a method with `cost`, the median over the repetitions of its time over that of joint training.
    """
    setup = setup_of(static)
    data_key, run_key = jax.random.split(jax.random.key(seed))
    parts = setup.splits(data_key, setup.data)
    runs = {}
    for method, values in hparams.items():
        train, numbers = setup.train(method), jax.tree.map(jnp.asarray, dict(values))
        state, _ = train.segment(train.init(run_key, numbers), numbers, parts)
        runs[method] = functools.partial(train.segment, state, numbers, parts)
    seconds: dict[str, list[float]] = {method: [] for method in runs}
    for _ in range(REPETITIONS):
        for method, segment in runs.items():
            seconds[method].append(_seconds(segment))
    joint = np.array(seconds[BASELINE])
    where = {"data": static["data"], "head": static["head"]}
    return [where | {"method": method, "cost": float(np.median(spent / joint))} for method, spent in seconds.items()]


def _seconds(segment: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(segment())
    return time.perf_counter() - start
