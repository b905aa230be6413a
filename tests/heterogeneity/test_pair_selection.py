"""Tests of the selection of pairs: literal ones, exhaustive search, ties, degenerate input, gradients."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.highmmt.published import symmetric
from mmjax import information, synergy
from mmjax.heterogeneity import interaction_gains, select_pairs
from tests.heterogeneity.published import CROSSMODAL


def value_of(gains, distances, chosen, temperature):
    similarity = np.exp(-np.asarray(distances) / temperature)
    return float(np.sum(np.maximum(gains, 0) * similarity[:, list(chosen)].max(axis=1)))


def test_a_literal_selection():
    """Two near pairs of gains 3 and 2.9, one far of gain 1: the second best alone adds little to the best."""
    distances = symmetric([[np.log(4 / 3)], [np.log(16), np.log(16)]])
    found = select_pairs(jnp.asarray([3.0, 2.9, 1.0]), jnp.asarray(distances), 2, temperature=1.0)
    assert found.indices.tolist() == [0, 2] and found.indices.dtype == jnp.int32
    assert found.value == pytest.approx(3 + 2.9 * 0.75 + 1)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_greedy_reaches_its_guarantee_and_often_the_best(k, float64):
    gains = jax.random.normal(jax.random.key(0), (60, 6)) + 0.5
    points = jax.random.normal(jax.random.key(1), (60, 6, 2))
    distances = jnp.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    found = jax.jit(jax.vmap(lambda g, d: select_pairs(g, d, k, temperature=0.7)))(gains, distances)
    best = [
        max(value_of(g, d, chosen, 0.7) for chosen in itertools.combinations(range(6), k))
        for g, d in zip(gains, distances, strict=True)
    ]
    again = [value_of(*args, 0.7) for args in zip(gains, distances, found.indices, strict=True)]
    np.testing.assert_allclose(found.value, again)
    ratio = np.asarray(found.value) / best
    assert np.all(ratio >= 1 - 1 / np.e) and np.all(ratio <= 1 + 1e-9)
    assert np.mean(ratio > 1 - 1e-9) > 0.8


def test_fewer_pairs_are_the_first_of_more_and_all_are_distinct():
    gains = jnp.arange(8.0)
    more = select_pairs(gains, jnp.asarray(CROSSMODAL), 8)
    fewer = select_pairs(gains, jnp.asarray(CROSSMODAL), 3)
    assert more.indices[:3].tolist() == fewer.indices.tolist() and sorted(more.indices.tolist()) == list(range(8))
    assert fewer.value <= more.value and more.value == pytest.approx(28)


def test_ties_go_to_the_lowest_index():
    assert select_pairs(jnp.ones(4), jnp.zeros((4, 4)), 3).indices.tolist() == [0, 1, 2]
    alike = jnp.asarray(symmetric([[1], [1, 1]]))
    assert select_pairs(jnp.asarray([1.0, 2.0, 2.0]), alike, 2).indices.tolist() == [1, 2]


def test_the_default_temperature_is_the_median_distance_and_takes_any_unit():
    gains, d = jnp.linspace(1.0, 2.0, 8), jnp.asarray(CROSSMODAL)
    median = float(np.median(CROSSMODAL[CROSSMODAL > 0]))
    found, given = select_pairs(gains, d, 3), select_pairs(gains, d, 3, temperature=median)
    np.testing.assert_allclose(found.value, given.value, rtol=1e-6)
    assert select_pairs(gains, 1000 * d, 3).indices.tolist() == found.indices.tolist() == given.indices.tolist()


def test_gains_below_zero_count_as_none():
    distances = jnp.asarray(symmetric([[9], [9, 9]]))
    found = select_pairs(jnp.asarray([-5.0, 1.0, -0.5]), distances, 2, temperature=1.0)
    assert found.indices.tolist() == [1, 0] and found.value == pytest.approx(1)
    none = select_pairs(-jnp.ones(3), distances, 2)
    assert none.value == 0 and none.indices.tolist() == [0, 1]


def test_one_pair_and_nan():
    one = select_pairs(jnp.asarray([2.0]), jnp.zeros((1, 1)), 1)
    assert one.indices.tolist() == [0] and one.value == 2
    assert np.isnan(select_pairs(jnp.asarray([1.0, jnp.nan]), jnp.zeros((2, 2)), 1).value)
    holed = jnp.asarray(symmetric([[1], [1, np.nan]]))
    assert np.isnan(select_pairs(jnp.ones(3), holed, 1).value)
    assert np.isnan(select_pairs(jnp.ones(3), holed, 1, temperature=1.0).value)


@pytest.mark.parametrize("k", [0, 4])
def test_numbers_of_pairs_out_of_range_are_refused(k):
    with pytest.raises(ValueError, match=rf"k must be in \[1, 3\] for 3 pairs; got {k}"):
        select_pairs(jnp.ones(3), jnp.zeros((3, 3)), k)
    with pytest.raises(AssertionError):
        select_pairs(jnp.ones(3), jnp.zeros((2, 2)), 1)


def test_derivatives_of_the_value(float64):
    gains, distances = jnp.asarray([3.0, 2.9, 1.0, -1.0]), jnp.asarray(symmetric([[0.5], [2, 2], [1, 1, 1.5]]))

    def value(gains, distances, temperature):
        return select_pairs(gains, distances, 2, temperature=temperature).value

    slopes = jax.jit(jax.grad(value, (0, 1, 2)))(gains, distances, 0.8)
    for index, x in enumerate((gains, distances, jnp.asarray(0.8))):
        direction = jax.random.normal(jax.random.key(index), x.shape)
        ends = [[gains, distances, 0.8] for _ in range(2)]
        ends[0][index], ends[1][index] = x - 1e-6 * direction, x + 1e-6 * direction
        secant = (value(*ends[1]) - value(*ends[0])) / 2e-6
        np.testing.assert_allclose(jnp.sum(slopes[index] * direction), secant, rtol=1e-6)


def test_literal_gains():
    gains = interaction_gains(jnp.asarray([1.0, 0.5, 2.0]), jnp.asarray([0.25, 1.5]), jnp.asarray([[0, 1], [2, 0]]))
    np.testing.assert_allclose(gains, [0.25, -0.5])
    assert np.isnan(interaction_gains(jnp.ones(2), jnp.ones(2), jnp.asarray([[0, 2], [-1, 1]]))).all()
    assert interaction_gains(jnp.ones(2), jnp.ones(0), jnp.zeros((0, 2), int)).shape == (0,)


def test_gains_may_be_bounds_on_synergy_from_unpaired_labels():
    # y = a and b with c a coin: the three marginals of each pair alone prove .5 bit of synergy of a and b, 0 of others.
    p = np.zeros((2, 2, 2, 2))
    for a, b, c in np.ndindex(2, 2, 2):
        p[a, b, c, a & b] = 1 / 8
    pairs = [(1, 2), (0, 2), (0, 1)]
    tables = [jnp.asarray(p.sum(axis=({0, 1, 2} - set(pair)).pop())) for pair in pairs]
    gains = jnp.stack([synergy.bounds(*information.pairwise_marginals(table)).lower for table in tables])
    np.testing.assert_allclose(gains, [0, 0, 0.5], atol=1e-3)
    assert select_pairs(gains, jnp.ones((3, 3)) - jnp.eye(3), 1).indices.tolist() == [2]
