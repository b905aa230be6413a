"""Alternating steps: whose turn it is, what is held, the projection of the head's gradient, and the gates."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmjax.competition import regression
from mmjax.competition._mla import gated_logits, mla, orthogonal_projection
from tests.competition.conftest import gradients_of, samples
from tests.competition.stage_checks import PlainModel, check_strategy, moved, splits, started, states_of, tiny_run

MODEL, BATCH = PlainModel(3), samples(jax.random.key(5), num_modalities=3)
STRATEGY = mla(width=4, num_modalities=3, num_batches=5)


def test_projection():
    rng = np.random.default_rng(0)
    p, r = np.eye(4), rng.normal(size=4)
    k = p @ r
    expected = p - np.outer(k, k) / (0.1 + r @ k)
    expected /= np.linalg.norm(expected)
    got = orthogonal_projection(jnp.eye(4), jnp.asarray(r, jnp.float32), 0.1)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(orthogonal_projection(jnp.eye(4), jnp.ones(4), 1e-6) @ jnp.ones(4), 0, atol=1e-5)
    np.testing.assert_allclose(orthogonal_projection(jnp.eye(4), jnp.zeros(4), 0.1), np.eye(4) / 2)


def test_steps_in_plain_numbers():
    """Three steps: the loss of one modality through the shared head, whose gradient is P times the plain one."""
    params, statistics, state = started(STRATEGY, MODEL)
    latents, _ = MODEL.encode({"params": params}, BATCH.modalities)
    projection = np.eye(4)
    step = jax.jit(lambda state: gradients_of(STRATEGY, MODEL, params, statistics, state, BATCH))
    for turn in range(5):
        own, before = f"x{turn % 3 + 1}", f"x{(turn - 1) % 3 + 1}"
        if turn:
            ridge = 0.1 ** (1 + (turn // 3) / 5)
            r = np.asarray(latents[before]).mean(0)
            k = projection @ r
            projection = projection - np.outer(k, k) / (ridge + r @ k)
            projection /= np.linalg.norm(projection)

        def loss(params, own=own):
            z, _ = MODEL.encode({"params": params}, BATCH.modalities)
            logits = z[own] @ params["unimodal_heads"]["x1"]["kernel"]
            return optax.softmax_cross_entropy_with_integer_labels(logits, BATCH.label).mean()

        expected = jax.grad(loss)(params)
        kernel = expected["unimodal_heads"]["x1"]["kernel"]
        expected["unimodal_heads"]["x1"]["kernel"] = projection @ np.asarray(kernel)
        gradients, state, _ = step(state)
        chex.assert_trees_all_close(gradients, expected, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(state.projection, projection, rtol=1e-3, atol=1e-6)


def test_a_step_moves_one_encoder_and_the_shared_head():
    params, statistics, state = started(STRATEGY, MODEL)
    step = jax.jit(lambda state: gradients_of(STRATEGY, MODEL, params, statistics, state, BATCH))
    for own in ("x1", "x2", "x3"):
        _, state, aux = step(state)
        rates = STRATEGY.rates(MODEL, params, state)
        pairs = zip(jax.tree.leaves(MODEL.labels(params)), jax.tree.leaves(rates), strict=True)
        assert {label for label, rate in pairs if rate} == {f"encoder:{own}", "head:x1"}
        changed = {name for name, mean in aux.statistics["running"].items() if np.any(mean)}
        assert changed == {f"encoders_{own}"}


def test_gates_are_of_each_sample_and_its_modalities():
    variables = MODEL.init(None)
    masks = BATCH.masks | {"x2": jnp.arange(8) > 0}
    latents, _ = MODEL.encode(variables, BATCH.modalities, masks)
    got = gated_logits(MODEL, variables, latents, masks)
    logits = np.stack([latents[n] @ variables["params"]["unimodal_heads"]["x1"]["kernel"] for n in MODEL.modalities])
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    entropy = -(p * np.log(p)).sum(-1)
    gates = np.exp(entropy.max(0) - entropy)
    gates[1, 0] = 0
    gates /= gates.sum(0)
    np.testing.assert_allclose(got, (gates[..., None] * logits).sum(0), rtol=1e-5, atol=1e-6)
    none = {name: jnp.zeros(8, bool) for name in masks}
    assert not np.any(gated_logits(MODEL, variables, MODEL.encode(variables, BATCH.modalities, none)[0], none))


def test_in_a_run():
    model = PlainModel()
    train = tiny_run(mla(width=4), model, 1)
    states, metrics = states_of(train, {"learning_rate": jnp.float32(0.01)}, splits(), 1)
    assert int(states[1].memory.step) == 6
    assert moved(model, states[0].params, states[1].params) == {"encoder:x1", "encoder:x2", "head:x1"}
    chex.assert_trees_all_equal(states[0].params["unimodal_heads"]["x2"], states[1].params["unimodal_heads"]["x2"])
    assert np.isfinite(metrics[0]["valid"]["loss"])


def test_bad_arguments():
    for strategy, message in (
        (mla(width=5), "latents of width 5; got {'x1': 4, 'x2': 4}"),
        (mla(width=4, num_modalities=3), "3 modalities"),
    ):
        params, statistics, state = started(strategy, PlainModel())
        with pytest.raises(ValueError, match=message):
            strategy.loss(PlainModel(), params, statistics, state, samples(jax.random.key(0)), jax.random.key(0))
    params, statistics, state = started(mla(regression, width=4), PlainModel(num_outputs=2))
    with pytest.raises(ValueError, match="mla needs classes"):
        batch = samples(jax.random.key(0), label="targets")
        mla(regression, width=4).loss(PlainModel(num_outputs=2), params, statistics, state, batch, jax.random.key(0))


def test_jit_vmap_and_hard_batches(thorough):
    check_strategy(
        lambda a: mla(width=4, num_modalities=3, decay=a, num_batches=a), jnp.array([0.1, 0.5]), 3, thorough=thorough
    )
