"""A run as pure functions: what it computes, that it is one program for many runs, and how it stops."""

import dataclasses
import subprocess
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

from mmjax.competition import Strategy, joint
from mmjax.data import batch_at
from mmjax.training import CheckpointError, TrainConfig, make_train, predict, run, select, stopped
from tests.training.conftest import few_metrics

CONFIG = TrainConfig(num_segments=4, steps_per_segment=7, batch_size=16, metrics_fn=few_metrics)
RATE = {"learning_rate": jnp.float32(0.05)}


def test_a_model_learns(linear_model, data):
    train = make_train(dataclasses.replace(CONFIG, num_segments=10), linear_model, joint())
    metrics = train.train(jax.random.key(0), RATE, data)
    assert metrics["test"]["accuracy"].shape == (10,)
    assert metrics["test"]["accuracy"][-1] > 0.85
    assert metrics["train"]["loss"][-1] < 0.5 * metrics["train"]["loss"][0]


def test_equals_a_loop_over_optax_steps(linear_model, data):
    """The batches of `batch_at`, the loss of the strategy and Adam's steps, one after another."""
    train = make_train(CONFIG, linear_model._replace(noise=0.0), joint())
    state = train.init(jax.random.key(3), RATE)
    order_key, _ = jax.random.split(state.key)
    params, statistics, optimizer = state.params, state.statistics, optax.adam(0.05)
    memory = optimizer.init(params)

    @jax.jit
    def step(params, statistics, memory, number):
        batch = batch_at(data.train, order_key, number, batch_size=16)

        def loss(params):
            return joint().loss(linear_model._replace(noise=0.0), params, statistics, (), batch, jax.random.key(0))

        gradients, aux = jax.grad(loss, has_aux=True)(params)
        updates, memory = optimizer.update(gradients, memory)
        return optax.apply_updates(params, updates), aux.statistics, memory

    for number in range(14):
        params, statistics, memory = step(params, statistics, memory, number)
    for _ in range(2):
        state, _ = train.segment(state, RATE, data)
    chex.assert_trees_all_close((state.params, state.statistics), (params, statistics), rtol=1e-5, atol=1e-6)


def test_many_runs_are_one_program_and_equal_single_ones(linear_model, data):
    traces = []

    def strategy(hparams):
        traces.append(1)
        return joint()

    train = make_train(CONFIG, linear_model, strategy)
    keys = jax.random.split(jax.random.key(0), 3)
    many = {"learning_rate": jnp.array([0.1, 0.01, 0.001]), "weight_decay": jnp.array([0.0, 0.1, 0.0])}
    together = jax.jit(jax.vmap(train.train, in_axes=(0, 0, None)))
    metrics = together(keys, many, data)
    num_traces = len(traces)
    together(keys, jax.tree.map(lambda x: 2 * x, many), data)
    assert len(traces) == num_traces
    for k in range(3):
        alone = train.train(keys[k], jax.tree.map(lambda x, k=k: x[k], many), data)
        chex.assert_trees_all_close(jax.tree.map(lambda x, k=k: x[k], metrics), alone, rtol=1e-4, atol=1e-5)
    assert len(traces) <= 2 * num_traces


def test_the_second_segment_is_the_program_of_the_first(linear_model, data):
    traces = []

    def strategy(hparams):
        traces.append(1)
        return joint()

    train = make_train(CONFIG, linear_model, strategy)
    state, _ = train.segment(train.init(jax.random.key(0), RATE), RATE, data)
    num_traces = len(traces)
    train.segment(state, RATE, data)
    assert len(traces) == num_traces


def test_arrays_of_integers_among_hyper_parameters_stay_what_they_are(linear_model, data):
    dtypes = []

    def strategy(hparams):
        dtypes.append({name: value.dtype for name, value in hparams.items()})
        return joint()

    config = dataclasses.replace(CONFIG, num_segments=1)
    hparams = {"learning_rate": 1, "groups": np.array([0, 2]), "weight_decay": np.float64(0.1)}
    run(make_train(config, linear_model, strategy), jax.random.key(0), hparams, data)
    assert dtypes[-1] == {"learning_rate": jnp.float32, "groups": jnp.int32, "weight_decay": jnp.float32}


def test_a_run_without_progress_stops_and_stays(linear_model, data, tmp_path):
    config = dataclasses.replace(CONFIG, num_segments=6, patience=2)
    train = make_train(config, linear_model, joint())
    metrics = train.train(jax.random.key(0), {"learning_rate": jnp.float32(-0.05)}, data)  # it climbs
    assert metrics["running"].tolist() == [True, True, True, False, False, False]
    assert np.all(np.diff(metrics["segment"])[2:] == [1, 0, 0])
    made = []
    for _ in range(2):  # the second time it is only read
        finished = run(
            train,
            jax.random.key(0),
            {"learning_rate": -0.05},
            data,
            checkpoint=tmp_path / "run",
            progress=lambda number, metrics: made.append(number),
        )
    assert made == [0, 1, 2]
    assert finished.metrics["segment"].tolist() == [0, 1, 2]
    assert bool(stopped(config, finished.state)) and int(finished.state.best.segment) == 0
    assert select(metrics)["segment"] == 0


def test_the_best_model_is_that_of_the_lowest_validation_loss(linear_model, data):
    train = make_train(dataclasses.replace(CONFIG, num_segments=5), linear_model, joint())
    finished = run(train, jax.random.key(0), {"learning_rate": 1.5}, data)
    chosen = int(np.argmin(finished.metrics["valid"]["loss"]))
    assert int(finished.state.best.segment) == chosen
    best = select(jax.tree.map(jnp.asarray, finished.metrics))
    assert best["segment"] == chosen
    logits = predict(CONFIG, linear_model, finished.state.best.variables, data.test)
    np.testing.assert_allclose(np.mean(logits.argmax(1) == data.test.label), best["test"]["accuracy"], rtol=1e-6)


def test_a_run_that_diverges_is_not_selected(linear_model, data):
    train = make_train(CONFIG, linear_model, joint())
    metrics = train.train(jax.random.key(0), {"learning_rate": jnp.float32(jnp.nan)}, data)
    assert np.all(np.isnan(metrics["valid"]["loss"]))
    assert select(metrics)["segment"] == 0


def test_vectors_of_losses_give_a_gradient_each(linear_model, data):
    """A strategy that sums two losses' gradients itself trains as one that sums the losses."""
    plain = joint()

    def twice(*args):
        loss, aux = plain.loss(*args)
        return jnp.stack([0.25 * loss, 0.75 * loss]), aux

    def total(model, gradients, state, aux):
        assert jax.tree.leaves(gradients)[0].shape[0] == 2
        return jax.tree.map(lambda g: g.sum(0), gradients), state

    vector = Strategy(plain.init, twice, total, plain.on_segment)
    states = [
        make_train(CONFIG, linear_model, strategy).train(jax.random.key(0), RATE, data) for strategy in (plain, vector)
    ]
    chex.assert_trees_all_close(*states, rtol=1e-5, atol=1e-6)


def test_configurations_that_do_nothing_are_refused():
    for wrong in ({"batch_size": 0}, {"num_segments": 0}, {"patience": 0}):
        with pytest.raises(ValueError, match=r"at least 1(, or None)?; got 0"):
            TrainConfig(**wrong)


def test_more_samples_in_a_batch_than_there_are(linear_model, data):
    train = make_train(dataclasses.replace(CONFIG, batch_size=256), linear_model, joint())
    assert np.all(np.isfinite(train.train(jax.random.key(0), RATE, data)["valid"]["loss"]))


RESUMED = """
import os, signal, sys
import jax, numpy as np
sys.path.insert(0, {root!r})
from tests.training.conftest import LinearModel, few_metrics, part
from mmjax.competition import joint
from mmjax.data import Splits
from mmjax.training import CheckpointError, TrainConfig, make_train, run

data = Splits(*(part(key, n) for key, n in zip(jax.random.split(jax.random.key(1), 3), (70, 40, 50))))
config = TrainConfig(num_segments=5, steps_per_segment=7, batch_size=16, metrics_fn=few_metrics)
train = make_train(config, LinearModel(noise=0.1), joint())
kill_at = int(sys.argv[2])

def progress(number, metrics):
    if number == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)

finished = run(train, jax.random.key(7), {{"learning_rate": 0.05}}, data, checkpoint=sys.argv[1], progress=progress)
leaves = [np.asarray(x) for x in jax.tree.leaves((finished.state._replace(key=0), finished.metrics))]
np.savez(sys.argv[3], *leaves)
"""


def test_a_killed_run_ends_bit_by_bit_as_one_that_was_not(tmp_path, request):
    script = tmp_path / "resumed.py"
    script.write_text(RESUMED.format(root=str(request.config.rootpath)))

    def call(folder, kill_at, out):
        command = [sys.executable, str(script), str(tmp_path / folder), str(kill_at), str(tmp_path / out)]
        return subprocess.run(command, capture_output=True, text=True, cwd=request.config.rootpath, timeout=200)

    assert call("whole", -1, "whole.npz").returncode == 0
    assert call("killed", 2, "killed.npz").returncode == -9
    again = call("killed", -1, "killed.npz")
    assert again.returncode == 0, again.stderr
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "killed.npz") as killed:
        assert len(whole.files) == len(killed.files) > 10
        for name in whole.files:
            np.testing.assert_array_equal(whole[name], killed[name])


def test_a_checkpoint_of_another_configuration_is_refused(linear_model, data, tmp_path):
    train = make_train(CONFIG, linear_model, joint())
    run(train, jax.random.key(0), RATE, data, checkpoint=tmp_path / "run")
    other = make_train(dataclasses.replace(CONFIG, batch_size=8), linear_model, joint())
    with pytest.raises(ValueError, match="batch_size is 16 there and 8 here"):
        run(other, jax.random.key(0), RATE, data, checkpoint=tmp_path / "run")
    larger = linear_model._replace(num_classes=3)
    with pytest.raises(ValueError, match="num_parameters is 12 there and 18 here"):
        run(make_train(CONFIG, larger, joint()), jax.random.key(0), RATE, data, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="learning_rate is"):
        run(train, jax.random.key(0), {"learning_rate": 0.5}, data, checkpoint=tmp_path / "run")


def test_a_full_disk_is_told_in_a_line_and_the_run_goes_on_later(linear_model, data, tmp_path, monkeypatch):
    train = make_train(CONFIG, linear_model, joint())
    original = ocp.CheckpointManager.save

    def save(self, step, **kwargs):
        if step == 3:
            raise ValueError("Error writing d/8f2a17\nin OCDBT: No space left on device [os_error_code='28']")
        return original(self, step, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(ocp.CheckpointManager, "save", save)
        with pytest.raises(
            CheckpointError, match=r"^cannot write a checkpoint to .*run: No space left on device; earlier"
        ):
            run(train, jax.random.key(0), RATE, data, checkpoint=tmp_path / "run")
    made = []
    resumed = run(
        train,
        jax.random.key(0),
        RATE,
        data,
        checkpoint=tmp_path / "run",
        progress=lambda number, metrics: made.append(number),
    )
    assert made == [2, 3]
    whole = run(train, jax.random.key(0), RATE, data)
    chex.assert_trees_all_equal(resumed.metrics, whole.metrics)


def test_a_folder_that_cannot_be_made_is_told(linear_model, data, tmp_path):
    (tmp_path / "file").write_text("")
    train = make_train(CONFIG, linear_model, joint())
    with pytest.raises(CheckpointError, match=r"cannot keep checkpoints in .*file/run: Not a directory"):
        run(train, jax.random.key(0), RATE, data, checkpoint=tmp_path / "file" / "run")
