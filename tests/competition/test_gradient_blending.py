"""Gradient blending: the weights in plain numbers, the super-epoch in a run, and what a probe leaves behind."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition import classification, multi_loss, regression
from mmjax.competition._gradient_blending import gain_ratios, gradient_blending, mean_losses
from tests.competition.stage_checks import (
    PlainModel,
    check_strategy,
    moved,
    own_gradients,
    splits,
    states_of,
    tiny_run,
)

MODEL = PlainModel()
STRATEGY = gradient_blending(num_probing=2, num_training=2)
NUM_SEGMENTS = 9


@pytest.fixture(scope="module")
def made():
    train = tiny_run(STRATEGY, MODEL, NUM_SEGMENTS)
    return states_of(train, {"learning_rate": jnp.float32(0.01)}, splits(), NUM_SEGMENTS)


def test_ratios():
    before = jnp.array([[1.0, 1.0, 2.0], [1.1, 1.2, 2.0]])
    after = jnp.array([[0.5, 0.9, jnp.nan], [0.8, 1.3, 1.0]])
    np.testing.assert_allclose(gain_ratios(before, after), [0.3 / 0.2**2, 0.1 / 0.2**2, 0], rtol=1e-4)
    np.testing.assert_allclose(gain_ratios(before, before), np.zeros(3))


def test_a_super_epoch(made):
    """Six segments of probes, two for each of three heads, from one snapshot; two of the blend; again."""
    states, metrics = made
    assert [bool(one["selectable"]) for one in metrics] == [False] * 6 + [True] * 2 + [False]
    start = states[0].params
    for number in (2, 4, 6):
        chex.assert_trees_all_equal(states[number].params, start)
    for number, labels in (
        (1, {"encoder:x1", "head:x1"}),
        (3, {"encoder:x2", "head:x2"}),
        (5, {"encoder:x1", "encoder:x2", "head:x1", "head:x2", "head"}),
    ):
        assert moved(MODEL, start, states[number].params) == labels
        chex.assert_trees_all_equal(states[number].memory.snapshot["params"], start)
    assert int(states[NUM_SEGMENTS].best.segment) in (6, 7)
    chex.assert_trees_all_equal(states[9].memory.snapshot["params"], states[8].params)
    chex.assert_trees_all_equal(states[9].memory.snapshot["running"], states[8].statistics["running"])


def test_each_probe_begins_with_the_statistics_of_the_snapshot(made):
    states, _ = made
    zeros = jax.tree.map(jnp.zeros_like, states[0].statistics["running"])
    for number in (2, 4, 6):
        assert bool(states[number].memory.restore)
        chex.assert_trees_all_equal(states[number].memory.snapshot["running"], zeros)
    # In the second probe encoder x1 is as in the snapshot: in three steps its mean comes 1 - 0.9^3 of the way from 0.
    latents = np.asarray(MODEL.encode({"params": states[0].params}, splits().train.modalities)[0]["x1"])
    third = states[3].statistics["running"]["encoders_x1"]
    np.testing.assert_allclose(third, (1 - 0.9**3) * latents.mean(0), atol=0.1)


def test_weights_are_those_of_the_measured_losses(made):
    states, _ = made
    data = splits()

    @jax.jit
    def losses(variables):
        return jnp.stack([mean_losses(classification, MODEL, variables, d) for d in (data.train, data.valid)])

    np.testing.assert_allclose(states[1].memory.weights, np.full(3, 1 / 3), rtol=1e-6)
    weights = states[6].memory.weights
    ratios = states[6].memory.ratios
    np.testing.assert_allclose(weights, ratios / ratios.sum(), rtol=1e-6)
    assert np.all(ratios > 0) and weights.sum() == pytest.approx(1)
    before = losses({"params": states[0].params, **states[0].statistics})
    half = losses({"params": states[1].params, **states[1].statistics})
    assert np.all(np.asarray(half)[:, 0] < np.asarray(before)[:, 0])
    np.testing.assert_allclose(np.asarray(half)[:, 1], np.asarray(before)[:, 1])


def test_the_loss_is_that_of_one_head_and_then_the_blend():
    gradients, model, _, (params, batch, state) = own_gradients(gradient_blending(), 2)
    assert moved(model, gradients, jax.tree.map(jnp.zeros_like, gradients)) == {"encoder:x1", "head:x1"}
    blended = state._replace(segment=jnp.int32(3), weights=jnp.array([0.2, 0.3, 0.5]))
    strategy, statistics = gradient_blending(), {"running": model.init(None)["running"]}
    loss = strategy.loss(model, params, statistics, blended, batch, jax.random.key(0))[0]
    each = mean_losses(classification, model, {"params": params, **statistics}, batch)
    np.testing.assert_allclose(loss, each @ jnp.array([0.2, 0.3, 0.5]), rtol=1e-6)
    equal = state._replace(segment=jnp.int32(3), weights=jnp.ones(3))
    loss = strategy.loss(model, params, statistics, equal, batch, jax.random.key(0))[0]
    np.testing.assert_allclose(
        loss, multi_loss().loss(model, params, statistics, (), batch, jax.random.key(0))[0], rtol=1e-6
    )


def test_jit_vmap_and_hard_batches(thorough):
    check_strategy(
        lambda n: gradient_blending(regression, num_training=n),
        jnp.array([1, 3]),
        3,
        label="targets",
        thorough=thorough,
    )
