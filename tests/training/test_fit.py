"""Runs of any objective: several sets of samples, full batches, metrics of batches, traced hyper-parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import Splits, batch_of
from mmjax.training import NewStatistics, Objective, TrainConfig, blockwise, make_fit, run

CONFIG = TrainConfig(num_segments=3, steps_per_segment=6, batch_size=4, drop_last=True)
RATE = {"learning_rate": jnp.float32(0.1)}


def numbers(*values):
    return batch_of({"x": np.asarray(values, float)[:, None]}, np.zeros(len(values), int))


def means(batch):
    return {name: jnp.mean(part.modalities["x"]) for name, part in batch.items()}


def target_objective(weight=1.0):
    """Bring a number to the difference of two sets' means."""

    def loss(params, statistics, memory, batch, key):
        mean = means(batch)
        value = weight * (params["z"] - (mean["plus"] - mean["minus"])) ** 2
        return value, NewStatistics({"running": {"seen": statistics["running"]["seen"] + 1}})

    def evaluate(variables, data):
        mean = means(data)
        return {"loss": (variables["params"]["z"] - (mean["plus"] - mean["minus"])) ** 2}

    return Objective(lambda key: {"params": {"z": jnp.zeros(())}, "running": {"seen": jnp.zeros(())}}, loss, evaluate)


DATA = {"plus": numbers(3, 3, 3, 3, 3), "minus": numbers(*[1] * 9)}
SPLITS = Splits(DATA, DATA, DATA)


def test_sets_of_different_sizes_are_seen_together(tmp_path):
    train = make_fit(CONFIG, target_objective())
    finished = run(train, jax.random.key(0), {"learning_rate": 0.3}, SPLITS, checkpoint=tmp_path / "run")
    assert finished.state.statistics["running"]["seen"] == 18
    np.testing.assert_allclose(finished.state.best.variables["params"]["z"], 2, atol=0.5)
    again = run(train, jax.random.key(0), {"learning_rate": 0.3}, SPLITS, checkpoint=tmp_path / "run")
    assert again.state.params["z"] == finished.state.params["z"]


def test_an_objective_of_hyper_parameters_is_one_program():
    traces = []

    def objective(hparams):
        traces.append(1)
        return target_objective(hparams["weight"])

    train = jax.jit(jax.vmap(make_fit(CONFIG, objective).train, in_axes=(0, 0, None)))
    hparams = {"learning_rate": jnp.full(5, 0.1), "weight": jnp.arange(5.0)}
    first = train(jax.random.split(jax.random.key(0), 5), hparams, SPLITS)
    made = len(traces)
    train(jax.random.split(jax.random.key(1), 5), hparams, SPLITS)
    assert len(traces) == made
    assert first["train"]["loss"][0, 0] == 0 and np.all(first["train"]["loss"][1:, 0] > 0)


def test_an_epoch_of_full_batches_leaves_out_what_does_not_fill_one():
    """Five samples in batches of four: one is left out, another one in most epochs."""
    data = batch_of({"x": np.arange(5.0)[:, None]}, np.zeros(5, int))

    def loss(params, statistics, memory, batch, key):
        seen = jnp.zeros(5).at[batch.modalities["x"][:, 0].astype(int)].add(batch.weight)
        return 0.0 * params["z"], NewStatistics({"running": {"seen": statistics["running"]["seen"] + seen}})

    objective = Objective(
        init=lambda key: {"params": {"z": jnp.zeros(())}, "running": {"seen": jnp.zeros(5)}},
        loss=loss,
        evaluate=lambda variables, data: {"loss": jnp.zeros(())},
    )
    train = make_fit(CONFIG, objective)
    state, _ = train.segment(train.init(jax.random.key(0), RATE), RATE, Splits(data, data, data))
    seen = np.asarray(state.statistics["running"]["seen"])
    assert seen.sum() == 24 and seen.max() <= 6 and np.ptp(seen) > 0


def test_too_few_samples_for_a_batch_are_refused():
    few = {"plus": numbers(1, 2, 3), "minus": numbers(*[1] * 9)}
    train = make_fit(CONFIG, target_objective())
    with pytest.raises(ValueError, match="3 samples fill no batch of 4"):
        train.train(jax.random.key(0), RATE, Splits(few, few, few))


def test_metrics_of_batches_are_averaged_over_disjoint_ones():
    evaluate = blockwise(lambda variables, batch: {"loss": jnp.max(batch.modalities["x"])}, 2)
    assert evaluate({}, numbers(1, 5, 2, 0, 9))["loss"] == 3.5
    with pytest.raises(ValueError, match="data of 1 samples hold no batch of 2"):
        evaluate({}, numbers(1))
