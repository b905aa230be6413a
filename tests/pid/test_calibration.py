"""Recalibration and common totals: stationarity, known answers, separable and missing labels, refusals."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import pid

NUM = 200
fit = jax.jit(lambda logits, label, weights: pid.calibrate(logits, label, weights=weights))
apply = jax.jit(pid.recalibrate)


def sample(seed: int, n: int = NUM, ny: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.arange(n) % ny)
    return rng.normal(size=(n, ny)) + 1.5 * np.eye(ny)[label], label


def calibrate(logits: np.ndarray, label: np.ndarray, weights: np.ndarray | None = None) -> pid.Calibration:
    """Of fewer than `NUM` samples, filled up with some that have no label: one shape, one compiled program."""
    weights = np.ones(len(label)) if weights is None else weights
    added = NUM - len(label)
    filled = np.pad(logits, [(0, added), (0, 0)], constant_values=3)
    return fit(
        filled,
        np.pad(label, (0, added), constant_values=-1),
        np.pad(weights.astype(logits.dtype), (0, added), constant_values=1),
    )


@pytest.mark.usefixtures("float64")
def test_mean_posterior_is_the_label_frequencies():
    logits, label = sample(0)
    logits[:, 0] += 7  # a bias to undo
    posterior = np.asarray(apply(50 * logits, calibrate(50 * logits, label)))
    np.testing.assert_allclose(posterior.mean(0), np.bincount(label) / label.size, atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_likelihood_is_stationary():
    logits, label = sample(1)
    fitted = calibrate(logits, label)

    @jax.jit
    @functools.partial(jax.value_and_grad, argnums=(0, 1))
    def likelihood(scale: jax.Array, bias: jax.Array) -> jax.Array:
        posterior = pid.recalibrate(logits, pid.Calibration(scale, bias))
        return jnp.mean(jnp.log(posterior[jnp.arange(label.size), label]))

    best, (slope, slopes) = likelihood(*fitted)
    np.testing.assert_allclose(slopes, 0, atol=1e-12)
    np.testing.assert_allclose(slope, 0, atol=1e-4)  # the penalty's share
    assert best > likelihood(np.float64(1), np.zeros(3))[0]


@pytest.mark.usefixtures("float64")
def test_undoes_temperature_and_bias_of_a_true_model():
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(20_000, 3))
    noise = rng.gumbel(size=logits.shape)
    label = (2 * logits + np.array([0.5, 0.0, -0.5]) + noise).argmax(1)
    scale, bias = pid.calibrate(logits / 10, label)
    np.testing.assert_allclose(scale, 20, rtol=0.05)
    np.testing.assert_allclose(np.asarray(bias) - bias[1], [0.5, 0, -0.5], atol=0.08)


@pytest.mark.usefixtures("float64")
def test_weights_are_multiplicities_and_negative_labels_left_out():
    logits, label = sample(3, n=30)
    weights = np.arange(30) % 3
    repeated = calibrate(np.repeat(logits, weights, 0), np.repeat(label, weights))
    weighted = calibrate(logits, label, weights)
    # One sees more samples than the other, and so less of the penalty.
    chex.assert_trees_all_close(weighted, repeated, rtol=1e-2)
    masked = calibrate(logits, np.where(weights == 1, label, -1))
    chex.assert_trees_all_close(masked, calibrate(logits[weights == 1], label[weights == 1]), rtol=1e-9)
    chex.assert_trees_all_close(masked, calibrate(logits, label, weights == 1), rtol=1e-9)


def test_separable_labels_stay_bounded_and_calibrations_vmap():
    """One batch in float32: separable logits of size 1 and 1e4, and two others, which a loop in float64 repeats."""
    label = np.arange(NUM) % 3
    others = [scale * (np.random.default_rng(6).normal(size=(NUM, 3)) + 1.5 * np.eye(3)[label]) for scale in (1, 3)]
    logits = np.stack([np.eye(3)[label], 1e4 * np.eye(3)[label], *others]).astype(np.float32)
    found = jax.tree.map(np.asarray, jax.jit(jax.vmap(pid.calibrate, (0, None)))(logits, label))
    assert found.scale.dtype == found.bias.dtype == np.float32
    assert np.all(np.isfinite(found.scale)) and np.all(np.isfinite(found.bias))
    for k in range(2):
        posterior = np.asarray(apply(logits[k], pid.Calibration(found.scale[k], found.bias[k])))
        assert np.all(posterior[np.arange(NUM), label] > 0.99) and np.all(posterior > 0)
    with jax.enable_x64(True):
        for k in (2, 3):
            alone = calibrate(logits[k].astype(float), label)
            np.testing.assert_allclose(found.scale[k], alone.scale, rtol=1e-3)
            np.testing.assert_allclose(found.bias[k], alone.bias, rtol=1e-3, atol=1e-4)


def test_useless_logits_give_the_frequencies():
    label = np.array([0, 0, 0, 1])
    expected = np.broadcast_to([0.75, 0.25], (4, 2))
    against = np.array([[0.0, 1], [0, 1], [0, 1], [1, 0]])
    for logits in (np.zeros((4, 2)), np.full((4, 2), -1e4), against):
        fitted = pid.calibrate(logits, label)
        assert fitted.scale == 0
        np.testing.assert_allclose(apply(logits, fitted), expected, rtol=1e-6)


@pytest.mark.usefixtures("float64")
def test_missing_class_has_probability_zero():
    logits, label = sample(4)
    label = np.minimum(label, 1)
    fitted = calibrate(logits, label)
    assert fitted.bias[2] == -np.inf
    posterior = np.asarray(apply(logits, fitted))
    np.testing.assert_allclose(posterior.mean(0), [*np.bincount(label) / label.size, 0], atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_nan_in_nan_out():
    logits, label = sample(5, n=12)
    broken = logits.copy()
    broken[3, 1] = np.nan
    assert np.isfinite(calibrate(logits, label).scale)
    assert np.isnan(calibrate(broken, label).scale)
    assert np.isnan(calibrate(logits, np.full(12, -1)).scale)
    assert np.isnan(calibrate(logits, label, -np.ones(12)).scale)
    with pytest.raises(AssertionError):
        pid.calibrate(logits, label[:5])


agreeing = jax.jit(
    lambda first, second, weights1, weights2: pid.project_posteriors(
        first, second, weights1=weights1, weights2=weights2
    )
)


def project(first: np.ndarray, second: np.ndarray, weights: np.ndarray | None = None) -> pid.ConsistentPosteriors:
    """Of (20, 3) and (35, 3) posteriors at most; rows that are added weigh nothing."""
    filled = []
    for p, w, most in ((first, None, 20), (second, weights, 35)):
        w = np.ones(len(p)) if w is None else w
        added = most - len(p)
        filled.append((np.concatenate([p, np.repeat(p[-1:], added, axis=0)]), np.pad(w, (0, added))))
    (p, v), (q, w) = filled
    found = jax.tree.map(np.asarray, agreeing(p, q, v, w))
    return found._replace(posterior1=found.posterior1[: len(first)], posterior2=found.posterior2[: len(second)])


@pytest.mark.usefixtures("float64")
def test_projection_agrees_and_keeps_odds():
    rng = np.random.default_rng(8)
    first, second = rng.dirichlet(np.ones(3), 20), rng.dirichlet([1, 2, 3], 35)
    weights = rng.gamma(1.0, size=35)
    both = project(first, second, weights)
    np.testing.assert_allclose(both.posterior1.mean(0), both.label, atol=1e-14)
    np.testing.assert_allclose(np.average(both.posterior2, axis=0, weights=weights), both.label, atol=1e-14)
    np.testing.assert_allclose(both.posterior1.sum(1), 1, atol=1e-14)
    odds = np.log(both.posterior1 / first)
    np.testing.assert_allclose(odds - odds[:, :1], (odds - odds[:, :1])[:1].repeat(20, 0), atol=1e-9)
    again = project(both.posterior1, both.posterior2, weights)
    np.testing.assert_allclose(again.posterior1, both.posterior1, atol=1e-14)  # identity where they agree
    assert again.distance < 1e-14 < both.distance


@pytest.mark.usefixtures("float64")
def test_projection_of_certain_posteriors():
    first, second = np.eye(3)[[0, 0, 1, 2]], np.eye(3)[[0, 1, 2, 2]]
    same = project(first, np.eye(3)[[0, 1, 0, 2]])
    np.testing.assert_array_equal(same.posterior1, first)
    both = project(first, second)  # zeros contradict: 1/2, 1/4, 1/4 against 1/4, 1/4, 1/2
    np.testing.assert_allclose(both.label, [0.375, 0.25, 0.375])
    np.testing.assert_allclose(both.posterior1.mean(0), both.label, atol=1e-14)
    np.testing.assert_allclose(both.distance, 0.125, atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_projection_refuses():
    good = np.full((3, 3), 1 / 3)
    for bad in (np.full((3, 3), 0.3), np.array([[1.5, -0.5, 0]]), np.array([[np.nan, 1.0, 0]])):
        assert all(np.all(np.isnan(x)) for x in project(good, bad))
    assert np.isfinite(project(good, good[:1]).distance)


def test_projection_refuses_a_label_that_is_no_distribution():
    good = np.full((3, 2), 0.5)
    assert np.isnan(pid.project_posteriors(good, good, label=np.array([0.5, 0.6])).distance)
