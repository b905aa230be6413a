"""What the tests of this room share: tables of every kind, and the checks each measure must pass."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array


@pytest.fixture(scope="module", autouse=True)
def programs(quickly_compiled: None) -> None:
    """Tables are small here: to compile their programs takes longer than to run them."""


@pytest.fixture
def tables() -> Callable[..., np.ndarray]:
    """Random tables (num, *shape) in float64: dense, peaked, or with exact zeros."""

    def make(num: int, shape: tuple[int, ...], kind: str = "dense", seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        cells = rng.gamma({"dense": 1.0, "peaked": 0.2, "zeros": 1.0}[kind], size=(num, *shape)) + 1e-12
        if kind == "zeros":
            cells[rng.uniform(size=cells.shape) < 0.4] = 0
            cells.reshape(num, -1)[:, 0] += 0.1
        return cells / cells.sum(axis=tuple(range(1, cells.ndim)), keepdims=True)

    return make


def _check_derivatives(f: Callable[[Array], Array], p: np.ndarray) -> None:
    """First and second derivatives of `f` at `p` against central differences, in float64."""
    step = 1e-5 * p.min()
    moves = step * np.eye(p.size).reshape(p.size, *p.shape)
    points = jnp.asarray(np.concatenate([p[None] + moves, p[None] - moves, p[None]]))
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(f)))(points)
    slopes = slopes.reshape(-1, p.size)
    ahead, behind = slice(0, p.size), slice(p.size, 2 * p.size)
    differences = (values[ahead] - values[behind]) / (2 * step)
    np.testing.assert_allclose(slopes[-1], differences, rtol=1e-5, atol=1e-6)
    curvature = jax.jit(jax.hessian(f))(points[-1]).reshape(p.size, p.size)
    differences = (slopes[ahead] - slopes[behind]) / (2 * step)
    np.testing.assert_allclose(curvature, differences, rtol=1e-5, atol=1e-5)


@pytest.fixture
def check_derivatives() -> Callable[..., None]:
    return _check_derivatives


def _check_measure(f: Callable[[Array], Array], p: np.ndarray) -> None:
    """A measure agrees single and batched, has finite derivatives at zeros, and is NaN for no table."""
    run = jax.jit(jax.vmap(jax.value_and_grad(f)))
    values, gradients = run(p)
    np.testing.assert_allclose(values[0], f(p[0]), rtol=1e-5, atol=1e-7)
    assert values.dtype == p.dtype
    assert np.isfinite(values).all() and np.isfinite(gradients).all()
    broken = p.copy()
    broken[0] *= 1.5
    broken[1] = 0
    broken[2] *= -1
    broken[3] = np.nan
    broken[4].flat[0] = -1e-3
    assert np.isnan(run(broken)[0]).all()


@pytest.fixture
def check_measure() -> Callable[..., None]:
    return _check_measure
