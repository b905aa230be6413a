"""Critics of many temperatures and seeds as one program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import estimators, sweep
from mmjax.data import Splits, multinormal_task
from mmjax.models import MLP, SeparableCritic, network
from mmjax.training import TrainConfig, critic_objective, make_fit, pairs, select

TASK = multinormal_task(np.array([[1, 0.9], [0.9, 1]]), 1, name="normal")
CONFIG = TrainConfig(num_segments=2, steps_per_segment=10, batch_size=16, drop_last=True)

pytestmark = pytest.mark.usefixtures("optax_promotes")


def test_a_sweep_over_temperatures_and_seeds_is_traced_once():
    critic = network(SeparableCritic(MLP((8, 4)), MLP((8, 4))), *jnp.zeros((2, 1, 1)))
    traces = []

    def objective(hparams):
        def estimate(scores):
            traces.append(1)
            return estimators.info_nce(scores / hparams["temperature"])

        return critic_objective(critic, estimate, batch_size=16)

    train = make_fit(CONFIG, objective)

    def trial(key, hparams, data):
        return select(train.train(key, hparams, data))["test"]

    x, y = TASK.sample(jax.random.key(0), 192)
    data = Splits(pairs(x[:64], y[:64]), pairs(x[64:128], y[64:128]), pairs(x[128:], y[128:]))
    keys = jax.random.split(jax.random.key(1), 128)
    hparams = {"temperature": np.geomspace(0.1, 10, 128), "learning_rate": np.full(128, 0.01)}
    first = sweep.map_trials(trial, keys, hparams, data)
    made = len(traces)
    again = sweep.map_trials(trial, keys, {**hparams, "temperature": hparams["temperature"][::-1]}, data)
    assert len(traces) == made and made <= 6
    assert np.isfinite(first["information"]).all() and np.any(first["information"] != again["information"])
    assert first["information"].max() <= np.log(16) + 1e-5
    alone = trial(keys[5], jax.tree.map(lambda x: jnp.float32(x[5]), hparams), data)
    np.testing.assert_allclose(first["information"][5], alone["information"], atol=1e-4)
