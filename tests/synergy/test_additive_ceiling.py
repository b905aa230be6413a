import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

from mmjax.information import entropy, joint_mutual_information
from mmjax.synergy._additive_ceiling import additive_ceiling
from tests.random_tables import KINDS, random_tables

pytestmark = pytest.mark.usefixtures("quickly_compiled")


def gate(function):
    p = np.zeros((2, 2, 2))
    for i in range(2):
        for j in range(2):
            p[i, j, function(i, j)] = 0.25
    return jnp.asarray(p)


def fitted(p):
    """Information in bits and accuracy of additive logits by a general-purpose minimiser."""
    n1, n2, ny = p.shape

    def logits(v):
        return v[: n1 * ny].reshape(n1, 1, ny) + v[n1 * ny :].reshape(1, n2, ny)

    def loss(v):
        log_q = logits(v) - logsumexp(logits(v), axis=2, keepdims=True)
        residual = p.sum(2, keepdims=True) * np.exp(log_q) - p
        return -(p * log_q).sum(), np.concatenate([residual.sum(1).ravel(), residual.sum(0).ravel()])

    found = minimize(loss, np.zeros((n1 + n2) * ny), jac=True, method="BFGS", options={"gtol": 1e-9})
    chosen = np.argmax(logits(found.x), axis=2)
    py = p.sum((0, 1))
    return (-(py * np.log(py)).sum() - found.fun) / np.log(2), np.take_along_axis(p, chosen[..., None], 2).sum()


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_xor_is_out_of_reach_and_and_is_not(precision):
    with jax.enable_x64(precision == "float64"):
        xor, conjunction = additive_ceiling(gate(lambda i, j: i ^ j)), additive_ceiling(gate(lambda i, j: i & j))
    np.testing.assert_allclose(xor, [0, 0.5, 1, 1], atol=1e-6)
    np.testing.assert_allclose(conjunction, [0.8112781, 1, 0.8112781, 1], atol=1e-4)


@pytest.mark.usefixtures("float64")
def test_equals_a_general_minimiser():
    for p in random_tables("dirichlet", 6, (3, 4, 3), seed=4):
        found = additive_ceiling(jnp.asarray(p))
        np.testing.assert_allclose([found.information, found.accuracy], fitted(p), atol=1e-8)
        assert float(found.joint_information) == pytest.approx(float(joint_mutual_information(jnp.asarray(p))))
        assert float(found.joint_accuracy) == pytest.approx(p.max(2).sum())


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", KINDS)
def test_between_the_unimodal_and_the_joint_classifiers(kind):
    tables = jnp.asarray(random_tables(kind, 200, (2, 3, 3)))
    found = jax.jit(jax.vmap(lambda p: additive_ceiling(p, base=np.e)))(tables)
    label = jax.vmap(lambda p: entropy(p.sum((0, 1)), base=np.e))(tables)
    unimodal = [
        jax.vmap(lambda p, axis=axis: joint_mutual_information(p.sum(axis, keepdims=True)))(tables) for axis in (0, 1)
    ]
    assert np.all(found.information <= np.minimum(found.joint_information, label) + 1e-9)
    assert np.all(found.information >= np.max(unimodal, axis=0) * np.log(2) - 1e-9)
    assert np.all((found.accuracy > 0) & (found.accuracy <= found.joint_accuracy + 1e-12))


def test_ties_are_shared_and_no_table_gives_nan():
    uniform = jnp.full((2, 2, 4), 1 / 16)
    np.testing.assert_allclose(additive_ceiling(uniform), [0, 0.25, 0, 0.25], atol=1e-6)
    assert np.all(np.isnan(additive_ceiling(2 * uniform)))
