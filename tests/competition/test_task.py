"""Kinds of label: divergences against their definitions, scores, and numbers that do not break them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, softmax

from mmjax.competition import (
    bernoulli_jensen_shannon,
    classification,
    jensen_shannon,
    multilabel,
    regression,
    squared_difference,
)

RNG = np.random.default_rng(0)
BIG = jnp.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]])


def plain_divergence(p, q):
    mean = (p + q) / 2
    return 0.5 * (p * np.log(p / mean)).sum(-1) + 0.5 * (q * np.log(q / mean)).sum(-1)


def test_golden_value(float64):
    """Computed with PyTorch in float64 by the definition."""
    got = jensen_shannon(jnp.array([2.0, 0.0, -1.0]), jnp.array([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(got, 0.21667251844594757, rtol=1e-12)


def test_divergences_are_their_definitions(float64):
    a, b = RNG.normal(size=(2, 5, 4)) * 2
    np.testing.assert_allclose(jensen_shannon(a, b), plain_divergence(softmax(a, -1), softmax(b, -1)), rtol=1e-10)
    p, q = expit(a), expit(b)
    both = plain_divergence(np.stack([p, 1 - p], -1), np.stack([q, 1 - q], -1)).mean(-1)
    np.testing.assert_allclose(bernoulli_jensen_shannon(a, b), both, rtol=1e-10)
    np.testing.assert_allclose(squared_difference(a, b), ((a - b) ** 2).mean(-1))


@pytest.mark.parametrize("divergence", [jensen_shannon, bernoulli_jensen_shannon])
def test_divergences_are_symmetric_bounded_and_flat_at_equality(divergence):
    a, b = jnp.asarray(RNG.normal(size=(2, 50, 3)) * 10, jnp.float32)
    np.testing.assert_allclose(divergence(a, b), divergence(b, a), rtol=1e-5)
    assert jnp.all((divergence(a, b) >= 0) & (divergence(a, b) <= np.log(2) * (1 + 1e-6)))
    np.testing.assert_array_equal(divergence(a, a), 0)
    np.testing.assert_allclose(jax.grad(lambda b: jnp.sum(divergence(a, b)))(a), 0, atol=2e-7)


@pytest.mark.parametrize("divergence", [jensen_shannon, bernoulli_jensen_shannon])
def test_opposite_certainties_are_ln_2_apart_with_finite_derivatives(divergence):
    np.testing.assert_allclose(jensen_shannon(jnp.array([1e4, -1e4]), jnp.array([-1e4, 1e4])), np.log(2), rtol=1e-6)
    gradient = jax.grad(lambda b: jnp.sum(divergence(BIG, b)))(-BIG)
    assert jnp.all(jnp.isfinite(gradient))


def test_scores(float64):
    logits, label = jnp.array([[0.0, 0.0], [2.0, 0.0], [9.0, -9.0]]), jnp.array([0, 1, 0])
    weight = jnp.array([1.0, 1.0, 0.0])
    expected = (0.5 + 1 / (1 + np.exp(2))) / 2
    np.testing.assert_allclose(classification.score(logits, label, weight), expected)
    np.testing.assert_allclose(classification.accuracy(logits, label), [1, 0, 1])
    targets = jnp.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    right = [0.5, 0.5, 1 / (1 + np.exp(-2)), 0.5]
    np.testing.assert_allclose(multilabel.score(logits, targets, weight), np.mean(right))
    np.testing.assert_allclose(regression.score(logits, targets, weight), 1 / ((0.5 + 1.0) / 2))
    np.testing.assert_allclose(regression.losses(logits, targets), [0.5, 1.0, 81.0])
    assert regression.score(logits, logits, weight) > 1e10
    np.testing.assert_allclose(multilabel.accuracy(logits, targets), [0.5, 0.5, 0.5])


@pytest.mark.parametrize("task", [classification, multilabel, regression])
def test_weights_of_zero_give_finite_scores(task):
    label = jnp.array([0, 1]) if task is classification else jnp.zeros((2, 3))
    assert jnp.isfinite(task.score(BIG, label, jnp.zeros(2)))


@pytest.mark.parametrize("divergence", [jensen_shannon, bernoulli_jensen_shannon])
def test_derivatives_are_those_of_the_definition(divergence, float64):
    a, b = jnp.asarray(RNG.normal(size=(2, 6, 3)))
    far = b.at[3:].set(a[3:] + 1e-3 * b[3:])  # half of them nearly equal
    step = 1e-5
    moved = (divergence(a + step * b, far - step * a) - divergence(a - step * b, far + step * a)) / (2 * step)
    _, forward = jax.jvp(divergence, (a, far), (b, -a))
    np.testing.assert_allclose(forward, moved, rtol=1e-5, atol=1e-10)
    pull_back = jax.vjp(divergence, a, far)[1]
    reverse = [jnp.sum(g * t, axis=-1) for g, t in zip(pull_back(jnp.ones(6)), (b, -a), strict=True)]
    np.testing.assert_allclose(reverse[0] + reverse[1], forward, rtol=1e-10, atol=1e-14)


def test_derivatives_between_nearly_equal_predictions_are_small():
    """They fall with the distance, whatever signs of it rounding shows."""
    a = jnp.asarray(RNG.normal(size=(1000, 5)), jnp.float32)
    near = a * (1 + 3e-7)
    gradient = jax.jit(jax.grad(lambda b: jnp.sum(jensen_shannon(a, b))))(near)
    assert jnp.max(jnp.abs(gradient)) < 1e-6
