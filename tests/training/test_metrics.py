"""Metrics against scikit-learn, where weights are 0 and 1, and on predictions that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss, roc_auc_score

from mmjax.training import classification_metrics, multilabel_metrics, regression_metrics


def _classes(num_samples, num_classes, seed=0):
    rng = np.random.default_rng(seed)
    logits = np.round(2 * rng.normal(size=(num_samples, num_classes)), 1).astype(np.float32)  # with ties
    return logits, rng.integers(0, num_classes, num_samples).astype(np.int32), rng.integers(0, 2, num_samples)


@pytest.mark.parametrize("num_classes", [2, 4])
def test_classes_as_scikit_learn(num_classes):
    logits, label, weight = _classes(200, num_classes)
    found = jax.jit(classification_metrics)(logits, label, jnp.asarray(weight, float))
    kept = weight > 0
    probability = np.asarray(jax.nn.softmax(logits))[kept]
    predicted, true = probability.argmax(1), label[kept]
    np.testing.assert_allclose(found["loss"], log_loss(true, probability), rtol=1e-5)
    np.testing.assert_allclose(found["accuracy"], np.mean(predicted == true), rtol=1e-6)
    np.testing.assert_allclose(found["f1"], f1_score(true, predicted, average="macro"), rtol=1e-5)
    one_against_rest = [roc_auc_score(true == c, probability[:, c]) for c in range(num_classes)]
    np.testing.assert_allclose(found["auroc"], np.mean(one_against_rest), rtol=1e-5)


def test_calibration_error_of_known_predictions():
    """Confidence .75 in ten samples, seven of them right: off by .05."""
    logits = jnp.log(jnp.tile(jnp.array([[0.75, 0.25]]), (10, 1)))
    label = jnp.array([0] * 7 + [1] * 3, jnp.int32)
    assert jax.jit(classification_metrics)(logits, label, jnp.ones(10))["calibration"] == pytest.approx(0.05, abs=1e-6)


def test_labels_as_scikit_learn():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(150, 3)).astype(np.float32)
    label = rng.integers(0, 2, (150, 3)).astype(np.float32)
    found = jax.jit(multilabel_metrics)(logits, label, jnp.ones(150))
    np.testing.assert_allclose(found["f1"], f1_score(label, logits > 0, average="macro"), rtol=1e-5)
    np.testing.assert_allclose(found["auroc"], roc_auc_score(label, logits), rtol=1e-5)
    np.testing.assert_allclose(found["accuracy"], np.mean((logits > 0) == label), rtol=1e-6)
    each = np.logaddexp(0, logits) - label * logits
    np.testing.assert_allclose(found["loss"], each.mean(), rtol=1e-5)


def test_numbers():
    prediction, target = jnp.array([[1.0], [-2.0], [3.0], [1.0]]), jnp.array([[2.0], [-1.0], [-1.0], [0.0]])
    found = regression_metrics(prediction, target, jnp.array([1.0, 1.0, 1.0, 0.0]))
    assert found["loss"] == pytest.approx((1 + 1 + 16) / 3)
    assert found["mae"] == pytest.approx(2)
    assert found["accuracy"] == pytest.approx(2 / 3)


def test_one_class_and_no_weight_are_no_errors():
    logits, label, _ = _classes(20, 3)
    measure = jax.jit(classification_metrics)
    one = measure(logits, jnp.zeros(20, jnp.int32), jnp.ones(20))
    assert np.isnan(one["auroc"]) and np.isfinite(one["f1"])
    nothing = measure(logits, label, jnp.zeros(20))
    assert nothing["loss"] == nothing["accuracy"] == nothing["calibration"] == 0
