"""Scaling what flows back: values are kept to the last bit, derivatives are scaled, in both modes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition import gradient_scale


@pytest.mark.parametrize("factor", [0.0, 1.0, -1.0, 0.5])
def test_values_stay_and_derivatives_are_scaled(factor):
    x = jnp.array([1e30, -3.0, jnp.inf, 0.1])
    np.testing.assert_array_equal(gradient_scale(x, factor), x)
    finite = jnp.array([1.5, -3.0])
    reverse = jax.grad(lambda x: jnp.sum(gradient_scale(x, factor) ** 2))(finite)
    _, forward = jax.jvp(lambda x: gradient_scale(x, factor) ** 2, (finite,), (jnp.ones(2),))
    np.testing.assert_allclose(reverse, factor * 2 * finite)
    np.testing.assert_allclose(forward, factor * 2 * finite)


def test_factors_are_mapped_broadcast_and_have_no_derivative():
    x, factors = jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([0.0, 2.0, -1.0])
    gradients = jax.jit(jax.vmap(jax.grad(lambda x, f: jnp.sum(gradient_scale(x, f) ** 2)), in_axes=(None, 0)))
    np.testing.assert_allclose(gradients(x, factors), factors[:, None, None] * 2 * x[None])
    by_row = jax.grad(lambda x: jnp.sum(gradient_scale(x, jnp.array([[0.0], [1.0]]))))(x)
    np.testing.assert_array_equal(by_row, [[0, 0], [1, 1]])
    assert jax.grad(lambda f: jnp.sum(gradient_scale(x, f)))(1.0) == 0
