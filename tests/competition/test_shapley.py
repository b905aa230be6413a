import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition._coalitions import coalition_logits, coalitions
from mmjax.competition._shapley import shapley_imbalance, shapley_values
from mmjax.competition._strategy import weighted_mean
from mmjax.competition._task import classification
from tests.competition.conftest import model_of, samples


def plain(values):
    """Means over all orders of arrival."""
    num_modalities = int(np.log2(len(values)))
    orders = list(itertools.permutations(range(num_modalities)))
    shares = np.zeros((num_modalities, *np.shape(values)[1:]))
    for order in orders:
        there = 0
        for m in order:
            shares[m] += np.asarray(values[there | 1 << m]) - np.asarray(values[there])
            there |= 1 << m
    return shares / len(orders)


def values_of(num_modalities, *shape, seed=0):
    return np.random.default_rng(seed).normal(size=(2**num_modalities, *shape)).astype(np.float32)


def test_two_modalities_by_hand():
    shares = shapley_values(jnp.array([0.2, 0.6, 0.3, 0.7]))
    np.testing.assert_allclose(shares, [0.4, 0.1], atol=1e-7)
    assert float(shapley_imbalance(shares)) == pytest.approx(0.3, abs=1e-7)


def test_an_xor_is_shared():
    np.testing.assert_allclose(shapley_values(jnp.array([0.5, 0.5, 0.5, 1.0])), [0.25, 0.25])


@pytest.mark.parametrize("num_modalities", [1, 2, 3, 5])
def test_mean_over_orders_of_arrival(num_modalities):
    values = values_of(num_modalities, 4)
    np.testing.assert_allclose(shapley_values(jnp.asarray(values)), plain(values), atol=1e-5)


@pytest.mark.parametrize("num_modalities", [1, 3, 8])
def test_axioms(num_modalities):
    values = values_of(num_modalities, seed=1)
    shares = np.asarray(shapley_values(jnp.asarray(values)))
    assert np.sum(shares) == pytest.approx(float(values[-1] - values[0]), abs=1e-5)  # efficiency
    without_first = jnp.asarray(values)[np.arange(values.size) & ~1]
    assert float(shapley_values(without_first)[0]) == pytest.approx(0, abs=1e-6)  # it never adds anything
    sizes = jnp.asarray(coalitions(num_modalities).sum(1), float)
    np.testing.assert_allclose(shapley_values(jnp.sin(sizes)), np.sin(num_modalities) / num_modalities, atol=1e-5)
    other = values_of(num_modalities, seed=2)  # linearity
    np.testing.assert_allclose(
        shapley_values(jnp.asarray(2 * values + other)),
        2 * shares + np.asarray(shapley_values(jnp.asarray(other))),
        atol=1e-5,
    )


def test_numbering_of_modalities_does_not_matter():
    values, order = values_of(3), np.array([2, 0, 1])
    renumbered = values[[sum(1 << order[m] for m in range(3) if s >> m & 1) for s in range(8)]]
    np.testing.assert_allclose(
        shapley_values(jnp.asarray(renumbered)), shapley_values(jnp.asarray(values))[order], atol=1e-6
    )


def test_jit_vmap_and_gradient():
    values = jnp.asarray(values_of(3, 5))
    shares = shapley_values(values)
    np.testing.assert_allclose(jax.jit(jax.vmap(shapley_values, 1, 1))(values), shares, atol=1e-6)
    gradient = jax.grad(lambda v: shapley_values(v)[0])(values[:, 0])
    assert float(jnp.sum(jnp.abs(gradient))) == pytest.approx(2)


def test_shares_of_accuracy_are_means_of_the_samples_shares():
    model, batch = model_of(3), samples(jax.random.key(0), 16, 3)
    variables, weight = model.init(jax.random.key(1)), batch.weight.at[:4].set(0)
    latents, _ = model.encode(variables, batch.modalities, batch.masks)
    logits = coalition_logits(model, variables, latents, batch.masks)
    right = jax.vmap(classification.accuracy, (0, None))(logits, batch.label)
    means = jax.vmap(weighted_mean, (0, None))
    np.testing.assert_allclose(means(shapley_values(right), weight), shapley_values(means(right, weight)), atol=1e-6)
