import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition._perturbations import all_pairs, derangements, noise, permutations, zeros

NUM_SAMPLES, NUM_DRAWS = 5, 4000


def donors(perturbation, key=0, num_samples=NUM_SAMPLES):
    return np.asarray(perturbation.donors(jax.random.key(key), num_samples))


def pair_shares(rows):
    """How often each sample b (row) gets donor d (column)."""
    num_samples = rows.shape[1]
    return np.stack([np.bincount(rows[:, b], minlength=num_samples) for b in range(num_samples)]) / len(rows)


@pytest.mark.parametrize("perturbation", [permutations(7), derangements(7), all_pairs(), all_pairs(include_self=False)])
@pytest.mark.parametrize("num_samples", [2, 3, NUM_SAMPLES])
def test_each_draw_is_a_permutation(perturbation, num_samples):
    rows = donors(perturbation, num_samples=num_samples)
    np.testing.assert_array_equal(np.sort(rows, axis=1), np.broadcast_to(np.arange(num_samples), rows.shape))


def test_permutations_are_uniform():
    rows = donors(permutations(NUM_DRAWS), num_samples=3)
    counts = np.unique(rows @ [100, 10, 1], return_counts=True)[1]
    np.testing.assert_allclose(counts / NUM_DRAWS, 1 / 6, atol=0.03)  # five standard errors


def test_derangements_leave_no_sample_and_favour_none():
    shares = pair_shares(donors(derangements(NUM_DRAWS)))
    np.testing.assert_array_equal(np.diag(shares), 0)
    np.testing.assert_allclose(shares[~np.eye(NUM_SAMPLES, dtype=bool)], 1 / (NUM_SAMPLES - 1), atol=0.035)


def test_all_pairs_are_each_pair_once():
    np.testing.assert_array_equal(
        pair_shares(donors(all_pairs())), np.full((NUM_SAMPLES, NUM_SAMPLES), 1 / NUM_SAMPLES)
    )
    others = donors(all_pairs(include_self=False))
    np.testing.assert_array_equal(others, [[1, 2, 3, 4, 0], [2, 3, 4, 0, 1], [3, 4, 0, 1, 2], [4, 0, 1, 2, 3]])


def test_a_batch_of_one_has_no_other_to_give():
    np.testing.assert_array_equal(donors(permutations(2), num_samples=1), [[0], [0]])
    np.testing.assert_array_equal(donors(derangements(2), num_samples=1), [[0], [0]])
    assert donors(all_pairs(include_self=False), num_samples=1).shape == (0, 1)


def test_noise_has_the_standard_deviation_of_the_samples_that_count():
    x = jnp.array([[0.0, 5.0], [2.0, 5.0], [100.0, 5.0]])
    weight = jnp.array([1.0, 1.0, 0.0])
    moved = jax.vmap(lambda key: noise().replace(key, x, weight))(jax.random.split(jax.random.key(0), NUM_DRAWS))
    np.testing.assert_allclose(jnp.std(moved, axis=0), [[1, 0]] * 3, atol=0.06)
    np.testing.assert_allclose(jnp.mean(moved, axis=0), x, atol=0.08)


def test_noise_of_a_constant_feature_or_of_no_sample_has_finite_derivatives():
    def total(x, weight):
        return jnp.sum(noise().replace(jax.random.key(0), x, weight))

    constant = jnp.ones((3, 2))
    np.testing.assert_array_equal(jax.grad(total)(constant, jnp.ones(3)), np.ones((3, 2)))
    np.testing.assert_array_equal(jax.grad(total)(constant, jnp.zeros(3)), np.ones((3, 2)))


def test_noise_is_for_samples_of_any_rank():
    x = jax.random.normal(jax.random.key(0), (4, 3, 2))
    assert noise(inputs=True).replace(jax.random.key(1), x, jnp.ones(4)).shape == x.shape


def test_zeros_are_zeros_drawn_once():
    np.testing.assert_array_equal(zeros().replace(jax.random.key(0), jnp.ones((2, 3)), jnp.ones(2)), np.zeros((2, 3)))
    assert zeros().num_draws == 1


@pytest.mark.parametrize("make", [permutations, derangements, noise])
def test_nothing_drawn_raises(make):
    with pytest.raises(ValueError, match="num_draws is 0; expected 1 or more"):
        make(0)
