"""Positive-definite systems over lanes against NumPy, unrolled and by LAPACK, definite and barely so."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import lane_systems

ORDERS = (1, 3, lane_systems.UNROLLED_ORDER, lane_systems.UNROLLED_ORDER + 3, lane_systems.BLOCKED_ORDER + 7)
LANES = 5


@pytest.fixture(autouse=True)
def rank_promotion() -> Iterator[None]:
    """What is one number a lane meets the matrices of a lane: kernels are traced so."""
    with jax.numpy_rank_promotion("allow"):
        yield


def matrices(order: int, condition: float = 10.0) -> np.ndarray:
    """Positive-definite matrices (lanes, order, order) with the given condition."""
    rng = np.random.default_rng(order)
    basis = np.linalg.qr(rng.normal(size=(LANES, order, order)))[0]
    return (basis * np.geomspace(1, 1 / condition, order)) @ basis.swapaxes(1, 2)


def lanes_last(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(x, 0, -1)


@pytest.mark.parametrize("order", ORDERS)
def test_cholesky_and_both_triangular_solves(order, float64):
    matrix = matrices(order)
    expected = np.linalg.cholesky(matrix)
    factor = jax.jit(lane_systems.cholesky)(lanes_last(matrix))
    np.testing.assert_allclose(factor, lanes_last(expected), rtol=0, atol=1e-12)
    rhs = np.random.default_rng(0).normal(size=(LANES, order, 3))
    solved = lane_systems.solve_lower(factor, jnp.asarray(lanes_last(rhs)))
    np.testing.assert_allclose(solved, lanes_last(np.linalg.solve(expected, rhs)), rtol=0, atol=1e-10)
    solved = lane_systems.solve_lower_transposed(factor, jnp.asarray(lanes_last(rhs)))
    transposed = np.linalg.solve(expected.swapaxes(1, 2), rhs)
    np.testing.assert_allclose(solved, lanes_last(transposed), rtol=0, atol=1e-10)


@pytest.mark.parametrize("order", ORDERS[1:])
def test_an_indefinite_lane_is_not_finite_and_spoils_no_other(order, float64):
    matrix = matrices(order)
    matrix[1, -1, -1] = -1.0
    factor = np.moveaxis(np.asarray(lane_systems.cholesky(lanes_last(matrix))), -1, 0)
    assert not np.isfinite(factor[1]).all()
    np.testing.assert_allclose(np.delete(factor, 1, 0), np.linalg.cholesky(np.delete(matrix, 1, 0)), atol=1e-12)


@pytest.mark.parametrize("order", [3, lane_systems.UNROLLED_ORDER + 3])
def test_float32_stays_float32(order):
    matrix = matrices(order).astype(np.float32)
    factor = lane_systems.cholesky(lanes_last(matrix))
    assert factor.dtype == jnp.float32
    np.testing.assert_allclose(factor, lanes_last(np.linalg.cholesky(matrix)), rtol=0, atol=1e-5)


def test_gram(float64):
    x = np.random.default_rng(0).normal(size=(4, 3, LANES))
    np.testing.assert_allclose(lane_systems.gram(jnp.asarray(x)), np.einsum("kil,kjl->ijl", x, x), atol=1e-14)


@pytest.mark.parametrize(
    ("num1", "num2", "length"), [(3, 2, 2), (1, 1, 1), pytest.param(5, 1, 4, marks=pytest.mark.slow)]
)
def test_bipartite_equations_against_a_dense_solve(num1, num2, length, float64):
    rng = np.random.default_rng(num1)
    roots = rng.normal(size=(num1, num2, length, length, LANES))
    blocks = np.einsum("ijabl,ijcbl->ijacl", roots, roots) + 0.1 * np.eye(length)[:, :, None]
    free1 = np.ones((num1, length, LANES))
    free1[0, 0, 2] = num1 == 1
    free2 = np.ones((num2, length, LANES))
    free2[0] = 0  # one vector is fixed: adding c to all x and taking it from all z changes nothing
    gradient1, gradient2 = rng.normal(size=free1.shape), rng.normal(size=free2.shape)
    factor = lane_systems.factor_bipartite(*map(jnp.asarray, (blocks, free1, free2)), jnp.full(LANES, 1e-15))
    x, z = lane_systems.solve_bipartite(factor, jnp.asarray(gradient1), jnp.asarray(gradient2))
    for lane in range(LANES):
        within1, within2 = blocks[..., lane].sum(1), blocks[..., lane].sum(0)
        dense = np.zeros(((num1 + num2) * length,) * 2)
        for i in range(num1):
            own = slice(i * length, (i + 1) * length)
            dense[own, own] = within1[i]
            for j in range(num2):
                other = slice((num1 + j) * length, (num1 + j + 1) * length)
                dense[other, other] = within2[j]
                dense[own, other] = blocks[i, j, ..., lane]
                dense[other, own] = blocks[i, j, ..., lane].T
        free = np.concatenate([free1[..., lane].ravel(), free2[..., lane].ravel()]) > 0
        expected = np.zeros(len(free))
        gradient = np.concatenate([gradient1[..., lane].ravel(), gradient2[..., lane].ravel()])
        expected[free] = np.linalg.solve(dense[np.ix_(free, free)], gradient[free])
        ours = np.concatenate([np.asarray(x)[..., lane].ravel(), np.asarray(z)[..., lane].ravel()])
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-8)
