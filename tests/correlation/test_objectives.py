"""Correlations as objectives: values, closed-form gradients, degenerate spectra, bad batches, shards."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import correlation
from mmjax.correlation import explained_residual, maxvar, mean_squared_correlation, sum_squares, trace_norm
from tests.correlation.data import exact_views, related_views

WIDTH, NUM_SAMPLES = 16, 512
SPREAD = np.linspace(0.2, 0.9, WIDTH)
SPECTRA = {
    "generic": (np.linspace(0.5, 3, WIDTH), SPREAD),
    "white": (np.ones(WIDTH), SPREAD),
    "white but for 1e-6": (1 + 1e-6 * np.arange(WIDTH), SPREAD),
    "all correlations .7": (np.linspace(0.5, 3, WIDTH), np.full(WIDTH, 0.7)),
    "half of them 0": (np.linspace(0.5, 3, WIDTH), np.r_[np.zeros(WIDTH // 2), SPREAD[WIDTH // 2 :]]),
    "condition 1e6": (np.logspace(-3, 3, WIDTH), SPREAD),
    "white, all .7": (np.ones(WIDTH), np.full(WIDTH, 0.7)),
}


def closed_form_gradient(h1, h2, ridge):
    """Of the trace norm with the absolute ridges that the relative one amounts to, these held (Andrew et al. 2013)."""
    a, b = (np.asarray(h, np.float64) for h in (h1, h2))
    a, b, n = a - a.mean(0), b - b.mean(0), len(a)
    s11, s22, s12 = a.T @ a / (n - 1), b.T @ b / (n - 1), a.T @ b / (n - 1)
    l1, l2 = (np.linalg.cholesky(s + ridge * np.trace(s) / len(s) * np.eye(len(s))) for s in (s11, s22))
    u, values, vt = np.linalg.svd(np.linalg.solve(l2, np.linalg.solve(l1, s12).T).T)
    first, second = np.linalg.solve(l1.T, u), np.linalg.solve(l2.T, vt.T)
    held = (b @ second - a @ first * values) @ first.T / (n - 1)
    # The ridge follows the trace: d/dS11 of the norm is - A D A^T / 2, so its trace times r/d acts on all of S11.
    moved = -ridge / len(s11) * np.sum(first * first * values) * a / (n - 1)
    return held + moved


@pytest.mark.parametrize("name", SPECTRA)
def test_gradients_are_right_whatever_the_spectrum(name):
    h1, h2 = exact_views(np.random.default_rng(0), NUM_SAMPLES, *SPECTRA[name], dtype=np.float32)
    value, gradient = jax.jit(jax.value_and_grad(trace_norm))(h1, h2)
    assert np.isfinite(value) and np.isfinite(gradient).all()
    if name != "half of them 0":  # there any subgradient is one
        expected = closed_form_gradient(h1, h2, 1e-4)
        assert np.linalg.norm(gradient - expected) <= 2e-6 * np.linalg.norm(expected)


def test_identical_views_have_all_correlations_1_and_no_gradient():
    h1, _ = exact_views(np.random.default_rng(1), NUM_SAMPLES, np.ones(WIDTH), SPREAD, np.float32)
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(WIDTH, WIDTH)))[0].astype(np.float32)
    for scale in (1e-4, 1.0, 1e4):
        value, gradient = jax.value_and_grad(trace_norm)(scale * h1, h1 @ turn)
        assert value == pytest.approx(WIDTH, rel=2e-4)
        assert np.linalg.norm(gradient) * scale < 1e-4


def test_exactly_equal_eigenvalues_of_a_design():
    design = np.array(list(itertools.product([-1, 1], repeat=4)), np.float32)
    h1 = np.c_[design, design[:, 0] * design[:, 1]]
    gradient = jax.grad(trace_norm)(jnp.array(h1), jnp.array(np.roll(h1, 1, axis=1) * 0.5))
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("objective", [trace_norm, sum_squares])
def test_second_derivatives_are_those_of_finite_differences(objective, float64):
    rng = np.random.default_rng(3)
    h1, h2 = exact_views(rng, 40, np.linspace(0.5, 2, 3), [0.3, 0.5, 0.8])
    direction, step = jnp.array(rng.normal(size=h1.shape)), 1e-5
    slope = jax.jit(jax.grad(objective))
    second = jax.jit(lambda h: jax.jvp(lambda x: slope(x, h2), (h,), (direction,))[1])(jnp.array(h1))
    numeric = (slope(h1 + step * direction, h2) - slope(h1 - step * direction, h2)) / (2 * step)
    np.testing.assert_allclose(second, numeric, rtol=1e-6, atol=1e-6 * np.abs(numeric).max())


def test_values_are_sums_of_the_canonical_correlations(float64):
    rho = np.array([0.9, 0.6, 0.4, 0.1])
    h1, h2 = exact_views(np.random.default_rng(4), 60, np.linspace(0.5, 2, 4), rho)
    assert trace_norm(h1, h2, ridge=0.0) == pytest.approx(rho.sum(), abs=1e-12)
    assert trace_norm(h1, h2, ridge=0.0, num_correlations=2) == pytest.approx(1.5, abs=1e-12)
    assert sum_squares(h1, h2, ridge=0.0) == pytest.approx((rho**2).sum(), abs=1e-12)
    assert sum_squares(h1, h2, ridge=0.0, debias=True) == pytest.approx((rho**2).sum() - 16 / 59, abs=1e-12)
    assert mean_squared_correlation(h1, h2, ridge=0.0) == pytest.approx((rho**2).mean(), abs=1e-12)
    assert maxvar([h1, h2], 4, ridge=0.0) == pytest.approx(4 + rho.sum(), abs=1e-12)


def test_maxvar_is_the_sum_of_eigenvalues_of_the_projections(float64):
    views = related_views(np.random.default_rng(5), 40)
    projections = sum(q @ q.T for q in (np.linalg.qr(v - v.mean(0))[0] for v in views))
    expected = np.linalg.eigvalsh(projections)[::-1]
    assert maxvar(views, 3, ridge=0.0) == pytest.approx(expected[:3].sum(), abs=1e-10)


def test_the_debiased_sum_of_squares_of_independent_samples_is_about_0():
    keys = jax.random.split(jax.random.key(0), 200)
    draw = jax.vmap(lambda key: jax.random.normal(key, (2, 64, 4)))(keys)
    values = jax.vmap(lambda h: sum_squares(h[0], h[1], ridge=0.0, debias=True))(draw)
    assert abs(values.mean()) < 4 * values.std() / 200**0.5
    assert jax.vmap(lambda h: sum_squares(h[0], h[1]))(draw).mean() == pytest.approx(16 / 63, rel=0.1)


def test_the_share_of_the_residual_that_is_explained(float64):
    """Against least squares, sample by sample."""
    rng = np.random.default_rng(6)
    common, features = rng.normal(size=(80, 2)), rng.normal(size=(80, 6))
    individual = features @ rng.normal(size=(6, 2)) + common
    q_common, q_individual = (np.linalg.qr(x - x.mean(0))[0] for x in (common, individual))
    centred = features - features.mean(0)
    residual = centred - q_common @ q_common.T @ centred
    expected = np.sum((q_individual.T @ residual) ** 2) / np.sum(residual**2)
    assert explained_residual(individual, common, features, ridge=0.0) == pytest.approx(expected, abs=1e-12)
    assert explained_residual(individual, features, features[:, :3], ridge=0.0) == 0
    gradient = jax.grad(explained_residual)(jnp.array(individual), common, features)
    direction = rng.normal(size=individual.shape)
    change = [float(explained_residual(individual + e * direction, common, features)) for e in (1e-6, -1e-6)]
    assert float(np.sum(gradient * direction)) == pytest.approx((change[0] - change[1]) / 2e-6, rel=1e-5)


def test_a_batch_no_larger_than_the_widths_is_refused():
    message = "a batch of 7 samples is too small for representations of widths 4 and 3"
    for objective in (trace_norm, sum_squares, mean_squared_correlation):
        with pytest.raises(ValueError, match=message):
            objective(jnp.ones((7, 4)), jnp.ones((7, 3)))
    with pytest.raises(ValueError, match="an objective without an inverse, such as `ey`"):
        maxvar([jnp.ones((7, 4)), jnp.ones((7, 3))], 2)
    with pytest.raises(ValueError, match="all of the same n samples"):
        trace_norm(jnp.ones((9, 2)), jnp.ones((8, 2)))


BAD = {
    "constant column": lambda h: h.at[:, 0].set(3),
    "duplicated columns": lambda h: h.at[:, 0].set(h[:, 1]),
    "collapsed": jnp.zeros_like,
    "constant": lambda h: jnp.full_like(h, 2.5),
    "offset": lambda h: h + 1e3,
}


@pytest.mark.parametrize("name", BAD)
def test_degenerate_representations_have_values_and_derivatives(name):
    rng = np.random.default_rng(7)
    h1, h2 = (jnp.array(rng.normal(size=(64, 4)), jnp.float32) for _ in range(2))
    for objective in (
        trace_norm,
        sum_squares,
        lambda a, b: maxvar([a, b], 3),
        lambda a, b: explained_residual(a, b, a),
    ):
        value, gradient = jax.value_and_grad(objective, (0, 1))(BAD[name](h1), h2)
        assert np.isfinite(value) and all(np.isfinite(g).all() for g in gradient)
    if name in ("collapsed", "constant"):
        assert trace_norm(BAD[name](h1), h2) == pytest.approx(0, abs=1e-6)


def test_a_nan_is_not_hidden():
    h = jnp.array(np.random.default_rng(8).normal(size=(20, 3)), jnp.float32)
    assert np.isnan(trace_norm(h.at[0, 0].set(jnp.nan), h)) and np.isnan(sum_squares(h, h.at[3, 1].set(jnp.inf)))


def test_samples_without_weight_do_not_count():
    rng = np.random.default_rng(9)
    h1, h2 = (jnp.array(rng.normal(size=(40, 3)), jnp.float32) for _ in range(2))
    weight = (jnp.arange(40) < 30).astype(jnp.float32)
    spoilt = h1.at[35].set(jnp.nan)
    expected, gradient = jax.value_and_grad(trace_norm)(h1[:30], h2[:30])
    found, slope = jax.value_and_grad(lambda h: trace_norm(h, h2, weight=weight))(spoilt)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(slope[:30], gradient, atol=1e-6)
    np.testing.assert_array_equal(slope[30:], 0)


def test_a_batch_on_eight_devices_has_the_value_and_gradient_of_the_whole():
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("data")
    views = [jnp.array(v, jnp.float32) for v in related_views(np.random.default_rng(10), 64)]
    cases = {
        "trace norm": lambda x, y, z, axis: trace_norm(x, y, axis_name=axis),
        "sum of squares": lambda x, y, z, axis: sum_squares(x, z, axis_name=axis),
        "maxvar": lambda x, y, z, axis: maxvar([x, y, z], 3, axis_name=axis),
        "explained": lambda x, y, z, axis: explained_residual(x, y, z, axis_name=axis),
    }
    for name, objective in cases.items():
        whole = jax.value_and_grad(functools.partial(objective, axis=None), (0, 1, 2))(*views)
        spread = jax.shard_map(
            functools.partial(objective, axis="data"),
            mesh=mesh,
            in_specs=(spec, spec, spec),
            out_specs=jax.sharding.PartitionSpec(),
        )
        found = jax.jit(jax.value_and_grad(spread, (0, 1, 2)))(*views)
        jax.tree.map(
            lambda a, b, n=name: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6, err_msg=n), found, whole
        )


def test_ridges_under_vmap_are_as_one_by_one():
    h1, h2 = (jnp.array(v, jnp.float32) for v in related_views(np.random.default_rng(11), 50, (3, 3)))
    ridges = jnp.array([1e-4, 1e-2, 1.0])
    together = jax.jit(jax.vmap(lambda r: trace_norm(h1, h2, ridge=r)))(ridges)
    np.testing.assert_allclose(together, [trace_norm(h1, h2, ridge=r) for r in ridges], rtol=1e-6)
    assert np.all(np.diff(together) < 0)


def test_half_precision_is_computed_in_single():
    h1, h2 = (jnp.array(v, jnp.bfloat16) for v in related_views(np.random.default_rng(12), 50, (3, 3)))
    assert trace_norm(h1, h2).dtype == jnp.float32
    np.testing.assert_allclose(trace_norm(h1, h2), trace_norm(h1.astype(float), h2.astype(float)), rtol=1e-6)


def test_the_face_offers_what_it_names():
    assert all(hasattr(correlation, name) for name in correlation.__all__)
