import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import coupling, information
from tests.coupling import plain

pytestmark = pytest.mark.usefixtures("quickly_compiled")

bound = coupling.entropy_lower_bound
batched = jax.jit(jax.vmap(bound))
gradients = jax.jit(jax.vmap(jax.grad(bound)))


def test_a_literal_bound(float64):
    # The value that the program of Compton et al. 2023 prints; here it is the least entropy too.
    np.testing.assert_allclose(bound(jnp.array([[0.5, 0.4, 0.1], [0.6, 0.2, 0.2]])), 1.760964047443681, rtol=1e-14)


def test_one_marginal_has_its_own_entropy_and_derivative(float64):
    p = jnp.array([[0.5, 0.3, 0.2]])
    np.testing.assert_allclose(bound(p), information.entropy(p), rtol=1e-14)
    expected = -np.log2(p) - information.entropy(p)  # of the entropy of p / sum(p)
    np.testing.assert_allclose(jax.grad(bound)(p), expected, atol=1e-13)


# More atoms than one pass compares with, among these.
@pytest.mark.parametrize(("k", "n"), [(2, 8), (3, 5), (2, 20)])
def test_values_are_those_of_a_plain_program(float64, k, n):
    for seed, kind in enumerate(plain.KINDS):
        p = plain.random_marginals(seed, 16, k, n, kind)
        expected = [plain.majorize_profile(one) for one in p]
        np.testing.assert_allclose(batched(jnp.array(p)), expected, atol=1e-12)


@pytest.fixture(scope="module")
def small_problems():
    """1000 pairs of at most four atoms with the least entropies of their couplings."""
    p = np.concatenate([plain.random_marginals(seed, 200, 2, 4, kind) for seed, kind in enumerate(plain.KINDS)])
    return p, plain.least_entropy(p[:, 0], p[:, 1])


def test_bounds_are_in_order_about_the_least_entropy(float64, small_problems):
    p, least = small_problems
    meet, profile, lower, upper = (
        np.asarray(jax.jit(jax.vmap(function))(jnp.array(p)))
        for function in (coupling.meet_entropy, coupling.profile_bound, bound, coupling.entropy_upper_bound)
    )
    assert max((meet - lower).max(), (profile - lower).max(), (lower - least).max(), (least - upper).max()) < 1e-12
    assert (upper - least).max() < np.log2(np.e) / np.e  # Compton et al. 2023
    assert (upper - meet).max() < np.log2(np.e)  # Compton 2022
    assert np.mean(least - lower) < 0.4 * np.mean(least - meet)


@pytest.mark.parametrize("k", [3, 8])
def test_greedy_is_close_to_the_bounds_for_many_marginals(float64, k):
    for seed, kind in enumerate(plain.KINDS):
        p = jnp.array(plain.random_marginals(seed, 64, k, 6, kind))
        upper, lower = jax.jit(jax.vmap(coupling.entropy_upper_bound))(p), batched(p)
        meet = jax.jit(jax.vmap(coupling.meet_entropy))(p)
        assert np.all(upper <= meet + np.log2(np.e)) and np.all(lower <= upper + 1e-12)
        assert np.all(meet <= lower + 1e-12)


@pytest.mark.parametrize(("k", "n"), [(2, 8), (3, 5), (2, 20)])
def test_gradient_is_the_central_difference(float64, k, n):
    p = plain.random_marginals(1, 32, k, n, "dense")
    direction = np.random.default_rng(2).normal(size=p.shape) * p
    expected = plain.slope(batched, p, direction, np.full(32, 1e-7))
    ours = np.sum(np.asarray(gradients(jnp.array(p))) * direction, axis=(1, 2))
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_forward_and_reverse_mode_agree_alone_and_in_a_scan(float64):
    p = jnp.array(plain.random_marginals(3, 16, 2, 8, "zeros"))
    reverse = gradients(p)
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.jacfwd(bound)))(p), reverse, atol=1e-13)
    np.testing.assert_allclose(jax.grad(bound)(p[0]), reverse[0], atol=1e-13)
    total = jax.grad(lambda p: jax.lax.scan(lambda sum_, one: (sum_ + bound(one), None), 0.0, p)[0])
    np.testing.assert_allclose(total(p), reverse, atol=1e-13)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_gradients_are_finite_at_zeros_and_ties(float64, dtype):
    for kind in plain.KINDS:
        p = jnp.array(plain.random_marginals(4, 16, 2, 8, kind), dtype)
        assert np.all(np.isfinite(gradients(p)))


def test_float32_agrees(float64):
    for kind in plain.KINDS:
        p = plain.random_marginals(5, 16, 2, 8, kind)
        values = batched(jnp.array(p, jnp.float32))
        assert values.dtype == jnp.float32
        np.testing.assert_allclose(values, batched(jnp.array(p)), atol=2e-5)


def test_the_value_alone_does_not_pay_for_the_derivative(float64):
    def text(function):
        return jax.jit(jax.vmap(function)).lower(jnp.ones((16, 2, 8)) / 8).compile().as_text()

    assert "scatter" not in text(bound) and "scatter" in text(jax.grad(bound))  # names of what XLA expands stay


def test_a_row_that_is_no_distribution_gives_nan():
    assert np.isnan(bound(jnp.array([[0.5, 0.5], [0.7, 0.7]])))
    assert np.isnan(bound(jnp.array([[0.0, 0.0], [0.7, 0.3]])))
    assert np.isnan(bound(jnp.array([[np.nan, 0.5], [0.7, 0.3]])))


def test_nearly_deterministic_and_tiny_atoms(float64):
    p = jnp.array([[1 - 1e-9, 1e-9, 0.0], [1 - 1e-300, 1e-300, 0.0]])
    assert 0 <= bound(p) <= coupling.entropy_upper_bound(p) + 1e-15
    assert np.all(np.isfinite(jax.grad(bound)(p)))
