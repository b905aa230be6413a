"""Common and distinctive parts of canonical variates: what is uncorrelated, and what happens at both ends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.correlation import cca, variates
from mmjax.correlation._dcca_split import dcca_split
from tests.correlation.data import exact_views, related_views

pytestmark = pytest.mark.usefixtures("quickly_compiled")

RHO = np.array([1.0, 0.9, 0.6, 0.28, 0.0])


def cross(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return (a - a.mean(0)).T @ (b - b.mean(0)) / (len(a) - 1)


def test_a_split_that_is_known(float64):
    a, b = jnp.array([[1.0, 1.0, 1.0]]), jnp.array([[3.0, 3.0, 3.0]])
    split = dcca_split(a, b, jnp.array([0.6, 1.0, 0.0]))  # sqrt(.4 / 1.6) = 1/2
    np.testing.assert_allclose(split.common, [[1, 2, 0]], atol=1e-15)
    np.testing.assert_allclose(split.distinctive1, [[0, -1, 1]], atol=1e-15)
    np.testing.assert_allclose(split.distinctive2, [[2, 1, 3]], atol=1e-15)


def test_distinctive_parts_are_uncorrelated(float64):
    views = exact_views(np.random.default_rng(0), 60, np.linspace(0.5, 2, 5), RHO)
    fit = cca(*views, 5)
    split = dcca_split(*variates(fit, views), fit.correlations)
    np.testing.assert_allclose(cross(split.distinctive1, split.distinctive2), 0, atol=1e-7)  # 1 - rho has a root
    tangent = np.sqrt((1 - RHO) / (1 + RHO))
    np.testing.assert_allclose(
        cross(split.common, split.common), np.diag((1 - tangent) ** 2 * (1 + RHO) / 2), atol=1e-7
    )
    np.testing.assert_allclose(cross(split.distinctive1[:, :1], split.distinctive1[:, :1]), 0, atol=1e-7)


def test_the_identity_holds_to_rounding_on_data(float64):
    views = related_views(np.random.default_rng(1))[:2]
    fit = cca(*views, 4)
    a, b = variates(fit, views)
    split = dcca_split(a, b, fit.correlations)
    np.testing.assert_allclose(cross(split.distinctive1, split.distinctive2), 0, atol=1e-12)
    np.testing.assert_allclose(split.common + split.distinctive1, a, atol=1e-14)
    np.testing.assert_allclose(split.common + split.distinctive2, b, atol=1e-14)
    assert np.all(np.abs(np.diag(cross(a, b))) > 0.01)


def test_pairs_beyond_the_rank_are_nothing(float64):
    x, y, _ = related_views(np.random.default_rng(2))
    views = np.c_[x[:, :2], x[:, :2]], y
    fit = cca(*views, 3)
    split = dcca_split(*variates(fit, views), fit.correlations)
    assert fit.rank == 2 and all(np.all(np.asarray(part)[:, 2] == 0) for part in split)


def test_gradients_are_those_of_finite_differences_and_finite_at_1(float64):
    rng = np.random.default_rng(3)
    a, b, weights = (jnp.array(rng.normal(size=(6, 2))) for _ in range(3))

    def total(a, b, rho):
        split = dcca_split(a, b, rho)
        return jnp.sum(weights * split.common) + jnp.sum(weights * split.distinctive1 * split.distinctive2)

    at = (a, b, jnp.array([0.7, 0.2]))
    gradients = jax.grad(total, (0, 1, 2))(*at)
    for i, gradient in enumerate(gradients):
        direction, step = jnp.array(rng.normal(size=at[i].shape)), 1e-6
        up, down = (total(*at[:i], at[i] + e * direction, *at[i + 1 :]) for e in (step, -step))
        assert jnp.sum(gradient * direction) == pytest.approx(float(up - down) / (2 * step), rel=1e-7)
    ends = jax.grad(total, (0, 1, 2))(a, b, jnp.array([1.0, 0.0]))
    assert all(np.isfinite(g).all() for g in ends) and ends[2][0] == 0


def test_correlations_above_1_by_rounding_are_1():
    a, b = jnp.ones((1, 2)), jnp.full((1, 2), 3.0)
    np.testing.assert_array_equal(dcca_split(a, b, jnp.array([1.0000001, 1])).common, [[2, 2]])


def test_jit_and_vmap():
    rng = np.random.default_rng(4)
    a, b = (jnp.array(rng.normal(size=(3, 6, 2)), jnp.float32) for _ in range(2))
    rho = jnp.array(rng.uniform(size=(3, 2)), jnp.float32)
    together = jax.jit(jax.vmap(dcca_split))(a, b, rho)
    jax.tree.map(lambda t, o: np.testing.assert_allclose(t[1], o, rtol=1e-5), together, dcca_split(a[1], b[1], rho[1]))


def test_a_nan_is_not_hidden():
    a = jnp.ones((3, 2))
    assert np.isnan(dcca_split(a.at[0, 1].set(jnp.nan), a, jnp.array([0.5, 1.0])).common[0, 1])
    assert np.isnan(dcca_split(a, a, jnp.array([jnp.nan, 1.0])).common[:, 0]).all()


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(AssertionError):
        dcca_split(jnp.ones((4, 2)), jnp.ones((4, 3)), jnp.ones(2))
    with pytest.raises(AssertionError):
        dcca_split(jnp.ones((4, 2)), jnp.ones((4, 2)), jnp.ones(3))
