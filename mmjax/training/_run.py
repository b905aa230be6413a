"""Room training: the host's loop over the segments of a run, with progress, checkpoints and early stop."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from mmjax.data import Splits
from mmjax.training._checkpoint import Checkpoints
from mmjax.training._config import Hparams, Metrics, TrainConfig
from mmjax.training._fit import Train, TrainState, stopped

Progress = Callable[[int, Metrics], None]
"""Called after each segment with its number and its metrics, as NumPy arrays."""


class Run(NamedTuple):
    """A finished run."""

    state: TrainState
    """Its last state; `state.best.variables` is the model selected on validation data."""
    metrics: Metrics
    """Of the segments made, (num_segments_made,) each; `select` picks the best one."""


def run(
    train: Train,
    key: Array,
    hparams: Hparams,
    data: Splits,
    *,
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train segment by segment, the same program as `train.train` with the host between segments.

    Args:
      train: what `make_train` made.
      key: PRNG key of the run.
      hparams: names to numbers, which become floats; arrays of integers stay what they are.
      data: train, valid and test parts, on the device.
      checkpoint: a folder; a run that was interrupted goes on from its last checkpoint and ends bit by bit as if it
        had not been. A finished run is only read.
      progress: called after each segment.

    Returns:
      the run.

    Raises:
      ValueError: if the folder holds a run of another configuration, hyper-parameters, key or number of parameters;
        what a strategy or an objective is beyond that is not compared.
      CheckpointError: if a checkpoint cannot be written, for example because the disk is full.
    """
    hparams = {name: _number(value) for name, value in hparams.items()}
    state = train.init(key, hparams)
    history = _empty_history(train, state, hparams, data)
    if checkpoint is None:
        return _go_on(train, state, history, hparams, data, progress, lambda number, tree: None)
    with Checkpoints(checkpoint, _configuration(train.config, state, key, hparams)) as checkpoints:
        if checkpoints.latest() is not None:
            state, history = checkpoints.restore((state, history))
        return _go_on(train, state, history, hparams, data, progress, checkpoints.save)


def _go_on(
    train: Train,
    state: TrainState,
    history: Metrics,
    hparams: Hparams,
    data: Splits,
    progress: Progress | None,
    save: Callable[[int, Any], None],
) -> Run:
    history = jax.tree.map(np.array, history)
    first = int(state.segment)
    made = first
    for number in range(first, train.config.num_segments):
        if stopped(train.config, state):
            break
        state, metrics = train.segment(state, hparams, data)
        metrics, made = jax.device_get(metrics), number + 1
        jax.tree.map(lambda all_, one, number=number: all_.__setitem__(number, one), history, metrics)
        save(made, (state, jax.tree.map(np.copy, history)))
        if progress is not None:
            progress(number, metrics)
    return Run(state, jax.tree.map(lambda x: x[:made], history))


def _number(value: ArrayLike) -> Array:
    """Return a hyper-parameter as a float, but arrays of integers, such as groups of a plan, as they are."""
    whole = isinstance(value, jax.Array | np.ndarray) and jnp.issubdtype(value.dtype, jnp.integer)
    return jnp.asarray(value, None if whole else float)


def _empty_history(train: Train, state: TrainState, hparams: Hparams, data: Splits) -> Metrics:
    _, metrics = jax.eval_shape(train.segment, state, hparams, data)
    return jax.tree.map(lambda x: np.zeros((train.config.num_segments, *x.shape), x.dtype), metrics)


def _configuration(config: TrainConfig, state: TrainState, key: Array, hparams: Mapping[str, Array]) -> dict[str, Any]:
    """What two runs must have in common for one to go on where the other stopped."""
    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    plain = {name: getattr(value, "__qualname__", value) for name, value in fields.items()}
    numbers = {name: np.asarray(value).tolist() for name, value in hparams.items()}
    size = sum(x.size for x in jax.tree.leaves(state.params))
    return {**plain, **numbers, "num_parameters": size, "key": np.asarray(jax.random.key_data(key)).tolist()}
