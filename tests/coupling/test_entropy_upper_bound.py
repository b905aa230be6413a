import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec

from mmjax import coupling, information
from mmjax.numerics import xlogx
from tests.coupling import plain

bound = coupling.entropy_upper_bound
gradients = jax.jit(jax.vmap(jax.grad(bound)))


def test_entropy_of_a_literal_coupling(float64):
    np.testing.assert_allclose(bound(jnp.array([[0.5, 0.4, 0.1], [0.6, 0.2, 0.2]])), 1.760964047443681, rtol=1e-14)


def test_one_marginal_has_its_own_entropy_and_derivative(float64):
    p = jnp.array([[0.5, 0.3, 0.2]])
    np.testing.assert_allclose(bound(p), information.entropy(p), rtol=1e-15)
    expected = -np.log2(p) - information.entropy(p)  # of the entropy of p / sum(p)
    np.testing.assert_allclose(jax.grad(bound)(p), expected, atol=1e-14)


def test_units(float64):
    p = jnp.array([[0.5, 0.4, 0.1], [0.6, 0.2, 0.2]])
    np.testing.assert_allclose(bound(p, base=np.e), bound(p) * np.log(2), rtol=1e-14)
    with pytest.raises(ValueError, match="base must be greater than 1"):
        bound(p, base=1.0)


def plain_entropy(marginals):
    """The same entropy, differentiated by JAX through all steps."""
    k, n = marginals.shape
    marginal = jnp.arange(k)

    def step(left, _):
        cell = jnp.argmax(left, axis=1)
        mass = jnp.min(left[marginal, cell])
        return left.at[marginal, cell].add(-mass), mass

    _, masses = jax.lax.scan(step, marginals / marginals.sum(1, keepdims=True), length=k * (n - 1) + 1)
    return -jnp.sum(xlogx(jnp.where(masses > 1e-15, masses, 0))) / np.log(2)


def smallest_masses(p):
    masses = np.asarray(jax.vmap(coupling.greedy)(jnp.array(p)).masses)
    return np.min(masses, axis=1, initial=1, where=masses > 1e-15)


@pytest.mark.parametrize(("k", "n"), [(2, 8), (4, 16)])
def test_gradient_is_the_one_through_all_steps(float64, k, n):
    p = jnp.array(plain.random_marginals(0, 16, k, n, "dense"))
    expected = jax.jit(jax.vmap(jax.grad(plain_entropy)))(p)
    difference = np.max(abs(gradients(p) - expected), axis=(1, 2))
    # The slope of a small mass m, -log m, shows the rounding of m.
    np.testing.assert_array_less(difference, 1e-10 + 1e-15 / smallest_masses(p))


@pytest.mark.parametrize(("k", "n"), [(2, 8), (3, 5)])
def test_gradient_is_the_central_difference(float64, k, n):
    p = plain.random_marginals(1, 128, k, n, "dense")
    p = p[smallest_masses(p) > 1e-4][:16]
    direction = np.random.default_rng(2).normal(size=p.shape) * p
    expected = plain.slope(jax.jit(jax.vmap(bound)), p, direction, np.full(16, 1e-7))
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
    p = plain.random_marginals(5, 16, 2, 8, "dense")
    values = jax.vmap(bound)(jnp.array(p, jnp.float32))
    assert values.dtype == jnp.float32
    np.testing.assert_allclose(values, jax.vmap(bound)(jnp.array(p)), atol=1e-5)


def test_the_value_alone_does_not_pay_for_the_derivative(float64):
    def loops(function):
        return jax.jit(jax.vmap(function)).lower(jnp.ones((16, 2, 8)) / 8).compile().as_text().count(" while(")

    assert loops(bound) == loops(coupling.greedy) < loops(jax.grad(bound))


def test_a_second_derivative_is_refused(float64):
    with pytest.raises(TypeError, match="second derivatives"):
        jax.hessian(bound)(jnp.array([[0.5, 0.5], [0.7, 0.3]]))


def test_a_row_that_is_no_distribution_gives_nan():
    assert np.isnan(bound(jnp.array([[0.5, 0.5], [0.7, 0.7]])))
    assert np.isnan(bound(jnp.array([[0.0, 0.0], [0.7, 0.3]])))


def test_sharded_gradients_agree(float64):
    p = jnp.array(plain.random_marginals(6, 128, 2, 8, "counts"))
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Auto,))
    spec = PartitionSpec("batch")
    sharded = jax.jit(jax.shard_map(jax.vmap(jax.grad(bound)), mesh=mesh, in_specs=spec, out_specs=spec))
    np.testing.assert_allclose(sharded(p), gradients(p), atol=1e-14)
