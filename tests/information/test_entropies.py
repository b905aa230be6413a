import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

from mmjax import information


def test_entropy_of_literal_tables():
    assert information.entropy(jnp.array([0.5, 0.25, 0.125, 0.125])) == 1.75  # Cover & Thomas, example 2.1.2
    np.testing.assert_allclose(information.entropy(jnp.full((2, 2, 2), 1 / 8), base=np.e), 3 * np.log(2), rtol=1e-6)
    deterministic = information.entropy(jnp.array([[0.0, 1.0], [0.0, 0.0]]))
    assert deterministic == 0 and not np.signbit(deterministic)


@pytest.mark.parametrize("kind", ["dense", "peaked", "zeros"])
def test_entropy_agrees_with_scipy(float64, tables, kind):
    p = tables(20, (3, 4), kind)
    np.testing.assert_allclose(
        jax.vmap(information.entropy)(p), scipy_entropy(p.reshape(20, -1), axis=1, base=2), rtol=1e-12
    )


def test_conditional_entropy_of_a_literal_table():
    # Cover & Thomas, example 2.2.1, rows Y and columns X: H(X) = 7/4, H(Y) = 2, H(X|Y) = 11/8, H(Y|X) = 13/8.
    p = jnp.array([[4, 2, 1, 1], [2, 4, 1, 1], [2, 2, 2, 2], [8, 0, 0, 0]]) / 32
    np.testing.assert_allclose(information.conditional_entropy(p, given=0), 11 / 8, rtol=1e-6)
    np.testing.assert_allclose(information.conditional_entropy(p), 13 / 8, rtol=1e-6)
    np.testing.assert_allclose(information.conditional_entropy(p, given=1), 13 / 8, rtol=1e-6)


def test_conditional_entropy_is_a_difference_of_entropies(float64, tables):
    @jax.jit
    def residuals(p):
        whole, conditions = information.entropy(p), [(0,), (2,), (2, 0), (-1, 0), (0, 1, 2), ()]
        known = [information.entropy(information.marginal(p, given)) for given in conditions]
        ours = [information.conditional_entropy(p, given=given) for given in conditions]
        return jnp.stack([whole - k - h for k, h in zip(known, ours, strict=True)])

    np.testing.assert_allclose(jax.vmap(residuals)(tables(5, (2, 3, 4), "zeros")), 0, atol=1e-14)


def test_conditional_entropy_of_a_nearly_deterministic_table_keeps_its_digits():
    # H(X|Y) of a symmetric channel with error 2^-20, whose entropies in float32 end at 1e-7.
    error = 2.0**-20
    p = jnp.array([[1 - error, error], [error, 1 - error]], jnp.float32) / 2
    exact = -error * np.log2(error) - (1 - error) * np.log2(1 - error)
    np.testing.assert_allclose(information.conditional_entropy(p), exact, rtol=1e-6)


@pytest.mark.parametrize("given", [(0, 0), (2, -1), 5])
def test_conditional_entropy_refuses_axes_that_are_none(given):
    with pytest.raises(ValueError):
        information.conditional_entropy(jnp.full((2, 2, 2), 1 / 8), given=given)


@pytest.mark.parametrize("measure", [information.entropy, information.conditional_entropy])
def test_entropies_are_good_measures(tables, check_measure, measure):
    check_measure(measure, tables(5, (3, 4), "zeros").astype(np.float32))


@pytest.mark.parametrize("measure", [information.entropy, information.conditional_entropy])
def test_derivatives_of_entropies(float64, tables, check_derivatives, measure):
    check_derivatives(measure, tables(1, (2, 3))[0])


@pytest.mark.parametrize("measure", [information.entropy, information.conditional_entropy])
def test_entropies_hold_in_cells_of_1e_300(float64, measure):
    p = jnp.array([[1.0, 1e-300], [1e-300, 0.0]])
    assert 0 < measure(p) < 1e-296
    assert np.isfinite(jax.grad(measure)(p)).all()


def test_a_base_that_is_none_is_refused_under_jit():
    with pytest.raises(ValueError, match="base must be greater than 1"):
        jax.jit(lambda p: information.entropy(p, base=1.0))(jnp.array([0.5, 0.5]))
