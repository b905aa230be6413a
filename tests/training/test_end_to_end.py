"""Real modalities, Flax models and training together: many runs of one program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import models
from mmjax.competition import joint
from mmjax.data import digits_halves, only, splits_of, standardised
from mmjax.training import TrainConfig, make_train, run, select

CONFIG = TrainConfig(num_segments=3, steps_per_segment=60, batch_size=64)


@pytest.fixture(scope="module")
def data():
    return standardised(splits_of(only(digits_halves(), ("top", "bottom")), key=jax.random.key(0)))


def model_of(data, dtype=jnp.float32):
    module = models.Multimodal(
        encoders={name: models.MLP((32,), dtype=dtype) for name in data.train.modalities},
        head=models.LateLinear(10),
        num_outputs=10,
    )
    return models.functional(module, jax.tree.map(lambda x: x[:1], data.train.modalities))


def test_halves_of_digits_are_told_by_four_runs_of_one_program(data):
    train = make_train(CONFIG, model_of(data), joint())
    rates = {"learning_rate": jnp.array([1e-2, 3e-3, 1e-3, 0.0])}
    metrics = jax.jit(jax.vmap(train.train, in_axes=(0, 0, None)))(jax.random.split(jax.random.key(1), 4), rates, data)
    best = jax.vmap(select)(metrics)
    assert np.all(best["test"]["accuracy"][:2] > 0.9)
    assert best["test"]["accuracy"][3] < 0.4


def test_activations_in_bfloat16_learn_as_well_and_all_that_is_kept_is_float32(data):
    rate = {"learning_rate": 1e-2}
    exact, mixed = (
        run(make_train(CONFIG, model_of(data, dtype), joint()), jax.random.key(0), rate, data)
        for dtype in (jnp.float32, jnp.bfloat16)
    )
    kept = jax.tree.leaves((mixed.state.params, mixed.state.optimizer, mixed.state.best.variables))
    assert {x.dtype for x in kept if jnp.issubdtype(x.dtype, jnp.floating)} == {jnp.dtype("float32")}
    losses = [float(select(each.metrics)["test"]["loss"]) for each in (exact, mixed)]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], abs=0.05)
    assert select(mixed.metrics)["test"]["accuracy"] > 0.9
