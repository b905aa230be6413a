import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmjax import estimators
from tests.estimators.derivatives import central_differences


def scores_of(seed, *, num_modalities=2, num_samples=5, scale=1.0):
    return scale * jnp.asarray(np.random.default_rng(seed).normal(size=(num_modalities, num_samples, num_samples)))


def test_a_literal_value():
    """(1/4, 3/4) and (3/4, 1/4): -log of twice sqrt 3 / 4 (Bhattacharyya's distance)."""
    scores = jnp.log(jnp.array([[[1.0, 3.0]], [[3.0, 1.0]]]))
    np.testing.assert_allclose(estimators.disagreement(scores), -np.log(np.sqrt(3) / 2), rtol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 0.99), st.sampled_from([0.1, 1.0, 10.0]))
def test_it_is_what_the_mean_score_knows_more_than_modalities_on_average(seed, share, scale):
    with jax.enable_x64(True):
        scores, weights = scores_of(seed, scale=scale), jnp.array([share, 1 - share])
        found = estimators.disagreement(scores, weights=weights)
        each = jnp.stack([estimators.info_nce(of) for of in scores])
        together = estimators.info_nce(jnp.einsum("m,mij->ij", weights, scores))
        np.testing.assert_allclose(found, together - weights @ each, atol=1e-10)
        assert found >= -1e-12


def test_three_modalities_and_equal_weights(float64):
    scores = scores_of(0, num_modalities=3)
    expected = estimators.info_nce(scores.mean(axis=0)) - np.mean([estimators.info_nce(of) for of in scores])
    np.testing.assert_allclose(estimators.disagreement(list(scores)), expected, rtol=1e-10)


@pytest.mark.parametrize("scores", [jnp.ones((1, 3, 4)), jnp.stack([jnp.eye(3), jnp.eye(3) + 7.0])])
def test_modalities_that_predict_the_same_do_not_disagree(scores):
    np.testing.assert_allclose(estimators.disagreement(scores), 0, atol=1e-6)


def test_a_modality_without_weight_is_not_heard():
    scores = scores_of(0).astype(jnp.float32)
    np.testing.assert_allclose(estimators.disagreement(scores, weights=jnp.array([1.0, 0.0])), 0, atol=1e-6)


def test_large_scores_and_derivatives(float64):
    opposed = jnp.array([[[1e4, 0.0]], [[0.0, 1e4]]])
    np.testing.assert_allclose(estimators.disagreement(opposed), 5e3 - np.log(2), rtol=1e-9)
    scores = scores_of(1)
    numeric = central_differences(estimators.disagreement, scores)
    np.testing.assert_allclose(jax.grad(estimators.disagreement)(scores), numeric, atol=1e-8)


def test_vmap_over_weights_equals_a_loop():
    scores, weights = scores_of(2).astype(jnp.float32), jnp.array([[0.5, 0.5], [0.2, 0.8]])
    found = jax.vmap(lambda of: estimators.disagreement(scores, weights=of))(weights)
    np.testing.assert_allclose(found, [estimators.disagreement(scores, weights=of) for of in weights], rtol=1e-6)


@pytest.mark.parametrize(
    "scores, weights",
    [(jnp.ones((2, 3)), None), ([jnp.ones((2, 3)), jnp.ones((3, 3))], None), (jnp.ones((2, 3, 3)), jnp.ones(3))],
)
def test_wrong_shapes_are_refused(scores, weights):
    with pytest.raises(AssertionError):
        estimators.disagreement(scores, weights=weights)


def test_no_modality_is_refused():
    with pytest.raises(ValueError, match="got none"):
        estimators.disagreement([])
