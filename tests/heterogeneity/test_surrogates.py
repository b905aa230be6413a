"""Tests of surrogates: alignments in closed form, evidence against its numerical maximum, ranks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import ortho_group, spearmanr

from mmjax.heterogeneity import linear_cka, log_me, rank_agreement


def features(seed, shape=(30, 4)):
    return np.random.default_rng(seed).normal(size=shape)


def test_alignment_is_one_up_to_shift_rotation_and_scale(float64):
    x = features(0)
    rotated = 3 * x @ ortho_group.rvs(4, random_state=0) + np.arange(4.0)
    assert linear_cka(x, rotated) == pytest.approx(1, abs=1e-12)
    assert linear_cka(x, x @ np.diag([1, 2, 3, 4])) < 0.99


def test_alignment_equals_that_of_centred_kernels(float64):
    x, y = features(0), features(1, (30, 7))
    centre = np.eye(30) - 1 / 30
    kernels = [centre @ z @ z.T @ centre for z in (x, y)]
    expected = np.sum(kernels[0] * kernels[1]) / np.linalg.norm(kernels[0]) / np.linalg.norm(kernels[1])
    np.testing.assert_allclose(jax.jit(linear_cka)(x, y), expected, rtol=1e-12)
    np.testing.assert_allclose(linear_cka(jnp.float32(x), jnp.float32(y)), expected, rtol=1e-5)


def test_alignment_of_orthogonal_constant_and_missing_features():
    x = jnp.asarray([[1.0], [1.0], [-1.0], [-1.0]])
    y = jnp.asarray([[1.0], [-1.0], [1.0], [-1.0]])
    assert linear_cka(x, y) == 0 and linear_cka(x, -2 * x) == pytest.approx(1)
    constant = jnp.full((4, 2), 0.1)
    assert linear_cka(x, constant) == 0 and linear_cka(constant, constant) == 0 and linear_cka(x[:1], y[:1]) == 0
    assert np.all(np.isfinite(jax.grad(linear_cka)(x, constant)))
    assert np.isnan(linear_cka(x.at[0].set(jnp.nan), y))
    with pytest.raises(AssertionError):
        linear_cka(x, y[:3])


def test_derivatives_of_alignment(float64):
    x, y, step = (jnp.asarray(features(seed)) for seed in range(3))
    slope = jnp.sum(jax.jit(jax.grad(linear_cka))(x, y) * step)
    secant = (linear_cka(x + 1e-6 * step, y) - linear_cka(x - 1e-6 * step, y)) / 2e-6
    np.testing.assert_allclose(slope, secant, rtol=1e-6)


def highest_evidence(x, y):
    """The largest log density of y ~ N(0, F F^T / alpha + 1 / beta), per sample, by Nelder and Mead."""

    def loss(logs):
        alpha, beta = np.exp(logs)
        covariance = x @ x.T / alpha + np.eye(len(y)) / beta
        squares = y @ np.linalg.solve(covariance, y)
        return (len(y) * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + squares) / 2 / len(y)

    options = {"xatol": 1e-8, "fatol": 1e-13}
    starts = [(0, 0), (4, 0), (4, 9)]
    found = [minimize(loss, s, method="Nelder-Mead", bounds=[(-12, 12)] * 2, options=options).fun for s in starts]
    return -min(found)


@pytest.mark.parametrize(("shape", "noise"), [((20, 3), 0.5), ((20, 3), 0.01), ((8, 12), 1.0), ((20, 1), 5.0)])
def test_evidence_equals_its_numerical_maximum(shape, noise, float64):
    x, rng = 7 * features(2, shape), np.random.default_rng(3)
    y = x @ rng.normal(size=(shape[1], 2)) / 7 + noise * rng.normal(size=(shape[0], 2))
    expected = np.mean([highest_evidence(x, column) for column in y.T])
    np.testing.assert_allclose(log_me(x, y), expected, atol=1e-9)
    np.testing.assert_allclose(log_me(jnp.float32(x), jnp.float32(y)), expected, atol=1e-5)


def test_features_without_bearing_leave_the_evidence_of_noise():
    """The best prior has no weights: -(log(2 pi |y|^2 / n) + 1) / 2."""
    x, y = jnp.asarray([[1.0], [1.0], [1.0], [1.0]]), jnp.asarray([[2.0], [-2.0], [2.0], [-2.0]])
    expected = -(np.log(2 * np.pi * 4) + 1) / 2
    np.testing.assert_allclose(log_me(x, y), expected, rtol=1e-6)
    np.testing.assert_allclose(log_me(jnp.zeros((4, 2)), y), expected, rtol=1e-6)


def test_evidence_ranks_features_and_knows_no_scale_and_no_copies(float64):
    x = features(4, (40, 3))
    labels = jax.nn.one_hot(jnp.argmax(jnp.asarray(x), axis=1), 3)
    good, noise = log_me(x, labels), log_me(features(5, (40, 3)), labels)
    assert good > noise + 0.1
    np.testing.assert_allclose(log_me(1e3 * x, labels), good, rtol=1e-9)
    np.testing.assert_allclose(log_me(np.c_[x, x], labels), good, rtol=1e-9)


def test_evidence_leaves_out_classes_without_a_sample():
    x, labels = features(6, (10, 2)), jax.nn.one_hot(jnp.arange(10) % 2, 3)
    np.testing.assert_allclose(log_me(x, labels), log_me(x, labels[:, :2]), rtol=1e-6)
    assert np.isnan(log_me(x, jnp.zeros((10, 2))))
    assert np.isnan(log_me(np.full((10, 2), np.nan), labels)) and np.isnan(log_me(x, labels.at[0, 0].set(jnp.nan)))
    assert np.isfinite(log_me(x[:1], labels[:1]))
    assert log_me(x, x[:, :1]) > 5, "foretold exactly"


def test_ranks():
    a = np.asarray([[0, 1, 2], [1, 0, 5], [2, 5, 0.0]])
    assert rank_agreement(a, a**3) == pytest.approx(1) and rank_agreement(a, -a) == pytest.approx(-1)
    b = np.random.default_rng(0).integers(0, 4, (6, 6))
    c, outside = np.random.default_rng(1).normal(size=(6, 6)), ~np.eye(6, dtype=bool)
    assert rank_agreement(b, c) == pytest.approx(spearmanr(b[outside], c[outside]).statistic)
    assert rank_agreement(a + np.diag([9, 0, 0]), a) == pytest.approx(1), "the diagonal does not count"


def test_ranks_of_nothing():
    assert np.isnan(rank_agreement([[0.0]], [[0.0]])) and np.isnan(rank_agreement(np.ones((3, 3)), np.eye(3)))
    assert np.isnan(rank_agreement([[0, np.nan], [1, 0]], [[0, 1], [2, 0]]))
    with pytest.raises(ValueError, match=r"one shape; got \(2, 2\) and \(3, 3\)"):
        rank_agreement(np.eye(2), np.eye(3))
