import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import parity_accuracy, parity_data, parity_information

NUM_SAMPLES = 20_000


def entropy_bits(p):
    p = np.clip(p, 1e-300, 1 - 1e-16)
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


def grid_information(snr):
    """I(X1, X2; Y) in bits by a sum over a grid of both observations, from the densities of the four clusters."""
    x = np.linspace(-14, 14, 1601)
    step = x[1] - x[0]
    up, down = ([np.exp(-((x - sign * s) ** 2) / 2) / np.sqrt(2 * np.pi) for s in snr] for sign in (1, -1))
    even = np.outer(up[0], up[1]) + np.outer(down[0], down[1])
    odd = np.outer(up[0], down[1]) + np.outer(down[0], up[1])
    total = even + odd
    posterior = np.divide(odd, total, out=np.full_like(odd, 0.5), where=total > 1e-200)
    return 1 - np.sum(total / 4 * entropy_bits(posterior)) * step**2


@pytest.mark.parametrize("snr", [(0.5, 0.5), (1.0, 2.0), (3.0, 3.0), (5.0, 1.5), (0.0, 2.0)])
def test_information_agrees_with_a_sum_over_the_plane(snr):
    assert parity_information(jnp.array(snr)) == pytest.approx(grid_information(snr), abs=3e-6)


def test_information_in_double_precision(float64):
    for snr in [(1.0, 2.0), (4.0, 4.0)]:
        assert parity_information(jnp.array(snr)) == pytest.approx(grid_information(snr), abs=1e-6)


def test_information_of_three_modalities_and_units():
    pair, triple = (float(parity_information(jnp.array(snr))) for snr in ([1.0, 2.0], [1.0, 2.0, 9.0]))
    assert triple == pytest.approx(pair, abs=3e-6)  # a modality without error changes nothing
    assert parity_information(jnp.array([1.0, 2.0, 1.0])) < pair
    assert parity_information(jnp.array([1.0, 2.0]), base=np.e) == pytest.approx(pair * np.log(2), rel=1e-5)
    assert parity_information(jnp.array([9.0, 9.0])) == pytest.approx(1, abs=3e-6)


def test_signs_reach_the_best_accuracy():
    snr = jnp.array([1.0, 0.8, 2.0])
    batch = parity_data(jax.random.key(0), snr, num_samples=NUM_SAMPLES)
    signs = np.stack([batch.modalities[m][:, 0] > 0 for m in ("x1", "x2", "x3")])
    share = float(np.mean(signs.sum(0) % 2 == batch.label))
    assert parity_accuracy(snr) == pytest.approx(share, abs=0.012)
    # (1 + (2 Phi(1) - 1)^2) / 2
    assert parity_accuracy(jnp.array([1.0, 1.0])) == pytest.approx((1 + 0.682689**2) / 2, abs=1e-5)
    assert parity_accuracy(jnp.array([0.0, 5.0])) == pytest.approx(0.5)


def test_all_modalities_but_one_say_nothing():
    batch = parity_data(jax.random.key(1), jnp.array([3.0, 3.0, 3.0]), num_samples=NUM_SAMPLES)
    signs = np.stack([batch.modalities[m][:, 0] > 0 for m in ("x1", "x2", "x3")])
    for kept in ([0], [1], [2], [0, 1], [0, 2], [1, 2]):
        assert np.mean(signs[kept].sum(0) % 2 == batch.label) == pytest.approx(0.5, abs=0.015)


def test_distractors_are_noise():
    batch = parity_data(jax.random.key(2), jnp.array([4.0, 4.0]), num_samples=NUM_SAMPLES, num_distractors=2)
    x = np.asarray(batch.modalities["x1"])
    assert x.shape == (NUM_SAMPLES, 3)
    np.testing.assert_allclose(np.cov(x, rowvar=False), np.diag([17.0, 1, 1]), atol=0.15)


def test_sampling_maps_over_keys_and_ratios():
    keys, snr = jax.random.split(jax.random.key(0), 2), jnp.array([[1.0, 2.0], [0.0, 3.0]])

    def draw(key, snr):
        return parity_data(key, snr, num_samples=1, num_distractors=1)

    many, one = jax.jit(jax.vmap(draw))(keys, snr), draw(keys[1], snr[1])
    np.testing.assert_array_equal(many.label[1], one.label)
    np.testing.assert_allclose(many.modalities["x2"][1], one.modalities["x2"], rtol=1e-5)
    assert many.label.dtype == jnp.int32
