import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import estimators
from tests.estimators.gaussians import correlation, log_ratio, pairs

SCORES = jnp.array([[1.0, 0.0, -1.0], [2.0, 3.0, 0.0], [0.0, 1.0, 2.0]])
E = np.e


def _random(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


def test_literal_values():
    partition = (1 + 1 / E + E**2 + 1 + 1 + E) / 6
    np.testing.assert_allclose(estimators.donsker_varadhan(SCORES), 2 - np.log(partition), rtol=1e-6)
    clipped = (1 + 1 / E + E**1.5 + 1 + 1 + E) / 6
    np.testing.assert_allclose(estimators.smile(SCORES, tau=1.5), 2 - np.log(clipped), rtol=1e-6)
    clipped = (1 + E**-0.5 + E**0.5 + 1 + 1 + E**0.5) / 6
    np.testing.assert_allclose(estimators.smile(SCORES, tau=jnp.array(0.5)), 2 - np.log(clipped), rtol=1e-6)


def test_a_literal_value_with_clusters():
    """Row 0 has one negative, row 1 two, row 2 none: rows weigh the same, and the third adds information 0."""
    mask = jnp.array([[0, 1, 0], [1, 0, 1], [0, 0, 0]], bool)
    partition = (1 + (E**2 + 1) / 2) / 2
    expected = (2 - np.log(partition)) * 2 / 3
    np.testing.assert_allclose(estimators.donsker_varadhan(SCORES, negatives=mask), expected, rtol=1e-6)


def test_a_wide_clip_is_no_clip_and_a_sweep_may_vary_it():
    scores = _random(6, 6)
    values = jax.vmap(lambda tau: estimators.smile(scores, tau=tau))(jnp.array([0.1, 1.0, 100.0]))
    np.testing.assert_allclose(values[2], estimators.donsker_varadhan(scores), rtol=1e-6)
    assert len(set(np.asarray(values))) == 3
    assert estimators.smile._cache_size() <= 2


@functools.partial(jax.jit, static_argnums=2)
def _of_gaussians(key, rho, shape):
    scores = jax.vmap(functools.partial(log_ratio, rho))(*pairs(key, rho, shape))
    return jax.vmap(estimators.donsker_varadhan)(scores), jax.vmap(estimators.smile)(scores)


def test_neither_is_a_bound():
    """At the best critic both lie above the truth in expectation, and the more so the larger it is."""
    excess = []
    for truth in (1.0, 4.0, 8.0):
        values = _of_gaussians(jax.random.key(0), correlation(truth, 5), (400, 32, 5))
        excess.append([np.mean(v) - truth for v in values])
        errors = [np.std(v) / 20 for v in values]
    assert all(value > 3 * error for value, error in zip(excess[-1], errors, strict=True))
    assert np.all(np.diff(excess, axis=0) > 0)


_mine_step = jax.jit(jax.value_and_grad(estimators.mine_loss, has_aux=True))


def test_mine_without_memory_is_the_plain_gradient(float64):
    scores = _random(4, 4)
    (value, state), gradient = _mine_step(scores, estimators.mine_init(jnp.float64), decay=0.0)
    plain, plain_gradient = jax.value_and_grad(estimators.donsker_varadhan)(scores)
    np.testing.assert_allclose(value, -plain, rtol=1e-12)
    np.testing.assert_allclose(gradient, -plain_gradient, rtol=1e-9, atol=1e-12)
    assert state.num_updates == 1


def test_mine_divides_by_the_moving_average(float64):
    """Three batches: the average is sum d^age mean_q(exp f) / sum d^age, and the gradient of a negative exp(f) / it."""
    decay, state, means = 0.8, estimators.mine_init(jnp.float64), []
    off = ~np.eye(4, dtype=bool)
    for seed in range(3):
        scores = _random(4, 4, seed=seed)
        means.append(np.mean(np.exp(scores)[off]))
        (_, state), gradient = _mine_step(scores, state, decay=decay)
        weights = decay ** np.arange(seed + 1)[::-1]
        average = weights @ means / np.sum(weights)
        np.testing.assert_allclose(np.exp(state.log_average), average, rtol=1e-10)
        expected = np.where(off, np.exp(scores) / average / 12, -1 / 4)
        np.testing.assert_allclose(gradient, expected, rtol=1e-9)


def test_mine_takes_large_scores_and_batches_without_negatives():
    state, every = estimators.mine_init(), jnp.ones((3, 3), bool)
    for scale in (1e4, -1e4, 1.0):
        (value, state), gradient = _mine_step(scale * jnp.ones((3, 3)), state, negatives=every)
        np.testing.assert_allclose(value, 0, atol=1e-2)
        assert np.all(np.isfinite(gradient))
    (value, after), gradient = _mine_step(1e4 * jnp.ones((3, 3)), state, negatives=~every)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, after, state))


def test_mine_trains_a_critic():
    """f = a x y + c x^2 + d y^2 holds the best critic of a Gaussian pair; MINE climbs to its information."""
    rho = correlation(0.5, 1)
    x, y = pairs(jax.random.key(0), rho, (300, 64, 1))

    def loss(weights, state, x, y):
        scores = weights[0] * x * y.T + weights[1] * x**2 + weights[2] * y.T**2
        return estimators.mine_loss(scores, state, decay=0.9)

    def step(carry, batch):
        weights, state = carry
        (value, state), gradient = jax.value_and_grad(loss, has_aux=True)(weights, state, *batch)
        return (weights - 0.05 * gradient, state), value

    start = (jnp.zeros(3), estimators.mine_init())
    (weights, _), values = jax.jit(lambda start: jax.lax.scan(step, start, (x, y)))(start)
    np.testing.assert_allclose(values[0], 0, atol=1e-6)
    np.testing.assert_allclose(-np.mean(values[-100:]), 0.5, atol=0.1)
    assert weights[0] > 1 and np.all(weights[1:] < 0)  # of the signs of rho and -rho^2


@pytest.mark.parametrize("call", [estimators.donsker_varadhan, estimators.smile])
def test_a_constant_critic_says_nothing(call):
    for constant in (0.0, -1e4, 3.0):
        np.testing.assert_allclose(
            call(jnp.full((4, 4), constant), **({"tau": 1e5} if call is estimators.smile else {})), 0, atol=1e-3
        )
