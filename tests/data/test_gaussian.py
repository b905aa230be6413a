import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import gaussian_data, gaussian_information


def information_of_covariances(x1, x2):
    """I = (log det C1 + log det C2 - log det C) / 2 in nats."""
    covariance = np.cov(x1, x2, rowvar=False)
    dim = x1.shape[1]
    blocks = covariance[:dim, :dim], covariance[dim:, dim:], covariance
    first, second, joint = (np.linalg.slogdet(block)[1] for block in blocks)
    return (first + second - joint) / 2


@pytest.mark.parametrize("correlations", [[0.6], [0.9, -0.5, 0.0], [0.3] * 6])
def test_samples_have_the_information(correlations):
    rho = jnp.array(correlations)
    batch = gaussian_data(jax.random.key(0), rho, num_samples=20_000)
    x1, x2 = (np.asarray(batch.modalities[m], float) for m in ("x1", "x2"))
    assert x1.shape == x2.shape == (20_000, len(correlations))
    np.testing.assert_allclose([x1.var(0), x2.var(0)], 1, atol=0.05)
    assert information_of_covariances(x1, x2) == pytest.approx(float(gaussian_information(rho)), abs=0.03)


def test_information_in_nats():
    # -log(1 - .36) / 2 = log 1.25
    assert gaussian_information(jnp.array([0.6])) == pytest.approx(np.log(1.25), abs=1e-6)
    assert gaussian_information(jnp.array([0.6, 0.6, 0.0])) == pytest.approx(2 * np.log(1.25), abs=1e-6)
    assert gaussian_information(jnp.zeros(3)) == 0
    # d/d rho = rho / (1 - rho^2)
    assert jax.grad(gaussian_information)(jnp.array([0.6]))[0] == pytest.approx(0.6 / 0.64, rel=1e-5)


def cube(x):
    return x**3


def test_an_invertible_distortion_can_be_undone():
    rho = jnp.array([0.8, 0.2])
    plain = gaussian_data(jax.random.key(3), rho, num_samples=100)
    cubed = gaussian_data(jax.random.key(3), rho, num_samples=100, distort_fn=cube)
    for name, x in plain.modalities.items():
        np.testing.assert_allclose(jnp.cbrt(cubed.modalities[name]), x, rtol=1e-4, atol=1e-6)
        assert not np.allclose(cubed.modalities[name], x)


def test_there_is_one_class():
    batch = gaussian_data(jax.random.key(0), jnp.array([0.5]), num_samples=1)
    assert batch.label.tolist() == [0]
    assert batch.weight.tolist() == [1.0]


def test_sampling_maps_over_keys_and_correlations():
    keys, rho = jax.random.split(jax.random.key(0), 2), jnp.array([[0.1], [0.9]])

    def draw(key, rho):
        return gaussian_data(key, rho, num_samples=10, distort_fn=cube)

    many, one = jax.jit(jax.vmap(draw))(keys, rho), draw(keys[1], rho[1])
    np.testing.assert_allclose(many.modalities["x2"][1], one.modalities["x2"], rtol=1e-4, atol=1e-6)


def test_double_precision(float64):
    batch = gaussian_data(jax.random.key(0), jnp.array([0.5]), num_samples=2)
    assert batch.modalities["x2"].dtype == jnp.float64
