"""Common and individual parts: exact zeros of the theory, recovery of known factors, scores, saliency."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.correlation import (
    agreement,
    cca,
    common_energy,
    common_variates,
    correlation_gradient,
    explained_residual,
    fit_common_individual,
    gcca,
    individual_energy,
    individual_variates,
    jacobian_energy,
    maxvar,
    maxvar_gradient,
    saliency,
    smooth_saliency,
    squared_correlation_gradient,
    sum_squares,
    trace_norm,
)
from tests.correlation.data import related_views


def shared_and_own(rng, num_samples, sizes, common_scale, individual_scale, noise=0.3, num=3):
    """Views of shared factors (correlating .95 with each view's copy) and factors of their own, and the factors."""
    shared = rng.normal(size=(num_samples, num))
    views, own = [], []
    for size in sizes:
        maps = np.linalg.qr(rng.normal(size=(size, 2 * num)))[0]
        copy = np.sqrt(0.95) * shared + np.sqrt(0.05) * rng.normal(size=shared.shape)
        own.append(rng.normal(size=shared.shape))
        x = common_scale * copy @ maps[:, :num].T + individual_scale * own[-1] @ maps[:, num:].T
        views.append(x + noise * rng.normal(size=x.shape))
    return views, shared, own


def r_squared(features, targets):
    """How well targets are predicted linearly, in sample: many samples, few features."""
    x = np.c_[np.ones(len(features)), np.asarray(features)]
    residual = targets - x @ np.linalg.lstsq(x, targets, rcond=None)[0]
    return 1 - (residual**2).sum() / ((targets - targets.mean(0)) ** 2).sum()


def correlation_of(a, b):
    a, b = (np.asarray(z) - np.asarray(z).mean(0) for z in (a, b))
    return np.abs(a.T @ b / np.sqrt((a**2).sum(0)[:, None] * (b**2).sum(0))).max()


@pytest.mark.parametrize(("common_scale", "individual_scale", "least"), [(1.0, 1.5, 0.84), (1.5, 1.0, 0.88)])
@pytest.mark.parametrize("sizes", [(30, 24), (20, 16, 12)])
def test_known_factors_are_found(sizes, common_scale, individual_scale, least, float64):
    rng = np.random.default_rng(0)
    views, shared, own = shared_and_own(rng, 4000, sizes, common_scale, individual_scale)
    fit = fit_common_individual(views, 3, 3)
    for common, individual, factors in zip(
        common_variates(fit, views), individual_variates(fit, views), own, strict=True
    ):
        assert r_squared(common, shared) >= least and r_squared(common, factors) <= 0.02
        assert r_squared(individual, shared) <= 0.02 and r_squared(individual, factors) >= 0.87
    assert np.all(fit.explained > 0.3) and np.all(fit.explained < 1)


def test_what_the_theory_has_as_zero_is_zero(float64):
    views = related_views(np.random.default_rng(1), 100, (6, 5), 2)
    fit, beyond = fit_common_individual(views, 2, 3), cca(*views, 3).correlations[2]
    (a1, a2), (b1, b2) = common_variates(fit, views), individual_variates(fit, views)
    assert max(correlation_of(b1, a1), correlation_of(b1, a2), correlation_of(b2, a1), correlation_of(b2, a2)) < 1e-9
    np.testing.assert_allclose(np.cov(b1, rowvar=False), np.eye(3), atol=1e-9)
    assert cca(b1, b2, 1).correlations[0] <= beyond + 1e-9
    within = np.cov(views[0], rowvar=False)
    loadings = within @ np.asarray(fit.common_weights[0])
    assert np.abs(loadings.T @ fit.individual_weights[0]).max() < 1e-9
    shares = [explained_residual(b, a, v, ridge=0.0) for a, b, v in zip((a1, a2), (b1, b2), views, strict=True)]
    np.testing.assert_allclose(fit.explained, shares, atol=1e-9)


def test_of_three_views_own_common_and_individual_variates_are_uncorrelated(float64):
    views = related_views(np.random.default_rng(2), 100)
    fit = fit_common_individual(views, 2, (3, 2, 1))
    for a, b, number in zip(common_variates(fit, views), individual_variates(fit, views), (3, 2, 1), strict=True):
        np.testing.assert_allclose(np.var(a, axis=0, ddof=1), 1, atol=1e-9)
        assert b.shape == (100, number) and correlation_of(a, b) < 1e-9
    np.testing.assert_allclose(fit.correlations, gcca(views, 2).correlations, atol=1e-12)


def test_with_a_ridge_own_variates_stay_uncorrelated(float64):
    views = related_views(np.random.default_rng(3), 100, (6, 5), 2)
    fit = fit_common_individual(views, 2, 2, ridge=0.1)
    (a, _), (b, _) = common_variates(fit, views), individual_variates(fit, views)
    assert correlation_of(a, b) < 1e-9


def test_nothing_left_is_nothing(float64):
    """A view of as many dimensions as it has common ones, beside one that repeats columns."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(50, 2))
    fit = fit_common_individual([np.c_[x, x], rng.normal(size=(50, 4))], 2, 2)
    np.testing.assert_allclose(fit.individual_weights[0], 0, atol=1e-6)
    assert fit.explained[0] == 0 and np.isfinite(fit.explained[1])


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((0, 1), r"num_common must be in \[1, 4\]"),
        ((5, 1), r"num_common must be in \[1, 4\]"),
        ((2, 3), r"num_individual must be in \[1, 2\] for a view of width 4 with 2 common variates; got 3"),
        ((2, (1, 1, 1)), "one for each of 2 views; got 3"),
    ],
)
def test_numbers_out_of_range_are_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        fit_common_individual([np.ones((9, 5)), np.ones((9, 4))], *numbers)


def test_agreement_adds_up_to_the_correlations(float64):
    x, y = related_views(np.random.default_rng(5), 60, (4, 3))
    fit = fit_common_individual([x, y], 2, 1)
    a, b = common_variates(fit, [x, y])
    assert float(agreement(a, b).sum()) / 59 == pytest.approx(float(fit.correlations.sum()), abs=1e-12)


def test_literal_scores():
    a, b = jnp.array([[1.0, 2.0], [0.0, -1.0]]), jnp.array([[3.0, 1.0], [2.0, 4.0]])
    np.testing.assert_allclose(agreement(a, b), [5, -4])
    np.testing.assert_allclose(common_energy(a, jnp.array([0.5, 0.25])), [0.75, 0.125])
    np.testing.assert_allclose(individual_energy(b), [5, 10])
    with pytest.raises(AssertionError):
        common_energy(a, jnp.ones(3))


def test_gradients_of_scores_of_linear_heads(float64):
    """grad c = A D A^T x, grad q = Q Q^T x, grad t = A b; individual ones are orthogonal to the common loadings."""
    x, y = related_views(np.random.default_rng(6), 80, (5, 4))
    fit = fit_common_individual([x, y], 2, 2)
    a_weights, q_weights = np.asarray(fit.common_weights[0]), np.asarray(fit.individual_weights[0])

    def common(x):
        return common_variates(fit, [x, jnp.asarray(y)])

    def individual(x):
        return individual_variates(fit, [x, jnp.asarray(y)])[0]

    centred = x - x.mean(0)
    energy = saliency(lambda x: common_energy(common(x)[0], fit.correlations), jnp.array(x))
    np.testing.assert_allclose(energy, centred @ a_weights * np.asarray(fit.correlations) @ a_weights.T, atol=1e-9)
    own = saliency(lambda x: individual_energy(individual(x)), jnp.array(x))
    np.testing.assert_allclose(own, centred @ q_weights @ q_weights.T, atol=1e-9)
    np.testing.assert_allclose(own @ np.cov(x, rowvar=False) @ a_weights, 0, atol=1e-8)
    moment = np.asarray(energy).T @ np.asarray(energy) / 79
    np.testing.assert_allclose(moment, a_weights * np.asarray(fit.correlations) ** 2 @ a_weights.T, atol=1e-9)
    together = saliency(lambda x: agreement(*common(x)), jnp.array(x))
    np.testing.assert_allclose(together, np.asarray(common(jnp.array(x))[1]) @ a_weights.T, atol=1e-9)
    energies = jacobian_energy(lambda x: common(x)[0], jnp.array(x))
    np.testing.assert_allclose(energies, np.broadcast_to((a_weights**2).sum(1), x.shape), atol=1e-9)


@pytest.mark.parametrize("num_correlations", [1, 2, 3])
def test_closed_form_gradients_of_correlations(num_correlations, float64):
    x, y = related_views(np.random.default_rng(7), 50, (4, 3))
    expected = jax.grad(lambda x: trace_norm(x, y, ridge=0.0, num_correlations=num_correlations))(x)
    found = correlation_gradient(x, y, num_correlations)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


def test_closed_form_gradient_of_squared_correlations(float64):
    x, y = related_views(np.random.default_rng(8), 50, (4, 3))
    expected = jax.grad(lambda x: sum_squares(x, y, ridge=0.0))(x)
    np.testing.assert_allclose(squared_correlation_gradient(x, y), expected, rtol=0, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("view", [0, 2])
def test_closed_form_gradient_of_generalised_correlations(view, float64):
    views = [jnp.array(v) for v in related_views(np.random.default_rng(9), 50)]
    expected = jax.grad(lambda v: maxvar([*views[:view], v, *views[view + 1 :]], 2, ridge=0.0))(views[view])
    np.testing.assert_allclose(maxvar_gradient(views, view, 2), expected, rtol=0, atol=1e-8 * np.abs(expected).max())


def test_saliency_has_the_shape_of_the_input_and_takes_scores_of_one_sample():
    x = jax.random.normal(jax.random.key(0), (3, 4, 5))
    per_batch = saliency(lambda x: jnp.sum(jnp.sin(x), axis=(1, 2)), x)
    np.testing.assert_allclose(per_batch, jnp.cos(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(saliency(lambda x: jnp.sum(jnp.sin(x)), x), per_batch, rtol=1e-6)
    with pytest.raises(ValueError, match=r"map 3 samples to \(3,\) or one to a scalar; got \(3, 4\) and \(5,\)"):
        saliency(lambda x: jnp.sum(x, axis=-1) if x.ndim == 3 else x[0], x)


def test_smoothing_averages_gradients_over_noise():
    """Of a cubic score, E[3 (x + s e)^2] = 3 x^2 + 3 s^2."""
    x = jnp.array([[1.0, -2.0], [0.5, 0.0]])
    smooth = smooth_saliency(jax.random.key(1), lambda x: jnp.sum(x**3, axis=1), x, scale=0.5, num_draws=4000)
    np.testing.assert_allclose(smooth, 3 * x**2 + 0.75, atol=0.4)
    plain = smooth_saliency(jax.random.key(1), lambda x: jnp.sum(x**3, axis=1), x, scale=0.0, num_draws=2)
    np.testing.assert_allclose(plain, 3 * x**2, rtol=1e-6)


def test_fits_under_jit_and_vmap_over_ridges():
    views = [jnp.array(v, jnp.float32) for v in related_views(np.random.default_rng(10), 60, (4, 3))]
    ridges = jnp.array([0.0, 0.1])
    together = jax.jit(jax.vmap(lambda r: fit_common_individual(views, 2, 1, ridge=r)))(ridges)
    one = fit_common_individual(views, 2, 1, ridge=0.1)
    np.testing.assert_allclose(together.individual_weights[0][1], one.individual_weights[0], rtol=1e-3, atol=1e-4)
