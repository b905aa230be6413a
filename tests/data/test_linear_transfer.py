import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import linear_gaussian_node, linear_transfer


def descent(rho, variance, rate, num_steps, dim=6):
    """Excess errors (R, S) of gradient descent on the population's risk."""
    first, other = np.linalg.qr(np.random.default_rng(0).normal(size=(dim, 2)))[0].T
    second = rho * first + np.sqrt(1 - rho**2) * other
    source, target = (np.outer(a, a) + variance * np.eye(dim) for a in (first, second))
    least = 1 - second @ np.linalg.solve(target, second)
    excess = []
    for w in (np.linalg.solve(source, first), np.zeros(dim)):
        for _ in range(num_steps):
            w = w - rate * (target @ w - second)
        excess.append(1 - 2 * w @ second + w @ target @ w - least)
    return excess


@pytest.mark.parametrize("rho", [-1.0, -0.4, 0.0, 0.3, 1.0])
@pytest.mark.parametrize(("variance", "rate"), [(0.5, 0.2), (2.0, 0.05), (0.1, 1.2)])
def test_risks_are_those_of_gradient_descent(rho, variance, rate, float64):
    for num_steps in (0, 1, 2, 7, 40):
        found = linear_transfer(rho, variance, rate, num_steps)
        expected = descent(rho, variance, rate, num_steps)
        np.testing.assert_allclose([found.transferred, found.direct], expected, atol=1e-9)
        assert found.transfer == pytest.approx(expected[0] - expected[1], abs=1e-9)


def test_literal_example(float64):
    steps = jnp.array([0, 1, 5, 20])
    found = linear_transfer(-0.0929779, 0.5, 0.2, steps)
    np.testing.assert_allclose(found.transferred, [1.0167016, 0.5686802, 0.0993106, 0.0032568], atol=1e-7)
    np.testing.assert_allclose(found.direct, [0.6666667, 0.3266667, 0.0188317, 4.2e-7], atol=1e-7)


@pytest.mark.parametrize("variance", [0.1, 1.0])
def test_the_source_s_model_as_it_is(variance, float64):
    kappa = 1 / (1 + variance)
    rho = jnp.linspace(-1, 1, 9)
    found = linear_transfer(rho, variance, 0.3, 0)
    np.testing.assert_allclose(found.transferred, kappa * (1 - rho) * (2 - kappa * (1 + rho)), atol=1e-12)
    np.testing.assert_allclose(found.direct, kappa, atol=1e-12)
    np.testing.assert_allclose(found.transferred[jnp.array([0, 4, 8])], [4 * kappa, kappa * (2 - kappa), 0], atol=1e-12)


def test_heterogeneity_vanishes_with_the_budget():
    rho = jnp.linspace(-1, 1, 9)
    found = linear_transfer(rho[:, None], 0.5, 0.2, jnp.array([10, 100, 1000])[None])
    assert found.transfer.shape == found.direct.shape == (9, 3)
    np.testing.assert_allclose(found.transfer[:, 2], 0, atol=1e-7)
    assert np.all(np.abs(found.transfer[:-1, 1]) < np.abs(found.transfer[:-1, 0]))


def test_a_source_helps_where_it_is_alike():
    found = linear_transfer(jnp.array([-0.5, 0.95]), 0.5, 0.2, 2)
    assert found.transfer[0] > 0 > found.transfer[1]


def test_derivatives_are_those_of_differences(float64):
    def transfer(parameters, num_steps):
        return linear_transfer(*parameters, num_steps).transfer

    for num_steps in (0, 1, 6):
        at = jnp.array([0.3, 0.5, 0.2])
        found = jax.jit(jax.grad(transfer))(at, num_steps)
        step = 1e-6
        around = [transfer(at + sign * step * row, num_steps) for row in jnp.eye(3) for sign in (1, -1)]
        np.testing.assert_allclose(found, (np.array(around[::2]) - np.array(around[1::2])) / (2 * step), atol=1e-8)
    # rate = kappa: the direct model is there in one step
    exact = jax.grad(transfer)(jnp.array([0.3, 0.25, 0.8]), 3)
    assert np.all(np.isfinite(exact))


def test_jit_and_vmap_agree_with_eager_calls():
    rho, steps = jnp.array([-0.2, 0.6]), jnp.array([3, 9])
    many = jax.jit(jax.vmap(lambda rho, n: linear_transfer(rho, 0.5, 0.2, n)))(rho, steps)
    for i in range(2):
        jax.tree.map(
            lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-5),
            many,
            linear_transfer(rho[i], 0.5, 0.2, steps[i]),
        )


def test_nodes_have_the_covariance_of_the_bed():
    direction = jnp.array([0.6, 0.0, -0.8])
    batch = linear_gaussian_node(jax.random.key(0), direction, 0.5, num_samples=20_000)
    x, y = np.asarray(batch.modalities["x"]), np.asarray(batch.label)
    assert (x.shape, y.shape) == ((20_000, 3), (20_000, 1))
    np.testing.assert_allclose(np.cov(x.T), np.outer(direction, direction) + 0.5 * np.eye(3), atol=0.03)
    np.testing.assert_allclose(np.mean(x * y, axis=0), direction, atol=0.03)
    weights = np.linalg.lstsq(x, y[:, 0], rcond=None)[0]
    np.testing.assert_allclose(weights, np.asarray(direction) / 1.5, atol=0.02)
    assert np.mean((y[:, 0] - x @ weights) ** 2) == pytest.approx(1 - 1 / 1.5, abs=0.01)


def test_a_source_s_model_has_the_risk_of_the_formula_on_samples():
    rho = 0.4
    first, second = jnp.array([1.0, 0.0, 0.0, 0.0]), jnp.array([rho, (1 - rho**2) ** 0.5, 0.0, 0.0])
    batch = linear_gaussian_node(jax.random.key(1), second, 0.5, num_samples=50_000)
    error = np.mean((np.asarray(batch.label[:, 0]) - np.asarray(batch.modalities["x"] @ first) / 1.5) ** 2)
    assert error - 1 / 3 == pytest.approx(float(linear_transfer(rho, 0.5, 0.2, 0).transferred), abs=0.02)


def test_nodes_compile_and_map_over_keys_and_variances():
    keys, variances, direction = jax.random.split(jax.random.key(0), 2), jnp.array([0.0, 2.0]), jnp.array([1.0, 0.0])

    def draw(key, variance):
        return linear_gaussian_node(key, direction, variance, num_samples=4)

    many = jax.jit(jax.vmap(draw))(keys, variances)
    eager = linear_gaussian_node.__wrapped__(keys[1], direction, variances[1], num_samples=4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[1], b, rtol=1e-5), many, eager)
    np.testing.assert_array_equal(many.modalities["x"][0], many.label[0] * direction[None])
    with pytest.raises(AssertionError):
        linear_gaussian_node(keys[0], jnp.ones((2, 2)), 0.5, num_samples=4)
