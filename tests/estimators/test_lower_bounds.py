import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import estimators, information
from tests.estimators.gaussians import correlation, log_ratio, pairs

SCORES = jnp.array([[1.0, 0.0, -1.0], [2.0, 3.0, 0.0], [0.0, 1.0, 2.0]])
E = np.e


@jax.jit
def _all_bounds(scores):
    """At the best critic, baseline and u of each."""
    baseline = jnp.zeros(scores.shape[0])
    return {
        "info_nce": estimators.info_nce(scores),
        "nwj": estimators.nwj(scores + 1),
        "tuba": estimators.tuba(scores, baseline),
        "flo": estimators.flo(scores, -jnp.diagonal(scores)),
    }


@functools.partial(jax.jit, static_argnums=2)
def _bounds_of_gaussians(key, rho, shape):
    return jax.vmap(lambda x, y: _all_bounds(log_ratio(rho, x, y)))(*pairs(key, rho, shape))


def test_literal_values():
    joint = (1 + 3 + 2) / 3
    rows = np.array([E + 1 + 1 / E, E**2 + E**3 + 1, 1 + E + E**2]) / 3
    np.testing.assert_allclose(estimators.info_nce(SCORES), joint - np.mean(np.log(rows)), rtol=1e-6)
    negatives = np.array([1 + 1 / E, E**2 + 1, 1 + E]) / 2
    np.testing.assert_allclose(estimators.nwj(SCORES), joint - np.mean(negatives) / E, rtol=1e-6)
    log_a = np.array([0.5, -1.0, 2.0])
    tuba = joint - np.mean(log_a) - np.mean(negatives / np.exp(log_a)) + 1
    np.testing.assert_allclose(estimators.tuba(SCORES, jnp.asarray(log_a, jnp.float32)), tuba, rtol=1e-6)
    u = np.array([0.1, 0.2, -0.3])
    flo = 1 - np.mean(u + np.exp(-u) * negatives / np.exp([1, 3, 2]))
    np.testing.assert_allclose(estimators.flo(SCORES, jnp.asarray(u, jnp.float32)), flo, rtol=1e-6)


def test_a_literal_value_with_clusters():
    """Rows 0 and 1 are each other's only negative, row 2 has none."""
    mask = estimators.same_cluster(jnp.array([7, 7, 9]))
    np.testing.assert_array_equal(mask, [[False, True, False], [True, False, False], [False, False, False]])
    first = 1 - np.log((E + 1) / 2)
    second = 3 - np.log((E**2 + E**3) / 2)
    np.testing.assert_allclose(estimators.info_nce(SCORES, negatives=mask), (first + second) / 3, rtol=1e-6)
    np.testing.assert_allclose(estimators.nwj(SCORES, negatives=mask), (1 - 1 / E + 3 - E) / 3, rtol=1e-6)


def test_the_family_of_unnormalised_bounds():
    scores = jnp.asarray(np.random.default_rng(0).normal(size=(6, 6)), jnp.float32)
    np.testing.assert_allclose(estimators.tuba(scores, jnp.ones(6)), estimators.nwj(scores), rtol=1e-5)
    log_a = jnp.linspace(-1, 1, 6)
    flo = estimators.flo(scores, log_a - jnp.diagonal(scores))
    np.testing.assert_allclose(flo, estimators.tuba(scores, log_a), rtol=1e-5)
    shifted = estimators.flo(scores + 3 * log_a[:, None], log_a)
    np.testing.assert_allclose(shifted, estimators.flo(scores, log_a), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dim", [1, 5, 25])
@pytest.mark.parametrize("truth", [0.0, 0.5, 1.0, 2.0, 4.0])
def test_the_mean_over_repetitions_is_below_the_truth(dim, truth):
    bounds = _bounds_of_gaussians(jax.random.key(0), correlation(truth, dim), (200, 32, dim))
    for name, values in bounds.items():
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        assert np.mean(values) <= truth + 3 * error + 1e-5, name
        if name != "info_nce":  # no bias at the best critic
            assert np.mean(values) >= truth - 4 * error - 1e-5, name
    assert np.max(bounds["info_nce"]) <= np.log(32) + 1e-5


def test_any_other_critic_is_below_too():
    rho = correlation(1.0, 2)
    best = jax.vmap(functools.partial(log_ratio, rho))(*pairs(jax.random.key(1), rho, (200, 32, 2)))
    evaluate = jax.jit(jax.vmap(_all_bounds))
    for critic in (0.5 * best, best + 1, 1.3 * best - 0.5, jnp.sin(best)):
        for name, values in evaluate(critic).items():
            assert np.mean(values) <= 1 + 3 * np.std(values) / np.sqrt(200), name


@pytest.mark.parametrize("size", [2, 7])
def test_info_nce_saturates_at_log_b(size):
    scores = jnp.asarray(np.random.default_rng(0).normal(size=(size, size)), jnp.float32)
    for scale in (1, 10, 1e4):
        assert estimators.info_nce(scale * (scores + 9 * jnp.eye(size))) <= np.log(size) + 1e-6
    np.testing.assert_allclose(estimators.info_nce(1e4 * jnp.eye(size)), np.log(size), rtol=1e-6)


def _clustered(key, shape, flip):
    """x fair, c fair of two values; y = x for c = 0, not x for c = 1, each flipped with a probability."""
    uniform = jax.random.uniform(key, (3, *shape))
    x, c, flipped = ((u < p).astype(jnp.int32) for u, p in zip(uniform, (0.5, 0.5, flip), strict=True))
    return x, (x + c + flipped) % 2, c


def test_clusters_give_the_conditional_information():
    """I(X;Y) = 0 and I(X;Y|C) = log 2 - H(flip), which the same scores tell by their negatives."""
    flip = 0.1
    table = np.zeros((2, 2, 2))
    for x, c, f in np.ndindex(2, 2, 2):
        table[x, (x + c + f) % 2, c] += 0.25 * (flip if f else 1 - flip)
    truth = information.conditional_mutual_information(jnp.asarray(table, jnp.float32), base=E)
    np.testing.assert_allclose(truth, np.log(2) + flip * np.log(flip) + (1 - flip) * np.log(1 - flip), rtol=1e-5)

    def bounds(x, y, c):
        likely = (x[:, None] + c[:, None]) % 2 == y[None]
        scores = jnp.where(likely, np.log(2 * (1 - flip)), np.log(2 * flip)).astype(jnp.float32)
        mask = estimators.same_cluster(c)
        return {
            "info_nce": estimators.info_nce(scores, negatives=mask),
            "nwj": estimators.nwj(scores + 1, negatives=mask),
            "tuba": estimators.tuba(scores, jnp.zeros(16), negatives=mask),
            "flo": estimators.flo(scores, -jnp.diagonal(scores), negatives=mask),
            "donsker_varadhan": estimators.donsker_varadhan(scores, negatives=mask),
        }

    values = jax.jit(jax.vmap(bounds))(*_clustered(jax.random.key(0), (400, 16), flip))
    errors = {name: np.std(v) / 20 for name, v in values.items()}
    for name, v in values.items():
        assert abs(np.mean(v) - truth) <= 4 * errors[name] + (0.05 if name == "info_nce" else 0.01), name
    assert np.mean(values["info_nce"]) <= truth + 3 * errors["info_nce"]


def test_a_common_cause_is_explained_away():
    """X = Y = C: information log 2, given C none, whatever the critic."""
    c = jnp.array([0, 1] * 8)
    scores = jnp.where(c[:, None] == c[None], 5.0, -5.0)
    assert estimators.info_nce(scores) > 0.5
    np.testing.assert_allclose(estimators.info_nce(scores, negatives=estimators.same_cluster(c)), 0, atol=1e-6)
    assert estimators.nwj(scores, negatives=estimators.same_cluster(c)) <= 0


def test_total_correlation_is_a_chain():
    rng = np.random.default_rng(0)
    stack = jnp.asarray(rng.normal(size=(3, 5, 5)), jnp.float32)
    for estimator in (estimators.info_nce, estimators.donsker_varadhan):
        expected = sum(float(estimator(s)) for s in stack)
        total = estimators.total_correlation(tuple(stack), estimator=estimator)
        np.testing.assert_allclose(total, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="at least 2 variables"):
        estimators.total_correlation([])


def test_total_correlation_of_gaussians():
    """Three coordinates of equal correlation: TC = -1/2 log det of the correlation matrix, approached from below."""
    rho, size = 0.6, 64
    covariance = np.full((3, 3), rho) + (1 - rho) * np.eye(3)
    truth = -np.linalg.slogdet(covariance)[1] / 2
    z = jax.random.normal(jax.random.key(0), (100, size, 3)) @ jnp.asarray(
        np.linalg.cholesky(covariance).T, jnp.float32
    )

    def critic(z, m):
        """Log of p(z_m | z_1..z_m-1) / p(z_m)."""
        weights = np.linalg.solve(covariance[:m, :m], covariance[:m, m])
        variance = 1 - covariance[:m, m] @ weights
        mean = z[:, :m] @ jnp.asarray(weights, jnp.float32)
        residual = (z[None, :, m] - mean[:, None]) ** 2 / variance
        return (z[None, :, m] ** 2 - residual - np.log(variance)) / 2

    nwj = jax.jit(
        jax.vmap(lambda z: estimators.total_correlation([critic(z, 1) + 1, critic(z, 2) + 1], estimator=estimators.nwj))
    )(z)
    nce = jax.jit(jax.vmap(lambda z: estimators.total_correlation([critic(z, 1), critic(z, 2)])))(z)
    assert abs(np.mean(nwj) - truth) <= 4 * np.std(nwj) / 10
    assert np.mean(nce) <= truth + 3 * np.std(nce) / 10
    assert np.mean(nce) >= truth - 0.1
