"""CCA, GCCA and MCCA in closed form: other libraries' values, low rank, missing views, data in parts."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.cross_decomposition import CCA as ScikitCCA

from mmjax.correlation import (
    cca,
    cca_of,
    consensus,
    gcca,
    gcca_of,
    maxvar,
    mcca,
    merged,
    moments,
    trace_norm,
    variates,
)
from tests.correlation.data import exact_views, related_views


@pytest.fixture
def views():
    return related_views(np.random.default_rng(0))


def correlations_between(a, b):
    return np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(np.asarray(a).T, np.asarray(b).T, strict=True)])


def test_correlations_that_are_known(float64):
    rho = [0.9, 0.5, 0.2]
    x, y = exact_views(np.random.default_rng(1), 50, [0.5, 1, 2], rho)
    fit = cca(x, y, 3)
    np.testing.assert_allclose(fit.correlations, rho, atol=1e-12)
    a, b = variates(fit, [x, y])
    np.testing.assert_allclose(np.cov(a, rowvar=False), np.eye(3), atol=1e-10)
    np.testing.assert_allclose(a.T @ b / 49, np.diag(rho), atol=1e-10)
    assert fit.rank == 3 and trace_norm(x, y, ridge=0.0) == pytest.approx(1.6, abs=1e-12)


def test_equals_scikit_learn(views, float64):
    x, y, _ = views
    theirs = ScikitCCA(3, scale=False, max_iter=5000, tol=1e-12).fit(x, y)
    a, b = theirs.transform(x, y)
    fit = cca(x, y, 3)
    np.testing.assert_allclose(fit.correlations, correlations_between(a, b), atol=1e-8)
    ours = variates(fit, [x, y])
    for mine, other in zip(ours, (a, b), strict=True):
        np.testing.assert_allclose(np.abs(correlations_between(mine, other)), 1, atol=1e-8)


def test_generalised_of_two_views_has_eigenvalues_one_plus_rho(views, float64):
    x, y, _ = views
    rho = cca(x, y, 4).correlations
    fit = gcca([x, y], 4)
    np.testing.assert_allclose(fit.correlations, 1 + rho, atol=1e-10)
    assert maxvar([x, y], 4, ridge=0.0) == pytest.approx(4 + float(rho.sum()), abs=1e-10)


def test_components_are_what_the_projections_have_as_eigenvectors(views, float64):
    projections = sum(q @ q.T for q in (np.linalg.qr(v - v.mean(0))[0] for v in views))
    values, vectors = np.linalg.eigh(projections)
    fit = gcca(views, 3)
    np.testing.assert_allclose(fit.correlations, values[::-1][:3], atol=1e-10)
    components = consensus(fit, views)
    np.testing.assert_allclose(np.cov(components, rowvar=False), np.eye(3), atol=1e-9)
    np.testing.assert_allclose(np.abs(correlations_between(components, vectors[:, ::-1][:, :3])), 1, atol=1e-9)
    least_squares = np.linalg.lstsq(views[0] - views[0].mean(0), components, rcond=None)[0]
    np.testing.assert_allclose(fit.weights[0], least_squares, atol=1e-9)


def test_multiset_directions_have_mean_variance_one(views, float64):
    fit = mcca(views, 3)
    spread = np.mean([np.var(z, axis=0, ddof=1) for z in variates(fit, views)], axis=0)
    np.testing.assert_allclose(spread, 1, atol=1e-10)
    total = np.var(sum(variates(fit, views)), axis=0, ddof=1)
    np.testing.assert_allclose(total, 3 * fit.correlations, atol=1e-9)
    np.testing.assert_allclose(fit.correlations, gcca(views, 3).correlations, atol=1e-12)


def test_data_in_parts_give_the_fit_of_all(views, float64):
    parts = [[v[rows] for v in views] for rows in (slice(0, 30), slice(30, 31), slice(31, None))]
    whole, summed = moments(views), functools.reduce(merged, map(moments, parts))
    chex.assert_trees_all_close(summed, whole, rtol=1e-10)
    chex.assert_trees_all_close(gcca_of(summed, 3), gcca(views, 3), rtol=1e-8, atol=1e-8)
    pair = functools.reduce(merged, (moments(part[:2]) for part in parts))
    chex.assert_trees_all_close(cca_of(pair, 3), cca(*views[:2], 3), rtol=1e-8, atol=1e-8)


def test_parts_under_scan(views):
    parts = [jnp.array(v, jnp.float32).reshape(4, 50, -1) for v in views]
    first = moments([p[0] for p in parts])
    summed, _ = jax.lax.scan(lambda at, part: (merged(at, moments(part)), None), first, [p[1:] for p in parts])
    np.testing.assert_allclose(
        summed.scatter, moments([p.reshape(200, -1) for p in parts]).scatter, rtol=1e-3, atol=0.1
    )


def test_weights_count_samples(views, float64):
    weight = np.random.default_rng(2).integers(0, 3, 200)
    repeated = [np.repeat(v, weight, axis=0) for v in views]
    chex.assert_trees_all_close(moments(views, weight=weight), moments(repeated), rtol=1e-9)


def test_low_rank_and_fewer_samples_than_features(float64):
    rng = np.random.default_rng(3)
    flat = rng.normal(size=(30, 2)) @ rng.normal(size=(2, 5))
    other = flat[:, :3] + rng.normal(size=(30, 3))
    fit = cca(flat, np.c_[other, other[:, :1], np.ones(30)], 4)
    assert fit.rank == 2 and np.all(np.asarray(fit.correlations[2:]) == 0)
    assert all(np.isfinite(w).all() and np.all(np.asarray(w)[:, 2:] == 0) for w in fit.weights)
    np.testing.assert_allclose(fit.correlations[:2], cca(flat[:, :2], other, 2).correlations, atol=1e-10)
    few = cca(rng.normal(size=(6, 9)), rng.normal(size=(6, 8)), 8)
    assert few.rank == 5 and np.allclose(few.correlations, [1] * 5 + [0] * 3)
    assert gcca([flat, np.zeros((30, 2))], 4).rank == 2


def test_views_without_variance_have_no_correlation():
    fit = cca(jnp.ones((9, 2)), jnp.arange(18.0).reshape(9, 2), 2)
    assert fit.rank == 0 and np.all(np.asarray(fit.correlations) == 0) and np.all(np.isfinite(fit.weights[1]))


def test_ridge_follows_the_units_and_shrinkage_does_not(views, float64):
    x, y, _ = views
    np.testing.assert_allclose(cca(1e3 * x, y, 2, ridge=0.1).correlations, cca(x, y, 2, ridge=0.1).correlations)
    assert cca(x, y, 2, ridge=0.1).correlations[0] < cca(x, y, 2).correlations[0]
    singular = np.linalg.svd((x - x.mean(0)).T @ (y - y.mean(0)) / 199, compute_uv=False)
    partial = cca(0.01 * x, 0.01 * y, 2, shrinkage=1.0)
    np.testing.assert_allclose(partial.correlations, 1e-4 * singular[:2], rtol=1e-10)


def test_fits_are_the_same_every_time_whatever_the_sign_of_the_data(views, float64):
    x, y, _ = views
    fit, turned = cca(x, y, 3), cca(-x, y, 3)
    largest = np.take_along_axis(np.asarray(fit.weights[0]), np.abs(fit.weights[0]).argmax(0)[None], axis=0)
    assert np.all(largest > 0)
    np.testing.assert_allclose(turned.weights[0], fit.weights[0], atol=1e-10)
    np.testing.assert_allclose(turned.weights[1], -fit.weights[1], atol=1e-10)


def test_a_missing_view_is_left_out(views, float64):
    fit = gcca(views, 2)
    assert variates(fit, [None, views[1], None])[0] is None
    whole, partly = consensus(fit, views), consensus(fit, [views[0], None, views[2]])
    assert np.all(correlations_between(whole, partly) > 0.9)
    with pytest.raises(ValueError, match="all 3 views are missing"):
        consensus(fit, [None] * 3)


def test_jit_and_vmap(views):
    x, y, _ = (jnp.array(v, jnp.float32) for v in views)
    ridges = jnp.array([0.0, 0.1])
    together = jax.jit(jax.vmap(lambda r: cca(x, y, 2, ridge=r)))(ridges)
    one = cca(x, y, 2, ridge=0.1)
    np.testing.assert_allclose(together.correlations[1], one.correlations, rtol=1e-5)
    np.testing.assert_allclose(together.weights[0][1], one.weights[0], rtol=1e-3, atol=1e-4)


def test_a_fit_is_kept_by_an_archive(views, tmp_path):
    fit = gcca(views, 2)
    leaves, structure = jax.tree.flatten(fit)
    np.savez(tmp_path / "fit.npz", *leaves)
    with np.load(tmp_path / "fit.npz") as file:
        restored = jax.tree.unflatten(structure, [file[name] for name in file.files])
    chex.assert_trees_all_equal(restored, fit)


def test_what_cannot_be_fitted_is_refused(views):
    x, y, _ = views
    with pytest.raises(ValueError, match=r"num_components in \[1, 4\]; got 2 views, 5"):
        cca(x, y, 5)
    with pytest.raises(ValueError, match=r"in \[1, 9\] for widths \(5, 4\); got 0"):
        gcca([x, y], 0)
    with pytest.raises(ValueError, match="all of the same n samples"):
        cca(x, y[:-1], 2)
    with pytest.raises(ValueError, match="at least 2 views are needed; got 1"):
        mcca([x], 2)
    fit = cca(x, y, 2)
    with pytest.raises(ValueError, match="2 views were fitted; got 1"):
        variates(fit, [x])
    with pytest.raises(ValueError, match="a view of width 5 was fitted; got samples of shape"):
        variates(fit, [y, y])


def test_a_nan_is_not_hidden(views):
    x, y, _ = (np.array(v, np.float32) for v in views)
    x[3, 1] = np.nan
    assert np.isnan(cca(x, y, 2).correlations).all() and np.isnan(gcca([x, y], 2).correlations).all()
