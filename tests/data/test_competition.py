import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import CompetitionTask, competition_accuracy, competition_data, competition_table
from mmjax.data._competition import SIGN_RATIO, _hide
from mmjax.data._rotation import random_rotation
from mmjax.information import marginal, mutual_information
from mmjax.pid import broja

NUM_SAMPLES = 4000
LINEAR = CompetitionTask(num_shared=1, num_unique=(1, 0), num_synergistic=1, dims=(6, 4), depths=(0, 0))


def sample(task=LINEAR, snr=(2.0, 1.0), seed=0, num_samples=NUM_SAMPLES):
    return competition_data(jax.random.key(seed), task, jnp.array(snr), num_samples=num_samples)


def linear_guesses(x, bit):
    """Guess a bit by least squares, which is the best classifier of two clusters in a rotated Gaussian."""
    x = np.asarray(x)
    weights = np.linalg.lstsq(x, 2.0 * bit - 1, rcond=None)[0]
    return x @ weights > 0


def label_bit(batch, position):
    return np.asarray(batch.label) >> position & 1


@pytest.mark.parametrize(
    ("shared", "unique", "synergistic", "parts"),
    [
        (1, (0, 0), 0, (1, 0, 0, 0)),
        (0, (1, 0), 0, (0, 1, 0, 0)),
        (0, (0, 1), 0, (0, 0, 1, 0)),
        (0, (0, 0), 1, (0, 0, 0, 1)),
    ],
)
def test_each_part_is_what_broja_finds_in_the_table(shared, unique, synergistic, parts):
    p = competition_table(CompetitionTask(shared, unique, synergistic))
    pid = broja(jnp.pad(p, [(0, 2 - size) for size in p.shape]))
    np.testing.assert_allclose([pid.redundancy, pid.unique1, pid.unique2, pid.synergy], parts, atol=1e-4)


def test_parts_add_up():
    p = competition_table(LINEAR)
    assert p.shape == (8, 4, 8)
    found = [mutual_information(marginal(p, axes)) for axes in ((0, 2), (1, 2), (0, 1))]
    np.testing.assert_allclose(found, [2, 1, 1], atol=1e-5)
    assert mutual_information(p.reshape(-1, 8)) == pytest.approx(3, abs=1e-5)


@pytest.mark.slow
def test_all_parts_at_once_are_what_broja_finds_in_the_table():
    pid = broja(competition_table(CompetitionTask(1, (2, 1), 1)))
    np.testing.assert_allclose([pid.redundancy, pid.unique1, pid.unique2, pid.synergy], [1, 2, 1, 1], atol=1e-4)


def test_table_of_three_modalities():
    task = CompetitionTask(1, (0, 2, 1), 1, dims=(4, 4, 4), depths=(0, 0, 0))
    p = competition_table(task)
    assert p.shape == (4, 16, 4, 32)
    assert task.num_classes == 32
    known = [mutual_information(marginal(p, (m, 3))) for m in range(3)]
    np.testing.assert_allclose(known, [1, 3, 2], atol=1e-5)
    assert mutual_information(p.reshape(-1, 32)) == pytest.approx(5, abs=1e-5)


def test_each_part_of_the_label_shows_where_it_should():
    batch = sample()
    right1, right2 = 0.97725, 0.84134  # Phi(2), Phi(1)
    for position, expected in enumerate([(right1, right2), (right1, 0.5), (0.5, 0.5)]):
        bit = label_bit(batch, position)
        found = [np.mean(linear_guesses(batch.modalities[name], bit) == bit) for name in ("x1", "x2")]
        np.testing.assert_allclose(found, expected, atol=0.035)


def test_classes_are_equally_frequent():
    counts = np.bincount(sample().label, minlength=8)
    np.testing.assert_allclose(counts / NUM_SAMPLES, 1 / 8, atol=0.03)


def test_the_best_accuracies_are_those_of_the_bits():
    best = competition_accuracy(LINEAR, jnp.array([2.0, 1.0]))
    np.testing.assert_allclose(best.unimodal, [0.97725**2 / 2, 0.84134 / 4], atol=1e-4)
    # Phi(sqrt 5) Phi(2) (Phi(2) Phi(1) + Phi(-2) Phi(-1))
    np.testing.assert_allclose(best.joint, 0.98733 * 0.97725 * (0.97725 * 0.84134 + 0.02275 * 0.15866), atol=1e-4)


def test_the_best_joint_accuracy_is_reached_by_counting():
    task = CompetitionTask(1, (1, 1), 1, dims=(3, 3), depths=(0, 0))
    snr = np.array([1.0, 0.7])
    rng = np.random.default_rng(0)
    bits, noise = rng.integers(0, 2, (5, 100_000)), rng.normal(size=(6, 100_000))
    shared, own1, own2, half1, half2 = bits
    seen = np.stack([shared, own1, half1, shared, own2, half2])
    observed = np.repeat(snr, 3)[:, None] * (2 * seen - 1) + noise
    hard = observed > 0
    guess = [snr[0] * observed[0] + snr[1] * observed[3] > 0, hard[1], hard[4], hard[2] ^ hard[5]]
    truth = [shared, own1, own2, half1 ^ half2]
    share = np.mean(np.all(np.stack(guess) == np.stack(truth), axis=0))
    assert competition_accuracy(task, jnp.array(snr, jnp.float32)).joint == pytest.approx(share, abs=0.006)


def test_no_signal_is_chance():
    best = competition_accuracy(LINEAR, jnp.zeros(2))
    np.testing.assert_allclose(best.unimodal, 1 / 8, atol=1e-6)
    assert best.joint == pytest.approx(1 / 8, abs=1e-6)
    bit = label_bit(batch := sample(snr=(0.0, 0.0)), 0)
    assert np.mean(linear_guesses(batch.modalities["x1"], bit) == bit) == pytest.approx(0.5, abs=0.05)


def test_depth_shows_no_coordinate_more_than_another_and_hides_the_bits_from_a_linear_model():
    tasks = [CompetitionTask(1, (0, 0), 0, dims=(16, 16), depths=(0, depth)) for depth in (0, 1, 3)]
    flat, *deep = (sample(task, (3.0, 3.0)) for task in tasks)
    bit = label_bit(flat, 0)
    assert np.mean(linear_guesses(flat.modalities["x2"], bit) == bit) > 0.99
    for batch in deep:
        np.testing.assert_array_equal(batch.label, flat.label)
        np.testing.assert_array_equal(batch.modalities["x1"], flat.modalities["x1"])
        x = np.asarray(batch.modalities["x2"])
        np.testing.assert_allclose(x.mean(0), 0, atol=0.08)
        np.testing.assert_allclose(np.cov(x.T), np.eye(16), atol=0.1)
        assert np.mean(linear_guesses(x, bit) == bit) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_hidden_bits_can_be_read_with_the_signs(depth):
    ones_key, noise_key, hide_key = jax.random.split(jax.random.key(0), 3)
    shown = jax.random.normal(ones_key, (NUM_SAMPLES, 2))
    noise = jax.random.normal(noise_key, (NUM_SAMPLES, 2 * depth + 3))
    hidden = _hide(hide_key, shown, noise, depth)
    assert hidden.shape == (NUM_SAMPLES, 2 + 2 * depth + 3)
    signs = np.sign(hidden[:, 2 : 2 + 2 * depth]).reshape(NUM_SAMPLES, 2, depth)
    np.testing.assert_array_equal(hidden[:, :2] * signs.prod(2), shown)
    np.testing.assert_array_equal(hidden[:, 2 + 2 * depth :], noise[:, 2 * depth :])


def test_the_signs_are_fair_and_seen_at_their_ratio():
    noise = jnp.zeros((NUM_SAMPLES, 2))
    hidden = _hide(jax.random.key(0), jnp.ones((NUM_SAMPLES, 1)), noise, 2)
    np.testing.assert_allclose(np.abs(hidden[:, 1:]), SIGN_RATIO / np.sqrt(1 + SIGN_RATIO**2), rtol=1e-6)
    np.testing.assert_allclose(hidden.mean(0), 0, atol=0.06)


def test_a_bit_is_seen_by_all_its_coordinates_together_and_by_no_fewer():
    bits = np.where(np.arange(NUM_SAMPLES)[:, None] >> np.arange(2) & 1, 1.0, -1.0)
    noise = jax.random.normal(jax.random.key(1), (NUM_SAMPLES, 4))
    hidden = np.sign(_hide(jax.random.key(0), jnp.asarray(bits, jnp.float32), noise, 2))
    of_first = [0, 2, 3]
    for size in (1, 2):
        for subset in itertools.combinations(of_first, size):
            assert np.mean(hidden[:, subset].prod(1) * bits[:, 0]) == pytest.approx(0, abs=0.06)
    np.testing.assert_array_equal(hidden[:, of_first].prod(1), bits[:, 0])
    # The bits have signs of their own: without them the parity of two bits is as hidden as each.
    assert np.mean(hidden[:, :2].prod(1) * bits.prod(1)) == pytest.approx(0, abs=0.06)


def test_a_rotation_keeps_distances_and_is_uniform():
    keys = jax.random.split(jax.random.key(0), 2000)
    rotations = np.asarray(jax.vmap(lambda key: random_rotation(key, dim=3))(keys))
    np.testing.assert_allclose(rotations @ rotations.transpose(0, 2, 1), np.eye(3)[None].repeat(2000, 0), atol=1e-5)
    # Entries of a uniform orthogonal 3x3 matrix are uniform in [-1, 1]: mean 0, E q^2 = 1/3, E q^4 = 1/5.
    np.testing.assert_allclose(rotations.mean(0), 0, atol=0.06)
    np.testing.assert_allclose((rotations**2).mean(0), 1 / 3, atol=0.03)
    np.testing.assert_allclose((rotations**4).mean(0), 1 / 5, atol=0.03)
    assert np.mean(np.linalg.det(rotations) > 0) == pytest.approx(0.5, abs=0.05)


def test_sampling_compiles_and_maps_over_keys_and_ratios():
    keys = jax.random.split(jax.random.key(0), 2)
    snr = jnp.array([[1.0, 2.0], [3.0, 0.5]])

    def draw(key, snr):
        return competition_data(key, LINEAR, snr, num_samples=20)

    many = jax.jit(jax.vmap(draw))(keys, snr)
    one = draw(keys[1], snr[1])
    np.testing.assert_array_equal(many.label[1], one.label)
    np.testing.assert_allclose(many.modalities["x1"][1], one.modalities["x1"], atol=1e-4)
    assert many.modalities["x2"].shape == (2, 20, 4)
    assert many.label.dtype == jnp.int32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dims": (32,)}, "one entry a modality"),
        ({"num_unique": (1,), "dims": (4,), "depths": (0,)}, "two or more"),
        ({"num_shared": -1}, "must not be negative"),
        ({"num_shared": 0, "num_unique": (0, 0)}, "nor all bits 0"),
        ({"dims": (1, 32)}, r"1 \+ depth dimensions for each bit"),
        ({"dims": (32, 5)}, r"1 \+ depth dimensions for each bit"),
    ],
)
def test_what_is_no_task_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        CompetitionTask(**options)


def test_ratios_must_be_one_a_modality():
    with pytest.raises(AssertionError):
        sample(snr=(1.0, 1.0, 1.0))
