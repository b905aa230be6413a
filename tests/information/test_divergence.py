import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

from mmjax import information


def test_kl_divergence_of_literal_tables():
    # Cover & Thomas, example 2.3.1, r = 1/2, s = 1/4.
    p, q = jnp.array([0.5, 0.5]), jnp.array([0.75, 0.25])
    np.testing.assert_allclose(information.kl_divergence(p, q), 0.2075187, rtol=1e-6)
    np.testing.assert_allclose(information.kl_divergence(q, p), 0.1887219, rtol=1e-6)
    np.testing.assert_allclose(information.kl_divergence(p, q, base=np.e), 0.2075187 * np.log(2), rtol=1e-6)


def test_empty_cells():
    p, q = jnp.array([1.0, 0.0, 0.0]), jnp.array([0.5, 0.5, 0.0])
    assert information.kl_divergence(p, q) == 1
    assert information.kl_divergence(q, p) == np.inf
    for arguments in ((p, q), (q, p)):
        assert all(np.isfinite(g).all() for g in jax.grad(information.kl_divergence, argnums=(0, 1))(*arguments))


@pytest.mark.parametrize("kind", ["dense", "peaked"])
def test_kl_divergence_agrees_with_scipy(float64, tables, kind):
    p, q = tables(20, (3, 4), kind), tables(20, (3, 4), kind, seed=1)
    expected = scipy_entropy(p.reshape(20, -1), q.reshape(20, -1), axis=1, base=2)
    np.testing.assert_allclose(jax.vmap(information.kl_divergence)(p, q), expected, rtol=1e-10)


def test_a_small_divergence_keeps_its_digits_in_single_precision(tables):
    p = tables(1, (4, 5))[0].astype(np.float32)
    for size, rtol in ((1e-2, 1e-4), (1e-3, 1e-3), (1e-4, 1e-2)):
        noise = np.random.default_rng(1).normal(size=p.shape)
        q = (p * (1 + size * (noise - (p * noise).sum()))).astype(np.float32)
        wide_p, wide_q = (x.astype(np.longdouble) / x.astype(np.longdouble).sum() for x in (p, q))
        exact = (wide_p * np.log2(wide_p / wide_q)).sum()
        np.testing.assert_allclose(information.kl_divergence(p, q), float(exact), rtol=rtol)


def test_derivatives_of_the_divergence(float64, tables, check_derivatives):
    p, q = tables(2, (2, 3))
    check_derivatives(lambda p: information.kl_divergence(p, jnp.asarray(q)), p)
    check_derivatives(lambda q: information.kl_divergence(jnp.asarray(p), q), q)
    by_logits = jax.grad(lambda z: information.kl_divergence(jnp.asarray(p), jax.nn.softmax(z, (0, 1)), base=np.e))
    np.testing.assert_allclose(by_logits(jnp.log(jnp.asarray(q))), q - p, rtol=1e-10)


def test_the_divergence_is_nan_unless_both_are_tables():
    p, broken = jnp.array([0.5, 0.5]), jnp.array([0.5, 0.6])
    assert np.isnan(information.kl_divergence(p, broken)) and np.isnan(information.kl_divergence(broken, p))


def test_cells_of_1e_300(float64):
    p, q = jnp.array([1.0, 1e-300]), jnp.array([1e-300, 1.0])
    np.testing.assert_allclose(information.kl_divergence(p, q), 300 * np.log2(10), rtol=1e-3)
    np.testing.assert_allclose(information.kl_divergence(p, p), 0)
    assert all(np.isfinite(g).all() for g in jax.grad(information.kl_divergence, argnums=(0, 1))(p, q))


def test_shapes_must_agree():
    with pytest.raises(AssertionError):
        information.kl_divergence(jnp.full((2, 2), 0.25), jnp.full(4, 0.25))
