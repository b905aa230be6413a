import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.correlation import cca, gcca
from mmjax.data import _factor_views as implementation
from mmjax.data import linear_views, linear_views_correlation, nonlinear_views

NUM_SAMPLES = 10_000
WEAK = {"common_scale": 1.0, "individual_scale": 1.5}
STRONG = {"common_scale": 1.5, "individual_scale": 1.0}
SMALL = functools.partial(linear_views, num_samples=6, dims=(7, 6))


def sample(dims=(10, 8), **options):
    return linear_views(jax.random.key(0), num_samples=NUM_SAMPLES, dims=dims, **options)


@functools.cache
def nonlinear_sample():
    return nonlinear_views(jax.random.key(0), num_samples=NUM_SAMPLES)


def correlations(data):
    return np.asarray(cca(*data.views, 5).correlations)


def explained(x, y):
    """Share of the variance of y that a linear model of x explains; both have mean 0."""
    x, y = np.asarray(x), np.asarray(y)
    rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return 1 - np.var(rest) / np.var(y)


def check_maps(call, draw, options):
    """Many draws at once, compiled, are one after the other, compiled or not."""
    keys = jax.random.split(jax.random.key(0), 2)
    one, many = call(keys[1], options[1], draw), jax.jit(jax.vmap(functools.partial(call, draw=draw)))(keys, options)
    eager = call(keys[1], options[1], functools.partial(draw.func.__wrapped__, **draw.keywords))
    for other in (jax.tree.map(lambda a: a[1], many), eager):
        jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-5), other, one)
    assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(one))
    assert np.max(np.abs(many.common[0] - many.common[1])) > 0.1


def test_correlation_of_the_default():
    assert linear_views_correlation(0.95, 1.0, 0.3) == pytest.approx(0.871560, abs=1e-6)  # 0.95 / 1.09
    assert linear_views_correlation(0.95, 1.5, 0.3) == pytest.approx(0.913462, abs=1e-6)  # 0.95 * 2.25 / 2.34
    assert linear_views_correlation(0.5, 2.0, 0.0) == pytest.approx(0.5)


@pytest.mark.parametrize("regime", [WEAK, STRONG, {"common_scale": 0.7, "noise": 0.5, "share": 0.8}])
def test_canonical_correlations_are_those_of_the_population(regime):
    found = correlations(sample(**regime))
    expected = linear_views_correlation(regime.get("share", 0.95), regime["common_scale"], regime.get("noise", 0.3))
    np.testing.assert_allclose(found[:3], expected, atol=0.025)
    np.testing.assert_array_less(found[3:], 0.08)


def test_canonical_weights_span_the_loadings_of_the_shared_factors():
    data = sample()
    fit = cca(*data.views, 5)
    for x, weights in zip(data.views, fit.weights, strict=True):
        loadings = np.linalg.qr(np.asarray(x).T @ np.asarray(data.common))[0]
        cosines = np.linalg.svd(loadings.T @ np.linalg.qr(weights[:, :3])[0], compute_uv=False)
        np.testing.assert_array_less(0.995, cosines)


def test_how_much_a_view_knows_of_its_factors():
    data = sample()
    for x, alone in zip(data.views, data.individual, strict=True):
        assert explained(x, data.common) == pytest.approx(0.8716, abs=0.015)
        assert explained(x, alone) == pytest.approx(0.9615, abs=0.005)  # 2.25 / 2.34


@pytest.mark.parametrize(("regime", "first"), [(WEAK, "individual"), (STRONG, "common")])
def test_the_larger_factors_are_the_principal_components(regime, first):
    data = sample(**regime)
    x = np.asarray(data.views[0])
    components = x @ np.linalg.eigh(x.T @ x)[1][:, -3:]
    found = {"common": explained(components, data.common), "individual": explained(components, data.individual[0])}
    assert found.pop(first) > 0.85
    assert max(found.values()) < 0.05


@pytest.mark.parametrize("draw", [sample, nonlinear_sample])
def test_factors_are_independent_of_mean_0_and_variance_1(draw):
    data = draw()
    factors = np.concatenate([data.common, *data.individual], axis=1)
    np.testing.assert_allclose(factors.mean(0), 0, atol=0.045)
    np.testing.assert_allclose(np.cov(factors.T), np.eye(factors.shape[1]), atol=0.06)


def test_without_noise_the_loadings_are_orthonormal_and_the_factors_all_there_is():
    data = sample(share=1.0, noise=0.0, **WEAK)
    for x, alone in zip(data.views, data.individual, strict=True):
        factors = np.concatenate([data.common, alone], axis=1)
        loadings = np.linalg.lstsq(factors, np.asarray(x), rcond=None)[0]
        np.testing.assert_allclose(factors @ loadings, x, atol=1e-5)
        np.testing.assert_allclose(loadings @ loadings.T, np.diag([1.0] * 3 + [2.25] * 3), atol=1e-5)
    np.testing.assert_allclose(correlations(data)[:3], 1, atol=1e-4)


def test_without_a_share_nothing_is_common():
    assert correlations(sample(share=0.0))[0] < 0.08


def test_three_views_share_as_much_as_two():
    data = sample(dims=(6, 6, 6), num_common=2)
    assert [x.shape for x in data.views] == [(NUM_SAMPLES, 6)] * 3
    assert [u.shape for u in data.individual] == [(NUM_SAMPLES, 3)] * 3
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        found = correlations(data._replace(views=(data.views[i], data.views[j])))
        np.testing.assert_allclose(found, [0.8716, 0.8716, 0, 0, 0], atol=0.08)
    np.testing.assert_allclose(gcca(data.views, 2).correlations, 1 + 2 * 0.8716, atol=0.03)


def test_nonlinear_views_are_almost_linear_in_their_factors():
    data = nonlinear_sample()
    assert [x.shape for x in data.views] == [(NUM_SAMPLES, 20)] * 2
    for x, alone in zip(data.views, data.individual, strict=True):
        x = np.asarray(x) - np.mean(x, axis=0, keepdims=True)
        for factors in (data.common, alone):
            assert 0.9 < explained(x, factors) < 0.99
        # Noise of standard deviation 0.1 is all there is in the 4 directions that no hidden unit reaches.
        np.testing.assert_allclose(np.linalg.eigvalsh(np.cov(x.T))[:4], 0.01, rtol=0.06)


def test_factors_of_nonlinear_views_are_uniform():
    data = nonlinear_sample()
    for factors in (data.common, *data.individual):
        assert np.max(np.abs(factors)) <= 3**0.5
        np.testing.assert_allclose(np.mean(factors**4, axis=0), 9 / 5, atol=0.08)


def test_bent_maps_are_injective(monkeypatch):
    """An orthogonal map to and fro and units of slope 0.2 and 1, of twice the factors, keep 0.4 to 2 of a distance."""
    monkeypatch.setattr(implementation, "NONLINEAR_NOISE", 0.0)
    factors = jax.random.uniform(jax.random.key(1), (200, 4), minval=-1.7, maxval=1.7)
    view = implementation._bent(jax.random.key(0), factors)
    stretched = np.linalg.norm(view[1:] - view[:-1], axis=1) / np.linalg.norm(factors[1:] - factors[:-1], axis=1)
    np.testing.assert_array_less(0.4, stretched)
    np.testing.assert_array_less(stretched, 2)
    assert np.ptp(stretched) > 0.3
    values = np.linalg.svd(view, compute_uv=False)
    assert values[15] > 0.1
    np.testing.assert_allclose(values[16:], 0, atol=1e-3)


def test_linear_views_compile_and_map_over_keys_and_sizes():
    names = ["share", "common_scale", "individual_scale", "noise"]
    sizes = jnp.array([[0.2, 0.5, 1.0, 0.1], [0.9, 2.0, 0.3, 0.0]])
    check_maps(lambda key, row, draw: draw(key, **dict(zip(names, row, strict=True))), SMALL, sizes)


def test_nonlinear_views_compile_and_map_over_keys():
    check_maps(lambda key, _, draw: draw(key), functools.partial(nonlinear_views, num_samples=6), jnp.zeros(2))


def test_float64(float64):
    assert SMALL(jax.random.key(0)).views[0].dtype == jnp.float64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dims": (30,)}, r"two dims or more.*got dims \(30,\)"),
        ({"dims": (30, 5)}, r"at least num_common \+ num_individual.*got dims \(30, 5\)"),
        ({"num_common": 0}, "both of these at least 1; .*num_common 0"),
        ({"num_individual": 0}, "both of these at least 1; .*num_individual 0"),
    ],
)
def test_what_is_no_view_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        linear_views(jax.random.key(0), num_samples=4, **options)
