"""Whitening and sums of singular values: values, derivatives at ties, scale, collapse."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.linalg import ky_fan_norm, whitened_cross, whitening_factor


def covariance_of(rng, size, num_samples=50):
    return np.cov(rng.normal(size=(num_samples, size)), rowvar=False)


def test_a_literal_ky_fan_norm():
    matrix = jnp.array([[3.0, 0.0, 0.0], [0.0, -2.0, 0.0]])
    assert [float(ky_fan_norm(matrix, k)) for k in (1, 2)] == [3.0, 5.0]


@pytest.mark.parametrize("num_values", [1, 3])
def test_first_and_second_derivatives_are_those_of_finite_differences(num_values, float64):
    rng = np.random.default_rng(0)
    matrix, direction = jnp.array(rng.normal(size=(2, 4, 3)))
    norm = functools.partial(ky_fan_norm, num_values=num_values)

    def central(function, step=1e-6):
        return (function(matrix + step * direction) - function(matrix - step * direction)) / (2 * step)

    first = jax.jvp(norm, (matrix,), (direction,))[1]
    np.testing.assert_allclose(first, central(norm), rtol=1e-7)
    np.testing.assert_allclose(jnp.sum(jax.grad(norm)(matrix) * direction), first, rtol=1e-12)
    second = jax.jvp(jax.grad(norm), (matrix,), (direction,))[1]
    np.testing.assert_allclose(second, central(jax.grad(norm)), rtol=1e-6, atol=1e-8)


def test_at_ties_the_gradient_is_the_polar_factor():
    """Of an orthogonal matrix times a number, all singular values tie, and the trace norm is <Q, M> around it."""
    q = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0].astype(np.float32)
    np.testing.assert_allclose(jax.grad(lambda m: ky_fan_norm(m, 5))(0.7 * jnp.array(q)), q, atol=1e-6)
    assert np.isfinite(jax.grad(lambda m: ky_fan_norm(m, 2))(0.7 * jnp.array(q))).all()


@pytest.mark.parametrize("matrix", [np.zeros((3, 2)), np.ones((3, 3)), np.diag([1.0, 1.0, 0.0])])
def test_where_values_are_zero_the_gradient_leaves_them_out(matrix):
    gradient = jax.grad(lambda m: ky_fan_norm(m, min(m.shape)))(jnp.array(matrix, jnp.float32))
    u, values, vt = np.linalg.svd(matrix, full_matrices=False)
    np.testing.assert_allclose(gradient, (u * (values > 1e-9)) @ vt, atol=1e-6)


def test_jit_vmap_and_forward_mode_agree():
    stack = jnp.array(np.random.default_rng(2).normal(size=(3, 4, 4)), jnp.float32)
    norm = functools.partial(ky_fan_norm, num_values=2)
    one_by_one = [jax.grad(norm)(m) for m in stack]
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(norm)))(stack), jnp.stack(one_by_one), atol=1e-6)
    np.testing.assert_allclose(jax.jacfwd(norm)(stack[0]), one_by_one[0], atol=1e-6)


@pytest.mark.parametrize(("shape", "num_values"), [((3, 2), 3), ((3, 2), 0)])
def test_a_number_of_values_out_of_range_is_refused(shape, num_values):
    with pytest.raises(ValueError, match=r"num_values must be in \[1, 2\]"):
        ky_fan_norm(jnp.ones(shape), num_values)


def test_whitened_cross_has_the_canonical_correlations_as_singular_values(float64):
    rng = np.random.default_rng(3)
    whole = jnp.array(covariance_of(rng, 5))
    s11, s12, s22 = whole[:3, :3], whole[:3, 3:], whole[3:, 3:]
    found = jnp.linalg.svd(whitened_cross(s11, s12, s22, ridge=0.0), compute_uv=False)
    expected = np.linalg.eigvals(np.linalg.solve(s11, s12) @ np.linalg.solve(s22, s12.T))
    np.testing.assert_allclose(np.sort(found**2)[::-1], np.sort(expected.real)[::-1][:2], rtol=1e-10)


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1.0, 1e8])
def test_units_do_not_matter(scale):
    rng = np.random.default_rng(4)
    whole = jnp.array(covariance_of(rng, 4), jnp.float32)
    of = functools.partial(whitened_cross, ridge=1e-4)
    expected = of(whole[:2, :2], whole[:2, 2:], whole[2:, 2:])
    found = of(scale**2 * whole[:2, :2], scale * whole[:2, 2:], whole[2:, 2:])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_collapsed_side_gives_zero_and_finite_derivatives():
    rng = np.random.default_rng(5)
    within = jnp.array(covariance_of(rng, 2), jnp.float32)
    for ridge in (0.0, 1e-4):
        norm = functools.partial(whitened_cross, ridge=ridge)
        value, gradient = jax.value_and_grad(lambda a, b, n=norm: jnp.sum(n(a, b, within)), (0, 1))(
            jnp.zeros((3, 3)), jnp.zeros((3, 2))
        )
        assert value == 0 and all(np.isfinite(g).all() for g in gradient)


def test_the_factor_is_of_the_scaled_covariance():
    covariance = jnp.array([[8.0, 2.0], [2.0, 4.0]])
    factor = whitening_factor(covariance, ridge=0.5)
    np.testing.assert_allclose(factor @ factor.T, covariance / 6 + 0.5 * np.eye(2), rtol=1e-6)
