import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import numerics


def test_xlogx_has_value_and_derivative_zero_at_zero():
    x = jnp.array([0.0, 0.5, 1.0])
    np.testing.assert_allclose(numerics.xlogx(x), [0, -0.34657359, 0], rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.grad(numerics.xlogx))(x), [0, 0.30685282, 1], rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.hessian(numerics.xlogx))(x), [0, 2, 1], rtol=1e-6)
    assert np.isnan(numerics.xlogx(jnp.array(-0.1)))


@pytest.mark.parametrize("tiny", [1e-18, 1e-30, 2e-38])
def test_xlogx_has_finite_second_derivatives_in_small_cells_of_single_precision(tiny):
    x = jnp.array(tiny, jnp.float32)
    np.testing.assert_allclose(jax.hessian(numerics.xlogx)(x), 1 / tiny, rtol=1e-4)


def test_xlogx_holds_in_cells_of_1e_300(float64):
    x = jnp.array(1e-300)
    np.testing.assert_allclose(numerics.xlogx(x), 1e-300 * np.log(1e-300), rtol=1e-14)
    np.testing.assert_allclose(jax.jacfwd(jax.grad(numerics.xlogx))(x), 1e300, rtol=1e-14)


def test_log_or_zero_is_zero_at_zero_with_derivative_zero():
    x = jnp.array([0.0, 2.0])
    np.testing.assert_allclose(numerics.log_or_zero(x), [0, np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.grad(numerics.log_or_zero))(x), [0, 0.5], rtol=1e-6)
    assert np.isnan(numerics.log_or_zero(jnp.array(-1.0)))


def test_divide_or_zero_is_zero_where_the_divisor_is():
    x, y = jnp.array([3.0, 3.0, 0.0]), jnp.array([2.0, 0.0, 0.0])
    np.testing.assert_array_equal(numerics.divide_or_zero(x, y), [1.5, 0, 0])
    by_x, by_y = jax.vmap(jax.grad(numerics.divide_or_zero, argnums=(0, 1)))(x, y)
    np.testing.assert_allclose(by_x, [0.5, 0, 0])
    np.testing.assert_allclose(by_y, [-0.75, 0, 0])


def test_divide_or_zero_differentiates_under_broadcasting_as_plain_division(float64):
    x = jnp.array([[0.3, 0.2], [0.1, 0.4]])

    def shares(divide):
        return lambda x: jnp.sum(jnp.sin(divide(x, jnp.sum(x, axis=1, keepdims=True))))

    for derivative in (jax.jacrev, jax.hessian):
        ours = jax.jit(derivative(shares(numerics.divide_or_zero)))(x)
        np.testing.assert_allclose(ours, jax.jit(derivative(shares(jnp.divide)))(x), rtol=1e-12)


def test_divide_or_zero_has_finite_derivatives_where_the_square_of_the_divisor_underflows():
    x, y = jnp.array(1e-25, jnp.float32), jnp.array(2e-25, jnp.float32)
    np.testing.assert_allclose(jax.grad(numerics.divide_or_zero, argnums=1)(x, y), -2.5e24, rtol=1e-5)


@pytest.mark.parametrize(("base", "expected"), [(2, 1.0), (2.0, 1.0), (4.0, 0.5), (np.e, np.log(2))])
def test_in_base_converts_nats(base, expected):
    np.testing.assert_allclose(numerics.in_base(jnp.log(jnp.array(2.0)), base), expected, rtol=1e-6)


@pytest.mark.parametrize("base", [1, 0.5, 0, -2.0, float("nan")])
def test_in_base_refuses_what_is_no_base(base):
    with pytest.raises(ValueError, match="base must be greater than 1"):
        numerics.in_base(jnp.array(1.0), base)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, 0.5], True),
        ([1.0, 0.0], True),
        ([0.5, 0.5004], True),
        ([0.5, 0.6], False),
        ([-1e-9, 1.0], False),
        ([0.0, 0.0], False),
        ([np.nan, 1.0], False),
        ([np.inf, 1.0], False),
    ],
)
def test_is_table_knows_tables(values, expected):
    assert bool(numerics.is_table(jnp.array(values))) is expected
    assert bool(jax.jit(numerics.is_table)(jnp.array(values)[:, None])) is expected


def test_nan_unless_passes_values_and_derivatives_where_the_condition_holds():
    def f(x):
        return numerics.nan_unless(x > 0, x**2)

    assert f(jnp.array(3.0)) == 9
    assert jax.grad(f)(jnp.array(3.0)) == 6
    assert np.isnan(f(jnp.array(-3.0)))


def _smallest(x):
    """min_z (z - x_0)^2 + x_1 sin x_0 = x_1 sin x_0, with a gradient handed over by the envelope theorem."""
    value = x["b"] * jnp.sin(x["a"])
    gradient = {"a": x["b"] * jnp.cos(x["a"]), "b": jnp.sin(x["a"])}
    return numerics.attach_gradient(jax.lax.stop_gradient(value), x, gradient)


@pytest.mark.parametrize("derivative", [jax.grad, jax.jacfwd, jax.jacrev])
def test_attach_gradient_serves_both_modes_under_jit_vmap_and_scan(derivative):
    xs = {"a": jnp.array([0.1, 0.2, 0.3]), "b": jnp.array([1.0, 2.0, -1.0])}
    expected = xs["b"] * jnp.cos(xs["a"])
    batched = jax.jit(jax.vmap(derivative(_smallest)))(xs)
    np.testing.assert_allclose(batched["a"], expected, rtol=1e-6)
    np.testing.assert_allclose(batched["b"], jnp.sin(xs["a"]), rtol=1e-6)
    scanned = jax.lax.scan(lambda _, x: (None, derivative(_smallest)(x)), None, xs)[1]
    np.testing.assert_allclose(scanned["a"], expected, rtol=1e-6)


def test_attach_gradient_differentiates_through_a_scan():
    xs = {"a": jnp.array([0.1, 0.2, 0.3]), "b": jnp.array([1.0, 2.0, -1.0])}

    def total(xs):
        return jax.lax.scan(lambda carry, x: (carry + _smallest(x), None), jnp.zeros(()), xs)[0]

    np.testing.assert_allclose(jax.grad(total)(xs)["a"], xs["b"] * jnp.cos(xs["a"]), rtol=1e-6)


@pytest.mark.parametrize("second", [jax.hessian, lambda f: jax.grad(lambda x: jax.grad(f)(x)["a"])])
def test_attach_gradient_raises_on_a_second_derivative(second):
    with pytest.raises(TypeError, match="second derivatives of an optimal value"):
        second(_smallest)({"a": jnp.array(0.1), "b": jnp.array(1.0)})


def test_scaled_entropy_grows_with_the_table():
    p = jnp.array([0.5, 0.25, 0.25])
    np.testing.assert_allclose(numerics.scaled_entropy(p), 1.0397208, rtol=1e-6)
    np.testing.assert_allclose(numerics.scaled_entropy(1.5 * p), 1.5 * 1.0397208, rtol=1e-6)
    assert numerics.scaled_entropy(jnp.zeros(3)) == 0


def test_as_floats_finds_the_common_dtype(float64):
    integers, single = np.arange(3), np.ones(2, np.float32)
    assert [x.dtype for x in numerics.as_floats(integers, single)] == [np.float32, np.float32]
    assert numerics.as_floats(integers)[0].dtype == np.float64
    assert [x.dtype for x in numerics.as_floats(single, np.ones(2))] == [np.float64, np.float64]
