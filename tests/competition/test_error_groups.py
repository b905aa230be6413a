import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition._error_groups import error_groups

UNIMODAL = jnp.array([[1, 1, 0, 0, 1, 0], [1, 0, 1, 0, 0, 1]], bool)
FUSED = jnp.array([1.0, 1, 0, 1, 0, 1])


def test_four_groups_by_hand():
    share, accuracy = error_groups(FUSED, UNIMODAL, jnp.ones(6))
    np.testing.assert_allclose(share, np.array([1, 2, 2, 1]) / 6, rtol=1e-6)
    np.testing.assert_allclose(accuracy, [1, 0.5, 0.5, 1])


def test_weights_count():
    weight = jnp.array([2.0, 3, 1, 0, 1, 3])
    share, accuracy = jax.jit(error_groups)(FUSED, UNIMODAL, weight)
    np.testing.assert_allclose(share, [0, 0.4, 0.4, 0.2], rtol=1e-6)
    np.testing.assert_allclose(accuracy, [np.nan, 0.75, 0.75, 1])  # no sample of weight in group 0


def test_nothing_counts():
    share, accuracy = error_groups(FUSED, UNIMODAL, jnp.zeros(6))
    assert not np.any(share)
    assert np.all(np.isnan(accuracy))


def test_groups_of_three_modalities_make_up_the_accuracy():
    keys = jax.random.split(jax.random.key(0), 3)
    unimodal = jax.random.bernoulli(keys[0], 0.6, (3, 500))
    fused = jax.random.bernoulli(keys[1], 0.7, (500,)).astype(float)
    weight = jax.random.uniform(keys[2], (500,))
    share, accuracy = error_groups(fused, unimodal, weight)
    assert float(jnp.sum(share)) == pytest.approx(1, abs=1e-6)
    assert float(share @ accuracy) == pytest.approx(float(fused @ weight / weight.sum()), abs=1e-6)
    inside = np.asarray(unimodal[0] & ~unimodal[1] & unimodal[2])
    assert float(share[5]) == pytest.approx(float(weight[inside].sum() / weight.sum()), abs=1e-6)


def test_mapped_over_models():
    fused = jnp.stack([FUSED, 1 - FUSED])
    share, accuracy = jax.vmap(error_groups, (0, None, None))(fused, UNIMODAL, jnp.ones(6))
    np.testing.assert_allclose(accuracy[0] + accuracy[1], 1)
    np.testing.assert_allclose(share[0], share[1])
