"""Experiments, estimators: all estimators on distributions of known information, a dimension a program."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.estimators.critics import objective
from experiments.estimators.runs import config_of
from mmjax import estimators
from mmjax.data import INFORMATION_TASKS, InformationTask, Splits, mixture_tasks, multinormal_task
from mmjax.sweep import TrialFn
from mmjax.training import make_fit, pairs, select

CEILING = 20.0
"""Nats at which an estimate is cut off in the rows: some diverge, and one number should not end all means."""
SAMPLE_ESTIMATORS = {
    "KSG": lambda x, y: estimators.ksg(x, y, num_neighbours=10),
    "Gaussian copula": lambda x, y: estimators.gaussian_copula_information(x, y),
}
"""Estimators that train nothing."""


@functools.cache
def catalogue() -> dict[str, InformationTask]:
    """Return all distributions by name: those of Beyond Normal, mixtures, and multinormals of given information."""
    multinormals = [
        multinormal(dim, information) for dim in MULTINORMAL_DIMS for information in MULTINORMAL_INFORMATIONS
    ]
    return {**INFORMATION_TASKS, **mixture_tasks(), **{task.name: task for task in multinormals}}


MULTINORMAL_DIMS = (1, 5, 25)
MULTINORMAL_INFORMATIONS = (0.0, 0.5, 1.0, 2.0, 4.0)


def multinormal(dim: int, information: float) -> InformationTask:
    """Make two normal variables of `dim` coordinates each, every one correlated with its partner alone."""
    correlation = np.sqrt(1 - np.exp(-2 * information / dim))
    cross = correlation * np.eye(dim)
    covariance = np.block([[np.eye(dim), cross], [cross, np.eye(dim)]])
    return multinormal_task(covariance, dim, name=f"multinormal-{dim}-{information:g}")


def groups(names: Sequence[str]) -> dict[tuple[int, int], list[str]]:
    """Sort distributions by the dimensions of x and y: those of one group are trials of one program."""
    found: dict[tuple[int, int], list[str]] = {}
    for name in names:
        task = catalogue()[name]
        found.setdefault((task.dim_x, task.dim_y), []).append(name)
    return found


def make_trial(static: Mapping[str, Any]) -> tuple[TrialFn, tuple[()]]:
    """Make the trials of a group: `task` and `estimator` are what they differ by.

    Args:
      static: `tasks` and `estimators`, names joined by commas, and `separable`, `width`, `num_segments`,
        `steps_per_segment`, `batch_size`, `num_samples`, `learning_rate`.

    Returns:
      the trial, which draws its own samples: half to train on, a quarter to choose the segment by, a quarter to
      estimate from; and no data.
    """
    tasks = [catalogue()[name] for name in static["tasks"].split(",")]
    names = static["estimators"].split(",")
    dims = tasks[0].dim_x, tasks[0].dim_y
    config = config_of(static)
    options = {name: static[name] for name in ("width", "separable", "batch_size")}
    train = make_fit(config, lambda hparams: objective(names, hparams["estimator"], dims, **options))

    def trial(key: Array, hparams: Mapping[str, Array], data: tuple[()]) -> dict[str, Any]:
        sample_key, run_key = jax.random.split(key)
        x, y = sample(tasks, hparams["task"], sample_key, static["num_samples"])
        learning = {"learning_rate": jnp.float32(static["learning_rate"]), "estimator": hparams["estimator"]}
        best = select(train.train(run_key, learning, _splits(x, y)))
        bounded = jnp.clip(best["test"]["information"], -CEILING, CEILING)
        return {"valid": {"loss": best["valid"]["loss"]}, "test": {"information": bounded}}

    return trial, ()


def sample(tasks: Sequence[InformationTask], chosen: Array, key: Array, num_samples: int) -> tuple[Array, Array]:
    """Draw from one of several distributions of equal dimensions, standardised coordinate by coordinate."""
    draws = [functools.partial(_draw, task, num_samples=num_samples) for task in tasks]
    return jax.lax.switch(jnp.asarray(chosen, int), draws, key)


def _draw(task: InformationTask, key: Array, *, num_samples: int) -> tuple[Array, Array]:
    x, y = task.sample(key, num_samples)
    return _standardised(x), _standardised(y)


def _standardised(x: Array) -> Array:
    return (x - jnp.mean(x, axis=0, keepdims=True)) / jnp.std(x, axis=0, keepdims=True)


def _splits(x: Array, y: Array) -> Splits:
    ends = (0, x.shape[0] // 2, 3 * x.shape[0] // 4, x.shape[0])
    return Splits(*(pairs(x[a:b], y[a:b]) for a, b in itertools.pairwise(ends)))


@functools.partial(jax.jit, static_argnames=("name", "estimator", "num_samples"))
def sample_estimates(keys: Array, *, name: str, estimator: str, num_samples: int) -> Array:
    """Estimate the information of a distribution from samples of it, once for each key, in nats."""

    def one(key: Array) -> Array:
        return SAMPLE_ESTIMATORS[estimator](*_draw(catalogue()[name], key, num_samples=num_samples))

    return jax.lax.map(one, keys)
