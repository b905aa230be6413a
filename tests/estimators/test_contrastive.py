import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import estimators
from tests.estimators.derivatives import central_differences

E = np.e


def test_a_literal_value():
    """Anchors 0 and 1 have each other, 2 has none: it is in their denominators and has no term of its own."""
    similarities = jnp.array([[9.0, 1.0, 0.0], [2.0, 9.0, 1.0], [0.0, 0.0, 9.0]])
    expected = -(1 - np.log(E + 1) + 2 - np.log(E**2 + E)) / 2
    np.testing.assert_allclose(
        estimators.supervised_contrastive(similarities, jnp.array([4, 4, 5])), expected, rtol=1e-6
    )


def test_several_positives_are_averaged_outside_the_logarithm():
    similarities = jnp.asarray(np.random.default_rng(0).normal(size=(6, 6)), jnp.float32)
    labels = np.array([0, 0, 0, 1, 1, 2])
    terms = []
    for i in range(5):
        others = [j for j in range(6) if j != i]
        log_softmax = np.asarray(similarities[i]) - np.log(np.sum(np.exp(similarities[i, others])))
        terms.append(-np.mean([log_softmax[j] for j in others if labels[j] == labels[i]]))
    value = estimators.supervised_contrastive(similarities, jnp.asarray(labels))
    np.testing.assert_allclose(value, np.mean(terms), rtol=1e-5)


def test_equal_similarities_and_one_class():
    np.testing.assert_allclose(estimators.supervised_contrastive(jnp.zeros((5, 5)), jnp.zeros(5)), np.log(4), rtol=1e-6)


@pytest.mark.parametrize("labels", [[0, 1, 2], [0.5, 0.6, 0.7]])
def test_no_label_twice_gives_no_loss(labels):
    value, gradient = jax.value_and_grad(estimators.supervised_contrastive)(jnp.ones((3, 3)), jnp.array(labels))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_the_diagonal_and_large_similarities(float64):
    labels = jnp.array([0, 0, 1, 1])
    similarities = jnp.asarray(np.random.default_rng(0).normal(size=(4, 4)))
    value = estimators.supervised_contrastive(similarities, labels)
    changed = similarities.at[jnp.diag_indices(4)].set(1e6)
    np.testing.assert_allclose(estimators.supervised_contrastive(changed, labels), value, rtol=1e-9)
    numeric = central_differences(lambda s: estimators.supervised_contrastive(s, labels), similarities)
    np.testing.assert_allclose(jax.grad(estimators.supervised_contrastive)(similarities, labels), numeric, atol=1e-8)
    single = jnp.where(labels[:, None] == labels[None], -1e4, 1e4).astype(jnp.float32)
    np.testing.assert_allclose(estimators.supervised_contrastive(single, labels), 2e4 + np.log(2), rtol=1e-5)


def test_vmap_over_temperatures_equals_a_loop():
    labels, temperatures = jnp.array([0, 0, 1, 1]), jnp.array([0.1, 1.0])
    similarities = jnp.asarray(np.random.default_rng(0).normal(size=(4, 4)), jnp.float32)
    loss = lambda t: estimators.supervised_contrastive(similarities / t, labels)  # noqa: E731
    np.testing.assert_allclose(jax.vmap(loss)(temperatures), [loss(t) for t in temperatures], rtol=1e-5)


def test_a_single_sample_is_refused():
    with pytest.raises(ValueError, match="at least 2 samples"):
        estimators.supervised_contrastive(jnp.ones((1, 1)), jnp.zeros(1))
