"""A sweep of training runs is one program and equals its runs one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import models
from mmjax.competition import joint
from mmjax.data import Splits, batch_of
from mmjax.sweep import Execution, map_trials
from mmjax.training import TrainConfig, make_train
from tests.training.conftest import few_metrics

pytestmark = pytest.mark.usefixtures("quickly_compiled", "optax_promotes")

NUM_TRIALS = 128


@pytest.fixture(scope="module")
def sweep_of_runs():
    """Twenty steps of a model of width 16, the number of its traces, and its data."""
    x = jax.random.normal(jax.random.key(1), (96, 8))
    part = batch_of({"a": x[:, :4], "b": x[:, 4:]}, (x.sum(1) > 0).astype(jnp.int32))
    module = models.Multimodal({name: models.MLP((16, 16)) for name in "ab"}, models.LateLinear(2), 2)
    model = models.functional(module, {"a": x[:1, :4], "b": x[:1, 4:]})
    train = make_train(
        TrainConfig(num_segments=2, steps_per_segment=10, batch_size=16, metrics_fn=few_metrics), model, joint()
    )
    traces = []

    def trial(key, hparams, data):
        traces.append(1)
        return train.train(key, hparams, data)

    keys = jax.random.split(jax.random.key(0), NUM_TRIALS)
    rates = np.geomspace(1e-4, 1e-1, NUM_TRIALS)
    return trial, traces, train, keys, rates, Splits(part, part, part)


@pytest.mark.parametrize("num_devices", [pytest.param(1, marks=pytest.mark.slow), 8])
def test_one_program_equals_single_runs(sweep_of_runs, num_devices):
    trial, traces, train, keys, rates, data = sweep_of_runs
    traces.clear()
    execution = Execution(num_devices=num_devices)
    together = map_trials(trial, keys, {"learning_rate": rates}, data, execution=execution)
    map_trials(trial, keys, {"learning_rate": 2 * rates}, data, execution=execution)
    assert len(traces) == 1
    for k in range(0, NUM_TRIALS, 9):
        alone = train.train(keys[k], {"learning_rate": jnp.float32(rates[k])}, data)
        for name in ("loss", "accuracy"):
            np.testing.assert_allclose(together["valid"][name][k], alone["valid"][name], atol=1e-5)


def test_trials_that_the_devices_do_not_share_evenly(sweep_of_runs):
    trial, _, _, keys, rates, data = sweep_of_runs
    some = map_trials(trial, keys[:63], {"learning_rate": rates[:63]}, data, execution=Execution(num_devices=8))
    all_ = map_trials(trial, keys, {"learning_rate": rates}, data, execution=Execution(num_devices=1))
    assert some["valid"]["loss"].shape == (63, 2)
    np.testing.assert_allclose(some["valid"]["loss"], all_["valid"]["loss"][:63], atol=1e-5)
