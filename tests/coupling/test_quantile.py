import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import coupling
from mmjax.numerics import xlogx
from tests.coupling import plain
from tests.coupling.test_greedy import marginals_of

batched = jax.jit(jax.vmap(coupling.quantile))


def entropy(marginals):
    return -jnp.sum(xlogx(coupling.quantile(marginals).masses))


def test_a_literal_coupling(float64):
    # Boundaries at .5, .9 and .6, .8 cut the unit interval in five pieces.
    cells = coupling.quantile(jnp.array([[0.1, 0.5, 0.4], [0.6, 0.2, 0.2]]))
    np.testing.assert_allclose(cells.masses, [0.5, 0.1, 0.2, 0.1, 0.1], atol=1e-15)
    np.testing.assert_array_equal(cells.indices, [[1, 0], [2, 0], [2, 1], [2, 2], [0, 2]])
    assert cells.indices.dtype == jnp.int32


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize(("k", "n"), [(2, 16), (3, 5)])
def test_marginals_are_reproduced(float64, k, n, dtype):
    for kind in plain.KINDS:
        p = plain.random_marginals(0, 16, k, n, kind)
        cells = batched(jnp.array(p, dtype))
        assert cells.masses.dtype == dtype and np.all(cells.masses >= 0)
        np.testing.assert_allclose(marginals_of(cells, k, n), p, atol=1e-12 if dtype == jnp.float64 else 1e-6)


def test_entropy_is_an_upper_bound(float64):
    for kind in plain.KINDS:
        p = jnp.array(plain.random_marginals(1, 32, 2, 16, kind))
        ours = jax.vmap(entropy)(p) / np.log(2)
        assert np.all(ours >= jax.vmap(coupling.entropy_lower_bound)(p) - 1e-12)


def test_one_marginal_is_its_own_coupling(float64):
    cells = coupling.quantile(jnp.array([[0.125, 0.5, 0.375]]))
    np.testing.assert_allclose(cells.masses, [0.5, 0.375, 0.125], atol=1e-15)
    np.testing.assert_array_equal(cells.indices[:, 0], [1, 2, 0])


def test_gradient_is_the_central_difference_in_both_modes(float64):
    p = plain.random_marginals(2, 64, 3, 5, "dense")
    p = p[np.asarray(batched(jnp.array(p)).masses).min(1) > 1e-4][:16]
    direction = np.random.default_rng(3).normal(size=p.shape) * p
    expected = plain.slope(jax.jit(jax.vmap(entropy)), p, direction, np.full(16, 1e-7))
    reverse = np.asarray(jax.jit(jax.vmap(jax.grad(entropy)))(jnp.array(p)))
    np.testing.assert_allclose(np.sum(reverse * direction, axis=(1, 2)), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.jacfwd(entropy))(jnp.array(p)), reverse, atol=1e-12)


def test_gradients_are_finite_at_zeros_and_ties(float64):
    gradients = jax.jit(jax.vmap(jax.grad(entropy)))
    for kind in plain.KINDS:
        assert np.all(np.isfinite(gradients(jnp.array(plain.random_marginals(4, 16, 2, 8, kind)))))


def test_a_row_that_is_no_distribution_gives_nan():
    assert np.all(np.isnan(coupling.quantile(jnp.array([[0.5, 0.5], [0.7, 0.7]])).masses))
