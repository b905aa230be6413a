"""Experiments, benchmarks: a sweep of training runs against the ways in which runs are made one by one.

All train the same models on the same data by the same steps. The Python loop is the usual one: a jitted step, called
for each batch. Whole runs are ours, jitted, called trial after trial: what the batch of trials itself is worth.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from experiments.benchmarks.timing import Comparison, compare
from experiments.sweep.task import load
from mmjax import models
from mmjax.competition import joint
from mmjax.data import Splits, batch_at
from mmjax.sweep import map_trials
from mmjax.training import Train, TrainConfig, adam, make_train, select

NUM_TRIALS = 128
NUM_SEGMENTS, STEPS_PER_SEGMENT, BATCH_SIZE = 2, 100, 32
WORK = f"{NUM_SEGMENTS * STEPS_PER_SEGMENT} training steps"


def measure(repetitions: int) -> Iterator[Comparison]:
    """Measure 128 trials on halves of digits: width 16 against all ways, wider ones against whole runs."""
    data = load("digits", 0, 0)
    keys = jax.random.split(jax.random.key(0), NUM_TRIALS)
    rates = np.geomspace(1e-4, 1e-1, NUM_TRIALS)
    for width in (16, 64, 128, 256):
        train = _train(width, data)

        def trial(key: Array, hparams: Any, data: Splits, train: Train = train) -> Any:
            return select(train.train(key, hparams, data))

        def ours(trial: Callable[..., Any] = trial) -> Any:
            return map_trials(trial, keys, {"learning_rate": rates}, data)

        peers = {"whole jitted runs, one after another": (4, _whole_runs(train, keys, rates, data))}
        if width == 16:
            peers["Python loop over jitted steps"] = (2, _python_loop(width, keys, rates, data))
            peers["runs compiled one by one"] = (1, _compiled_one_by_one(width, keys, rates, data))
        for peer, (num_trials, theirs) in peers.items():
            yield compare(
                WORK,
                f"width {width}",
                NUM_TRIALS,
                peer,
                ours,
                functools.partial(_some, theirs, num_trials),
                repetitions=repetitions,
                theirs_batch=num_trials,
            )


def _some(run: Callable[[int], Any], num_trials: int) -> None:
    for k in range(num_trials):
        run(k)


def _model(width: int, data: Splits) -> models.Model:
    module = models.Multimodal(
        encoders={name: models.MLP((width, width)) for name in data.train.modalities},
        head=models.LateLinear(10),
        num_outputs=10,
    )
    return models.functional(module, jax.tree.map(lambda x: x[:1], data.train.modalities))


def _train(width: int, data: Splits) -> Train:
    config = TrainConfig(num_segments=NUM_SEGMENTS, steps_per_segment=STEPS_PER_SEGMENT, batch_size=BATCH_SIZE)
    return make_train(config, _model(width, data), joint())


def _whole_runs(train: Train, keys: Array, rates: np.ndarray, data: Splits) -> Callable[[int], Any]:
    run = jax.jit(lambda key, rate: select(train.train(key, {"learning_rate": rate}, data)))
    return lambda k: jax.block_until_ready(run(keys[k], rates[k]))


def _compiled_one_by_one(width: int, keys: Array, rates: np.ndarray, data: Splits) -> Callable[[int], Any]:
    def run(k: int) -> Any:
        train = _train(width, data)
        hparams = {"learning_rate": jnp.float32(rates[k])}  # a constant of the program
        return jax.block_until_ready(jax.jit(lambda key: select(train.train(key, hparams, data)))(keys[k]))

    return run


def _python_loop(width: int, keys: Array, rates: np.ndarray, data: Splits) -> Callable[[int], Any]:
    model, strategy = _model(width, data), joint()

    @jax.jit
    def step(params: Any, memory: Any, rate: Array, key: Array, number: int) -> tuple[Any, Any]:
        batch = batch_at(data.train, key, number, batch_size=BATCH_SIZE)
        gradients = jax.grad(lambda p: strategy.loss(model, p, {}, (), batch, key)[0])(params)
        updates, memory = adam(rate).update(gradients, memory, params)
        return optax.apply_updates(params, updates), memory

    @jax.jit
    def evaluate(params: Any) -> Any:
        parts = (data.valid, data.test)
        latents = [model.encode({"params": params}, part.modalities, part.masks)[0] for part in parts]
        logits = [model.fuse({"params": params}, z, part.masks) for z, part in zip(latents, parts, strict=True)]
        return [(x.argmax(1) == part.label).mean() for x, part in zip(logits, parts, strict=True)]

    init = jax.jit(lambda key: model.init(key)["params"])

    def run(k: int) -> Any:
        params = init(keys[k])
        memory = adam(rates[k]).init(params)
        for number in range(NUM_SEGMENTS * STEPS_PER_SEGMENT):
            params, memory = step(params, memory, rates[k], keys[k], number)
            if (number + 1) % STEPS_PER_SEGMENT == 0:
                accuracy = evaluate(params)
        return jax.block_until_ready((params, accuracy))

    return run
