import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import factor_data, factor_truth

NUM_SAMPLES = 8000
DIMS = {"latent_dims": (3, 2, 4), "transform_dim": 8}


def sample(num_seen, seed=0, num_samples=NUM_SAMPLES):
    return factor_data(jax.random.key(seed), jnp.array(num_seen), num_samples=num_samples, **DIMS)


def linear_accuracy(x, label):
    """Accuracy of least squares, which finds the score's part that a modality sees."""
    x, signs = np.asarray(x, float), 2.0 * np.asarray(label) - 1
    return np.mean((x @ np.linalg.lstsq(x, signs, rcond=1e-9)[0] > 0) == (signs > 0))


@pytest.mark.parametrize("num_seen", [(3, 0, 0), (0, 2, 0), (0, 0, 4), (3, 2, 4), (1, 1, 2)])
def test_a_modality_knows_as_much_as_the_closed_form_says(num_seen):
    batch = sample(num_seen)
    found = [linear_accuracy(batch.modalities[name], batch.label) for name in ("x1", "x2")]
    np.testing.assert_allclose(found, factor_truth(jnp.array(num_seen)).accuracy, atol=0.02)


def test_both_modalities_know_the_label():
    batch = sample((3, 2, 4))
    both = np.concatenate([batch.modalities["x1"], batch.modalities["x2"]], axis=1)
    assert linear_accuracy(both, batch.label) > 0.97


def test_latents_have_variance_one_half_and_a_uniform_transform():
    # A column of T has seven entries U(0,1): E |column|^2 = 7/3, so the mean variance is 7/6.
    variances = [sample((1, 1, 1), seed, 500).modalities["x1"].var(0).mean() for seed in range(12)]
    assert np.mean(variances) == pytest.approx(7 / 6, rel=0.08)
    x = np.asarray(sample((1, 1, 1)).modalities["x2"])
    singular = np.linalg.svd(x, compute_uv=False)
    assert singular[6] < 1e-4 * singular[5]


def test_truth_at_literal_shares():
    truth = factor_truth(jnp.array([2, 2, 0]))
    # The half of the score: arcsin(sqrt(1/2)) = pi / 4.
    np.testing.assert_allclose(truth.accuracy, 0.75, atol=1e-6)
    extreme = factor_truth(jnp.array([0, 3, 0]))
    np.testing.assert_allclose(extreme.accuracy, [0.5, 1], atol=1e-6)
    np.testing.assert_allclose(extreme.information, [0, 1], atol=1e-5)
    np.testing.assert_allclose(factor_truth(jnp.array([0, 0, 5])).information, 1, atol=1e-5)


def test_information_agrees_with_counting():
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(2, 400_000)) * np.sqrt([[1.0], [3.0]])
    label = parts.sum(0) >= 0
    order = np.argsort(parts[0])
    share = label[order].reshape(400, -1).mean(1)  # of ones, in quantiles of what the modality sees
    entropy = -np.mean(share * np.log2(share) + (1 - share) * np.log2(1 - share))
    truth = factor_truth(jnp.array([1, 3, 0]))
    assert truth.information[0] == pytest.approx(1 - entropy, abs=3e-3)
    nats = factor_truth(jnp.array([1, 3, 0]), base=np.e).information
    np.testing.assert_allclose(nats, truth.information * np.log(2), rtol=1e-5)


def test_sampling_maps_over_keys_and_counts():
    keys, counts = jax.random.split(jax.random.key(0), 2), jnp.array([[1, 0, 0], [0, 2, 3]])

    def draw(key, num_seen):
        return factor_data(key, num_seen, num_samples=1, **DIMS)

    many, one = jax.jit(jax.vmap(draw))(keys, counts), draw(keys[1], counts[1])
    np.testing.assert_array_equal(many.label[1], one.label)
    np.testing.assert_allclose(many.modalities["x1"][1], one.modalities["x1"], rtol=1e-4, atol=1e-5)
    assert many.label.dtype == jnp.int32


def test_more_latents_than_dimensions_are_refused():
    with pytest.raises(ValueError, match="transform_dim must be at least 7; got 6"):
        factor_data(jax.random.key(0), jnp.ones(3), num_samples=1, latent_dims=(3, 2, 4), transform_dim=6)
