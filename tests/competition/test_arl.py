"""Asymmetric learning: coefficients from entropies and sizes of logits, and that only encoders are scaled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition import regression
from mmjax.competition._arl import arl, asymmetry
from tests.competition.conftest import gradients_of, samples
from tests.competition.stage_checks import PlainModel, check_strategy, own_gradients, started

STATISTICS = {"running": PlainModel(3).init(None)["running"]}


def softmax(x):
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


def test_coefficients_of_two_modalities():
    """The rule of the public code, written out for audio and visual."""
    for entropy, size in (((0.5, 1.5), (3.0, 1.0)), ((0.01, 2.0), (1.0, 1.0)), ((1.0, 1.0), (5.0, 0.2))):
        share = np.maximum(np.array(entropy) / sum(entropy), 0.3)
        weight_a, weight_v = (1 / share) / (1 / share).sum()
        size_a, size_v = np.array(size) / sum(size)
        expected = softmax(np.array([size_v * weight_a * 8.0, size_a * weight_v * 8.0]))
        np.testing.assert_allclose(asymmetry(jnp.array(entropy), jnp.array(size), 8.0), expected, rtol=1e-5)


def test_the_surer_and_the_less_used_modality_is_driven_faster():
    assert asymmetry(jnp.array([0.2, 1.0, 1.0]), jnp.ones(3), 8.0).argmax() == 0
    assert asymmetry(jnp.ones(3), jnp.array([2.0, 2.0, 1.0]), 8.0).argmax() == 2
    np.testing.assert_allclose(asymmetry(jnp.zeros(3), jnp.zeros(3), 8.0), np.full(3, 1 / 3), rtol=1e-6)
    np.testing.assert_allclose(asymmetry(jnp.array([1.0, 0.2]), jnp.ones(2), 0.0), [0.5, 0.5])


def test_only_encoders_are_scaled_and_only_after_the_first_segments():
    strategy = arl(num_warm_up=1, gamma=2.0)
    gradients, model, aux, (params, batch, state) = own_gradients(strategy, 3)
    assert all(factor == 1 for factor in aux.signals.values())
    plain, *_ = own_gradients(arl(num_warm_up=9, gamma=2.0), 3)
    jax.tree.map(np.testing.assert_array_equal, gradients, plain)
    _, state = strategy.on_segment(model, {"params": params}, state, batch, batch)
    scaled, _, aux = gradients_of(strategy, model, params, STATISTICS, state, batch)
    unscaled = jax.grad(lambda p: strategy.loss(model, p, STATISTICS, state, batch, jax.random.key(1))[0])(params)
    factors = [aux.signals[f"encoder:x{m}"] for m in (1, 2, 3)]
    np.testing.assert_allclose(sum(factors), 4, rtol=1e-6)
    for part, tree in scaled.items():
        factor = aux.signals.get("encoder:" + part.removeprefix("encoders_"), 1)
        jax.tree.map(lambda x, y, f=factor: np.testing.assert_allclose(x, f * y, rtol=1e-5), tree, unscaled[part])


def test_needs_classes():
    model, batch = PlainModel(num_outputs=2), samples(jax.random.key(0), label="targets")
    params, statistics, state = started(arl(), model)
    with pytest.raises(ValueError, match="arl needs classes"):
        arl(regression).loss(model, params, statistics, state, batch, jax.random.key(0))


def test_jit_vmap_and_hard_batches(thorough):
    check_strategy(
        lambda t: arl(gamma=t, temperature=t, num_warm_up=t / 8), jnp.array([1.0, 16.0]), 3, thorough=thorough
    )
