import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from mmjax.competition._linear_probe import linear_probe, probe_logits


def drawn(num_classes=3, num_samples=120, width=5, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(num_samples, width)) * [1, 10, 0.1, 1, 1] + [0, 5, 0, -3, 0]
    scores = (x - x.mean(0)) / x.std(0) @ rng.normal(size=(width, num_classes))
    return x, np.argmax(scores + noise * rng.gumbel(size=scores.shape), axis=1)


def reference(x, y, *, inverse_penalty, weight=None):
    weight = np.ones(len(y)) if weight is None else weight
    mean = np.average(x, axis=0, weights=weight)
    scale = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight))
    model = LogisticRegression(C=inverse_penalty, tol=1e-10, max_iter=5000)
    return model.fit((x - mean) / scale, y, sample_weight=weight), (x - mean) / scale


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("penalty", [0.01, 1.0, 30.0])
def test_weights_are_those_of_scikit_learn(penalty):
    x, y = drawn()
    probe = linear_probe(jnp.asarray(x), jnp.asarray(y), num_classes=3, penalty=penalty)
    expected, standardised = reference(x, y, inverse_penalty=1 / penalty)
    np.testing.assert_allclose(probe.weights.T, expected.coef_, atol=1e-5)
    np.testing.assert_allclose(probe.bias, expected.intercept_ - expected.intercept_.mean(), atol=1e-5)
    assert float(probe.gradient) < 1e-12
    probabilities = jax.nn.softmax(probe_logits(probe, jnp.asarray(x)))
    np.testing.assert_allclose(probabilities, expected.predict_proba(standardised), atol=1e-5)


@pytest.mark.usefixtures("float64")
def test_two_classes_and_weights():
    x, y = drawn(num_classes=2, seed=1)
    weight = np.random.default_rng(2).integers(0, 3, len(y)).astype(float)
    probe = linear_probe(jnp.asarray(x), jnp.asarray(y), num_classes=2, penalty=2.0, weight=jnp.asarray(weight))
    expected, _ = reference(x, y, inverse_penalty=1.0, weight=weight)
    np.testing.assert_allclose(probe.weights[:, 1] - probe.weights[:, 0], expected.coef_[0], atol=1e-5)
    repeated = np.repeat(np.arange(len(y)), weight.astype(int))
    again = linear_probe(jnp.asarray(x[repeated]), jnp.asarray(y[repeated]), num_classes=2, penalty=2.0)
    np.testing.assert_allclose(probe.weights, again.weights, atol=1e-9)


def test_digits_in_single_precision():
    x, y = load_digits(return_X_y=True)
    x = x.astype(np.float32)
    probe = linear_probe(jnp.asarray(x[:1000]), jnp.asarray(y[:1000]), num_classes=10)
    expected = LogisticRegression(C=1.0, tol=1e-8, max_iter=2000)
    mean, scale = np.asarray(probe.mean), np.asarray(probe.scale)
    expected.fit((x[:1000] - mean) / scale, y[:1000])
    predicted = np.argmax(probe_logits(probe, jnp.asarray(x[1000:])), axis=1)
    assert np.mean(predicted == y[1000:]) == pytest.approx(
        expected.score((x[1000:] - mean) / scale, y[1000:]), abs=1e-3
    )
    np.testing.assert_allclose(probe.weights.T, expected.coef_, atol=2e-3)
    assert float(probe.gradient) < 1e-5
    assert np.sum(scale == 1) >= 3  # pixels that are always blank


def test_encoders_are_probed_together_as_one_by_one():
    x, y = drawn(num_samples=60)
    latents = jnp.stack([jnp.asarray(x, jnp.float32), jnp.asarray(x[::-1], jnp.float32)])
    probe = jax.jit(lambda z, penalty: linear_probe(z, jnp.asarray(y), num_classes=3, penalty=penalty))
    penalties = jnp.array([0.1, 10.0])
    together = jax.vmap(probe)(latents, penalties)
    for i in range(2):
        alone = probe(latents[i], penalties[i])
        np.testing.assert_allclose(together.weights[i], alone.weights, atol=1e-4)


def test_separable_and_scaled_latents():
    y = jnp.arange(40) % 2
    x = 1e4 * (2.0 * y - 1)[:, None] + 1e6
    probe = linear_probe(x, y, num_classes=2, penalty=1e-3)
    assert np.mean(np.argmax(probe_logits(probe, x), 1) == y) == 1
    assert np.all(np.isfinite(probe.weights))


@pytest.mark.parametrize("num_samples", [1, 4])
def test_one_class_and_one_sample(num_samples):
    x = jax.random.normal(jax.random.key(0), (num_samples, 3))
    probe = linear_probe(x, jnp.ones(num_samples, int), num_classes=3)
    assert np.all(np.isfinite(np.concatenate([x.ravel() for x in probe])))
    assert np.all(np.argmax(probe_logits(probe, x), 1) == 1)


def test_no_sample_counts():
    x = jax.random.normal(jax.random.key(0), (4, 3))
    probe = linear_probe(x, jnp.arange(4) % 3, num_classes=3, weight=jnp.zeros(4))
    assert not np.any(probe.weights)
    np.testing.assert_allclose(probe.bias, 0, atol=1e-6)


@pytest.mark.parametrize(("value", "penalty"), [(np.nan, 1.0), (np.inf, 1.0), (0.0, np.nan)])
def test_what_is_not_finite_gives_nan(value, penalty):
    x = jax.random.normal(jax.random.key(0), (6, 3)).at[2, 1].set(value)
    probe = linear_probe(x, jnp.arange(6) % 3, num_classes=3, penalty=penalty)
    assert np.all(np.isnan(probe.weights))
    assert np.all(np.isnan(probe_logits(probe, x)))
