import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import coupling, information
from tests.coupling import plain

BOUNDS = [coupling.meet_entropy, coupling.profile_bound]


def test_literal_bounds(float64):
    # The values that the program of Compton et al. 2023 prints.
    p = jnp.array([[0.5, 0.4, 0.1], [0.6, 0.2, 0.2]])
    np.testing.assert_allclose(coupling.majorization_meet(p), [0.5, 0.3, 0.2], atol=1e-15)
    np.testing.assert_allclose(coupling.meet_entropy(p), 1.4854752972273344, rtol=1e-14)
    np.testing.assert_allclose(coupling.profile_bound(p), 1.660964047443681, rtol=1e-14)


@pytest.mark.parametrize("kind", plain.KINDS)
def test_the_meet_is_the_greatest_distribution_below_all_marginals(float64, kind):
    p = plain.random_marginals(0, 32, 3, 6, kind)
    meet = np.asarray(jax.jit(jax.vmap(coupling.majorization_meet))(jnp.array(p)))
    sums = np.cumsum(np.sort(p, axis=2)[:, :, ::-1], axis=2)
    np.testing.assert_allclose(np.cumsum(meet, axis=1), sums.min(1), atol=1e-14)
    assert np.all(meet >= 0) and np.all(np.diff(meet, axis=1) <= 1e-14)


def test_the_profile_integral_by_a_fine_grid(float64):
    p = plain.random_marginals(1, 4, 2, 5, "dense")
    grid = (np.arange(200_000) + 0.5) / 200_000
    for one in p:
        ascending = np.sort(one, axis=1)
        ends = np.cumsum(ascending, axis=1)
        profiles = [row[np.searchsorted(end, grid)] for row, end in zip(ascending, ends, strict=True)]
        expected = np.mean(-np.log2(np.min(profiles, axis=0)))
        np.testing.assert_allclose(coupling.profile_bound(jnp.array(one)), expected, atol=1e-4)


@pytest.mark.parametrize("bound", BOUNDS)
def test_one_marginal_has_its_own_entropy(float64, bound):
    for p in ([[0.5, 0.3, 0.2]], [[0.0, 1.0, 0.0]], [[0.5, 0.5, 0.0]]):
        np.testing.assert_allclose(bound(jnp.array(p)), information.entropy(jnp.array(p)), atol=1e-14)


@pytest.mark.parametrize("bound", BOUNDS)
def test_gradient_is_the_central_difference_in_both_modes(float64, bound):
    p = plain.random_marginals(2, 32, 3, 6, "dense")
    direction = np.random.default_rng(3).normal(size=p.shape) * p
    expected = plain.slope(jax.jit(jax.vmap(bound)), p, direction, np.full(32, 1e-7))
    reverse = jax.jit(jax.vmap(jax.grad(bound)))(jnp.array(p))
    np.testing.assert_allclose(np.sum(np.asarray(reverse) * direction, axis=(1, 2)), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.jacfwd(bound)))(jnp.array(p)), reverse, atol=1e-12)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("bound", BOUNDS)
def test_values_agree_and_gradients_are_finite_at_zeros_and_ties(float64, bound, dtype):
    value_and_grad = jax.jit(jax.vmap(jax.value_and_grad(bound)))
    for kind in plain.KINDS:
        p = plain.random_marginals(4, 16, 2, 8, kind)
        values, gradients = value_and_grad(jnp.array(p, dtype))
        assert values.dtype == dtype and np.all(np.isfinite(gradients))
        np.testing.assert_allclose(values, [bound(jnp.array(one)) for one in p], atol=2e-5)


@pytest.mark.parametrize("function", [*BOUNDS, coupling.majorization_meet])
def test_a_row_that_is_no_distribution_gives_nan(function):
    for row in ([0.7, 0.7], [0.0, 0.0], [1.5, -0.5], [np.nan, 1.0]):
        assert np.all(np.isnan(function(jnp.array([[0.5, 0.5], row]))))
