import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import estimators
from tests.estimators.gaussians import correlation, log_ratio, pairs

LOG2 = np.log(2)


def _curve(s):
    """JSD of (1, 0) and (e^-s, 1 - e^-s), from the definition."""
    return _divergences(np.array([1.0, 0.0]), np.stack([np.exp(-s), -np.expm1(-s)], axis=-1))[0]


def _divergences(p, q):
    """JSD and KL(p||q) of tables on the last axis."""
    p, q = np.broadcast_arrays(p, q)
    with np.errstate(divide="ignore", invalid="ignore"):
        kl = [
            np.sum(np.where(a > 0, a * np.log(a / b), 0), axis=-1)
            for a, b in ((p, (p + q) / 2), (q, (p + q) / 2), (p, q))
        ]
    return (kl[0] + kl[1]) / 2, kl[2]


@jax.jit
@jax.vmap
def _map_with_derivatives(divergence):
    convert = estimators.information_from_jensen_shannon
    return convert(divergence), jax.grad(convert)(divergence), jax.jacfwd(jax.grad(convert))(divergence)


def mapped(divergences):
    """Values, slopes and curvatures of the map at 200 points at most: one compiled program."""
    padded = np.pad(divergences, (0, 200 - len(divergences)))
    return [np.asarray(z)[: len(divergences)] for z in _map_with_derivatives(padded)]


def test_literal_values():
    scores = jnp.array([[0.0, np.log(3)], [0.0, 0.0]])
    joint, product = np.log(2), (np.log(4) + np.log(2)) / 2
    np.testing.assert_allclose(estimators.jensen_shannon(scores), LOG2 - (joint + product) / 2, rtol=1e-6)
    np.testing.assert_allclose(estimators.jensen_shannon(jnp.zeros((3, 3))), 0, atol=1e-7)
    np.testing.assert_allclose(estimators.jensen_shannon_information(jnp.zeros((3, 3))), 0, atol=1e-6)


def test_the_map_inverts_the_extremal_family(float64):
    s = np.concatenate([np.logspace(-6, 0, 50), np.linspace(1, 12, 50)])
    np.testing.assert_allclose(mapped(_curve(s))[0], s, rtol=1e-8, atol=1e-9)


def test_no_pair_of_tables_is_below_the_map(float64):
    """Thousands of random pairs of 2 to 6 outcomes, with zeros, skewed and flat; equality on the extremal family."""
    rng = np.random.default_rng(0)
    smallest = np.inf
    for size in (2, 3, 6):
        for concentration in (0.1, 0.5, 1.0, 5.0):
            p, q = rng.dirichlet(np.full(size, concentration), (2, 2000)) + 1e-12
            p = np.where(p < 0.02, 0, p)
            p, q = p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)
            jsd, kl = _divergences(p, q)
            least = np.asarray(estimators.information_from_jensen_shannon(jsd))
            sharp = jsd < LOG2 - 1e-6  # beyond, rounding of the argument is all there is
            excess = (kl - least)[sharp]
            assert np.all(excess >= -1e-7)
            smallest = min(smallest, np.min(excess / least[sharp]))
    assert smallest < 1e-3


def test_below_zero_the_map_goes_on_with_its_slope(float64):
    values, slopes, _ = mapped(np.array([-1.0, -1e-3, 0.0, -1e-9, 1e-9, LOG2, 0.7, np.nan]))
    np.testing.assert_allclose(values[:3], np.array([-2, -2e-3, 0]) / LOG2, atol=1e-12)
    np.testing.assert_allclose(slopes[[0, 3, 4]], 2 / LOG2, rtol=1e-5)
    assert values[5] == np.inf
    assert np.isnan(values[6:]).all()


def test_the_map_is_convex_and_differentiable_twice(float64):
    points, step = np.array([-0.2, 0.01, 0.3, 0.6]), 1e-6
    (lower, below, _), (_, slopes, curvatures), (upper, above, _) = (mapped(points + k * step) for k in (-1, 0, 1))
    np.testing.assert_allclose(slopes, (upper - lower) / (2 * step), rtol=1e-7)
    np.testing.assert_allclose(curvatures, (above - below) / (2 * step), rtol=1e-6, atol=1e-6)
    assert np.all(np.diff(mapped(np.linspace(-0.2, 0.69, 200))[0], 2) >= -1e-12)


@pytest.mark.parametrize("s", [1.0, 5.0, 8.0])
def test_the_map_in_single_precision(s):
    mapped = estimators.information_from_jensen_shannon(jnp.asarray(_curve(np.array(s)), jnp.float32))
    np.testing.assert_allclose(mapped, s, atol=1e-3)


def test_one_batch_is_mapped_beyond_rounding():
    """Scores +-m tell all pairs apart: log 2 - JSD = softplus(-m), of which s = m + log(m / 2) + O(1 / m)."""
    for margin in (2.0, 10.0, 100.0, 3000.0):
        scores = margin * (2 * jnp.eye(4) - 1)
        value = float(estimators.jensen_shannon_information(scores))
        log_gap = -margin + np.log(np.log1p(np.exp(-margin)) / np.exp(-margin) if margin < 50 else 1.0)
        q = np.exp(-value)
        ratio = np.log1p(q) / q if q > 0 else 1.0
        np.testing.assert_allclose(-value + np.log(((1 + q) * ratio + value) / 2), log_gap, rtol=1e-5)


def test_means_are_below_the_truth():
    """The objective's mean, and the map of it, stay below; neither is capped by log b."""

    @jax.jit
    def estimates(key, rho):
        scores = jax.vmap(lambda x, y: log_ratio(rho, x, y))(*pairs(key, rho, (200, 16, 1)))
        return jax.vmap(estimators.jensen_shannon)(scores)

    for truth in (0.5, 2.0, 4.0):
        values = estimates(jax.random.key(0), correlation(truth, 1))
        mean, error = np.mean(values), np.std(values) / np.sqrt(200)
        assert mean * 2 / LOG2 <= truth
        assert estimators.information_from_jensen_shannon(jnp.float32(mean - 3 * error)) <= truth
    assert estimators.information_from_jensen_shannon(jnp.float32(mean)) > np.log(16)


def test_the_map_of_one_batch_is_no_bound():
    """On the extremal family, x = y of m equally likely values, the map is exact and convex: its mean lies above."""
    ids = jax.random.randint(jax.random.key(0), (4000, 4), 0, 8)

    def both(ids):
        scores = jnp.where(ids[:, None] == ids[None], np.log(8), -1e4).astype(jnp.float32)
        return estimators.jensen_shannon(scores), estimators.jensen_shannon_information(scores)

    divergence, mapped = jax.jit(jax.vmap(both))(ids)
    assert np.mean(mapped) > np.log(8) + 3 * np.std(mapped) / np.sqrt(4000)
    of_mean = estimators.information_from_jensen_shannon(jnp.mean(divergence))
    np.testing.assert_allclose(of_mean, np.log(8), atol=0.03)
