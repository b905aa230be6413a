import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.linalg import expm

from mmjax.data import half_cube, mixture_quantile, spiral, swiss_roll, wiggle

WAVES_X = ((0.4, 1.0, 0.0), (0.2, 1.7, 1.0), (0.03, 3.3, -2.5))
WAVES_Y = ((-0.4, 0.4, 0.0), (0.17, 1.3, 3.5), (0.02, 4.3, -2.5))


def test_half_cube():
    x = jnp.array([-4.0, -0.25, 0.0, 1.0, 9.0])
    y = half_cube(x)
    assert y.tolist() == [-8.0, -0.125, 0.0, 1.0, 27.0]
    np.testing.assert_allclose(jnp.sign(y) * jnp.abs(y) ** (2 / 3), x, rtol=1e-6)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("waves", [WAVES_X, WAVES_Y])
def test_wiggle_can_be_undone(waves):
    x = jnp.linspace(-5, 5, 101)
    y = wiggle(x, waves)
    assert float(jnp.max(jnp.abs(y - x))) > 0.3
    # x = y - (sum of waves at x) is a contraction
    found = y
    for _ in range(200):
        found = y - (wiggle(found, waves) - found)
    np.testing.assert_allclose(found, x, atol=1e-12)


def test_wiggle():
    # 2 + 1/2 sin(2 + 1) - 1/10 sin(-4)
    assert wiggle(jnp.array(2.0), ((0.5, 1.0, 1.0), (-0.1, -2.0, 0.0))) == pytest.approx(
        2 + 0.07056 - 0.07568, abs=1e-5
    )
    with pytest.raises(ValueError, match=r"sum to less than 1; got 1\.2"):
        wiggle(jnp.zeros(2), ((0.6, -2.0, 0.0),))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mixture_quantile(dtype):
    weights, means = (0.3, 0.7), (0.0, 5.0)
    with jax.enable_x64(dtype == np.float64):
        z = np.linspace(-5, 5, 201).astype(dtype)
        q = np.asarray(mixture_quantile(jnp.asarray(z), weights, means))
    assert q.dtype == dtype
    assert np.all(np.diff(q) > 0)
    q, z, tolerance = q.astype(float), z.astype(float), 3e-5 if dtype == np.float32 else 1e-12
    below = sum(w * stats.norm.cdf(q - m) for w, m in zip(weights, means, strict=True))
    above = sum(w * stats.norm.sf(q - m) for w, m in zip(weights, means, strict=True))
    np.testing.assert_allclose(below[z <= 0], stats.norm.cdf(z[z <= 0]), rtol=tolerance)
    np.testing.assert_allclose(above[z > 0], stats.norm.sf(z[z > 0]), rtol=tolerance)


def test_quantile_of_one_component_is_a_shift():
    z = jnp.array([[-3.0, 0.0], [0.5, 2.0]])
    np.testing.assert_allclose(mixture_quantile(z, (1.0,), (2.0,)), z + 2, rtol=1e-6)


@pytest.mark.parametrize(("plane", "speed"), [((0, 1), 1 / 3), ((1, 2), -0.7)])
def test_spiral(plane, speed):
    x = jax.random.normal(jax.random.key(0), (20, 3))
    y = spiral(x, speed=speed, plane=plane)
    generator = np.zeros((3, 3))
    generator[plane], generator[plane[::-1]] = -1, 1
    expected = [expm(speed * (row @ row) * generator) @ row for row in np.asarray(x, float)]
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_allclose(spiral(y, speed=-speed, plane=plane), x, atol=1e-5)


def test_spiral_turns_the_first_axis_to_the_second():
    np.testing.assert_allclose(spiral(jnp.array([[1.0, 0.0]]), speed=np.pi / 2), [[0, 1]], atol=1e-6)


def test_swiss_roll():
    x = jnp.linspace(0, 1, 51)[:, None]
    rolled = np.asarray(swiss_roll(x))
    np.testing.assert_allclose(rolled[[0, -1]], np.array([[0, -1.5 * np.pi], [0, 4.5 * np.pi]]) / 21, atol=1e-6)
    t = 21 * np.linalg.norm(rolled, axis=1)
    np.testing.assert_allclose((t / (1.5 * np.pi) - 1) / 2, x[:, 0], atol=1e-5)
    assert np.abs(rolled).max() <= 1
