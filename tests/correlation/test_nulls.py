"""Tests of canonical correlations: level and power, the naive test's error, bootstraps, new samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.correlation import _nulls, bootstrapped_correlations, cca, permutation_test, variate_correlations, variates
from mmjax.correlation._nulls import random_order, spectral_norm
from tests.correlation.data import exact_views


def data_sets(key, num_sets, num_samples=80, correlation=0.9, width=4):
    """Pairs of views of which only the first direction is related."""

    def one(key):
        x, noise = jax.random.normal(key, (2, num_samples, width))
        shared = correlation * x[:, :1] + (1 - correlation**2) ** 0.5 * noise[:, :1]
        return x, jnp.concatenate([shared, noise[:, 1:]], axis=1)

    return jax.vmap(one)(jax.random.split(key, num_sets))


def rejections(num_sets, num_permutations=99):
    x, y = data_sets(jax.random.key(0), num_sets)
    keys = jax.random.split(jax.random.key(1), num_sets)

    def p_values(args):
        return permutation_test(*args, 3, num_permutations=num_permutations).p_values

    return np.mean(np.asarray(jax.jit(lambda *a: jax.lax.map(p_values, a))(keys, x, y)) <= 0.05, axis=0)


def test_a_correlation_is_found_and_no_second_one_is_made_up():
    first, second, third = rejections(100)
    assert first == 1 and second <= 0.05 + 3 * (0.05 * 0.95 / 100) ** 0.5 and third <= second


@pytest.mark.slow
def test_the_level_over_500_data_sets():
    first, second, third = rejections(500, num_permutations=199)
    assert first == 1 and second <= 0.07 and third <= 0.07


def test_correlations_and_literal_p_values(float64):
    x, y = exact_views(np.random.default_rng(0), 40, np.ones(3), [0.95, 0.9, 0.0])
    found = permutation_test(jax.random.key(0), x, y, 3, num_permutations=49)
    np.testing.assert_allclose(found.correlations, [0.95, 0.9, 0], atol=1e-10)
    np.testing.assert_allclose(found.p_values[:2], 1 / 50)
    assert found.p_values[2] == 1 and found.null.shape == (49, 3)
    assert np.all(np.diff(found.null, axis=1) <= 1e-12), "a part of a matrix has no larger norm"
    again = permutation_test(jax.random.key(0), x, y, 3, num_permutations=49)
    np.testing.assert_array_equal(again.null, found.null)


def test_views_of_low_rank_and_nan(float64):
    x, y = exact_views(np.random.default_rng(1), 40, np.ones(3), [0.9, 0.1, 0.0])
    found = permutation_test(jax.random.key(0), np.c_[x, x[:, :1]], y, 3, num_permutations=19)
    assert found.correlations[0] == pytest.approx(0.9) and found.p_values[0] == 0.05
    spoilt = permutation_test(jax.random.key(0), np.where(x == x[0, 0], np.nan, x), y, 2, num_permutations=19)
    assert np.isnan(spoilt.p_values).all()


def test_bootstrapped_fits_spread_around_the_fit_and_lie_above_it_on_average():
    x, y = (z[0] for z in data_sets(jax.random.key(2), 1, num_samples=200))
    fit = cca(x, y, 2).correlations
    draws = bootstrapped_correlations(jax.random.key(3), x, y, 2, num_draws=64)
    assert draws.shape == (64, 2) and np.all((draws >= 0) & (draws <= 1))
    assert draws[:, 0].min() < fit[0] < draws[:, 0].max() and draws[:, 1].mean() > fit[1]


def test_new_samples_tell_what_fits_overstate():
    x, y = (z[0] for z in data_sets(jax.random.key(4), 1, num_samples=4000))
    fit = cca(x[:60], y[:60], 3)
    held = variate_correlations(variates(fit, [x[60:], y[60:]]))
    assert held[0] == pytest.approx(0.9, abs=0.05)
    assert np.all(np.abs(held[1:]) < 0.1) and fit.correlations[1] > 0.2
    same = variate_correlations(variates(fit, [x[:60], y[:60]]))
    np.testing.assert_allclose(same, fit.correlations, rtol=1e-3, atol=1e-3)
    assert variate_correlations([jnp.ones((5, 2)), x[:5, :2]]).tolist() == [0, 0]


@pytest.mark.parametrize("num_samples", [1, 2, 3, 1000])
def test_orders_are_permutations(num_samples):
    orders = jax.vmap(lambda key: random_order(key, num_samples))(jax.random.split(jax.random.key(0), 5))
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(num_samples), (5, 1)))
    assert num_samples < 1000 or len(np.unique(orders[:, 0])) > 1


def test_orders_are_equally_likely():
    """All 24 orders of four: chi-squared of 23 degrees of freedom, whose 0.9999 quantile is 57."""
    orders = jax.vmap(lambda key: random_order(key, 4))(jax.random.split(jax.random.key(1), 24_000))
    counts = np.unique(np.asarray(orders) @ [64, 16, 4, 1], return_counts=True)[1]
    assert len(counts) == 24 and np.sum((counts - 1000) ** 2 / 1000) < 57


def test_orders_of_a_law_of_one_leave_the_data_alone(monkeypatch):
    """The order that is undone and the one that follows cancel: p-values hold for any law, and here say nothing."""
    monkeypatch.setattr(_nulls, "random_order", lambda key, n: jnp.roll(jnp.arange(n)[::-1], 7))
    x, y = (z[0] for z in data_sets(jax.random.key(5), 1))
    found = permutation_test(jax.random.key(0), x, y, 1, num_permutations=3)
    np.testing.assert_allclose(found.null, jnp.tile(found.correlations, (3, 1)), rtol=1e-5)
    assert found.p_values == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 2), (33, 40)])
def test_spectral_norms(shape, float64):
    matrices = np.random.default_rng(0).normal(size=(20, *shape))
    norms = jax.jit(jax.vmap(spectral_norm))(matrices)
    np.testing.assert_allclose(norms, np.linalg.norm(matrices, ord=2, axis=(1, 2)), rtol=1e-14)


def test_spectral_norms_of_nothing_and_nan():
    assert spectral_norm(jnp.zeros((4, 3))) == 0
    norms = jax.vmap(spectral_norm)(jnp.stack([jnp.full((3, 3), jnp.nan), 2 * jnp.eye(3)]))
    np.testing.assert_allclose(norms, [jnp.nan, 2], rtol=1e-6)


@pytest.mark.parametrize(("platform", "tridiagonal"), [("cpu", True), ("cuda", False), ("tpu", False)])
def test_spectral_norms_are_bisected_on_a_cpu_only(platform, tridiagonal):
    found = jax.export.export(jax.jit(jax.vmap(spectral_norm)), platforms=[platform])(jnp.ones((2, 4, 4)))
    assert ("sytrd" in found.mlir_module()) is tridiagonal


def test_what_cannot_be_tested_is_refused():
    x = np.ones((7, 4))
    with pytest.raises(ValueError, match="7 samples of 4 and 4 features correlate perfectly"):
        permutation_test(jax.random.key(0), x, x, 1)
    x = np.ones((20, 4))
    with pytest.raises(ValueError, match=r"num_components must be in \[1, 4\] and num_permutations at least 1; got 5"):
        permutation_test(jax.random.key(0), x, x, 5)
