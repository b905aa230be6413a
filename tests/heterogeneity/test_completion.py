"""Tests of completion: trees, rank one, sums, the published matrices, holes that cannot be filled."""

import functools

import jax
import numpy as np
import pytest
from scipy.sparse import csgraph

from experiments.highmmt.published import symmetric
from mmjax.heterogeneity import additive, complete, low_rank, shortest_paths
from tests.heterogeneity.published import CROSSMODAL, UNIMODAL


def random_mask(n, share, seed):
    """A share of the pairs at random."""
    i, j = np.triu_indices(n, 1)
    kept = np.random.default_rng(seed).permutation(len(i))[: round(share * len(i))]
    mask = np.eye(n, dtype=bool)
    mask[i[kept], j[kept]] = mask[j[kept], i[kept]] = True
    return mask


def connecting_masks(n, share, number):
    masks = (random_mask(n, share, seed) for seed in range(10 * number))
    return [mask for mask in masks if csgraph.connected_components(mask)[0] == 1][:number]


def random_tree(n, seed):
    """Distances between the nodes of a weighted tree, and its edges."""
    rng = np.random.default_rng(seed)
    edges = np.zeros((n, n))
    for child in range(1, n):
        parent = rng.integers(child)
        edges[child, parent] = edges[parent, child] = rng.uniform(0.1, 2)
    return csgraph.shortest_path(edges, directed=False), edges > 0


def mean_fill(d, known):
    return np.where(known, d, d[known & ~np.eye(len(d), dtype=bool)].mean())


def hidden_error(fill, d, known):
    return np.abs(fill(np.where(known, d, np.nan), known) - d)[~known].mean()


@pytest.mark.parametrize("seed", range(5))
def test_paths_are_exact_on_trees_whose_edges_are_measured(seed):
    d, edges = random_tree(12, seed)
    known = edges | random_mask(12, 0.35, seed)
    assert 0.35 <= known[np.triu_indices(12, 1)].mean() <= 0.55
    found = complete(np.where(known, d, -1), known, key=jax.random.key(0))
    np.testing.assert_allclose(found.distances, d, rtol=1e-12)
    np.testing.assert_allclose(shortest_paths(d, edges), d, rtol=1e-12)
    loose = shortest_paths(d, random_mask(12, 0.5, seed))
    assert np.nanmin(loose - d) > -1e-12 and np.nanmax(loose - d) > 0.01, "without the edges: too long, never too short"


@pytest.mark.parametrize("seed", range(5))
def test_low_rank_is_exact_on_rank_one(seed):
    factor = np.random.default_rng(seed).uniform(0.5, 2, 20)
    d, known = np.outer(factor, factor), random_mask(20, 0.6, seed)
    np.testing.assert_allclose(low_rank(np.where(known, d, np.nan), known, rank=1), d, rtol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_sums_are_exact_on_stars(seed):
    a = np.random.default_rng(seed).uniform(0, 3, 9)
    d = (a[:, None] + a[None]) * (1 - np.eye(9))
    known = random_mask(9, 0.5, seed)
    known[0], known[:, 0], known[1, 2], known[2, 1] = True, True, True, True
    np.testing.assert_allclose(additive(d, known), d, atol=1e-12)


@pytest.mark.parametrize(("d", "most"), [(UNIMODAL, 1.6), (CROSSMODAL, 0.5)])
def test_paths_fill_the_published_matrices_better_than_low_rank_and_means(d, most):
    """The median over masks of the mean error of hidden entries, 40 % of the pairs measured."""
    fills = (shortest_paths, additive, functools.partial(low_rank, rank=2, num_iterations=200), mean_fill)
    masks = connecting_masks(len(d), 0.4, 20)
    paths, sums, ranks, means = (np.median([hidden_error(fill, d, mask) for mask in masks]) for fill in fills)
    assert paths <= most and paths < sums < ranks < means


def test_literal_fills():
    d, known = symmetric([[1], [9, 2], [0, 5, 9]]), np.ones((4, 4), bool)
    known[2, [0, 3]] = known[[0, 3], 2] = False
    np.testing.assert_allclose(shortest_paths(d, known), symmetric([[1], [3, 2], [0, 5, 3]]))
    assert shortest_paths(d, known)[1, 3] == 5, "measured, though 1 + 0 is shorter"
    # From 0-1 = 1, 0-3 = 0, 1-3 = 5: a = -2, 3, 2; and 1-2 = 2: -1.
    np.testing.assert_allclose(additive(d, known), symmetric([[1], [0, 2], [0, 5, 1]]), atol=1e-12)


def test_zeros_are_distances_and_not_missing_edges():
    known = random_mask(5, 0, 0)
    known[0], known[:, 0] = True, True
    np.testing.assert_array_equal(shortest_paths(np.zeros((5, 5)), known), 0)


@pytest.mark.parametrize("fill", [shortest_paths, additive, functools.partial(low_rank, rank=2)])
@pytest.mark.parametrize("seed", range(3))
def test_measured_entries_stay_and_holes_are_filled_symmetrically(fill, seed):
    known = connecting_masks(8, 0.5, seed + 1)[seed]
    found = complete(CROSSMODAL, known, key=jax.random.key(seed), fill_fn=fill)
    np.testing.assert_array_equal(found.distances[known], CROSSMODAL[known])
    np.testing.assert_array_equal(found.distances, found.distances.T)
    assert np.all(found.distances >= 0)
    again = complete(np.where(known, CROSSMODAL, np.nan), known, key=jax.random.key(seed), fill_fn=fill)
    np.testing.assert_array_equal(found.distances, again.distances)
    assert found[1:] == again[1:] and 0 < found.num_held_out <= np.triu(known, 1).sum()


@pytest.mark.parametrize("fill", [shortest_paths, additive, functools.partial(low_rank, rank=1)])
def test_nodes_without_a_measured_pair_are_unknown(fill):
    d, known = symmetric([[1], [2, 3], [4, 4, 4]]), np.eye(4, dtype=bool)
    known[:3, :3] = True
    expected = d.copy()
    expected[3, :3] = expected[:3, 3] = np.nan
    np.testing.assert_array_equal(fill(d, known), expected)


def test_the_held_out_error_is_that_of_hidden_pairs():
    """A star hidden pair by pair: sums foretell it exactly, the mean of the others does not."""
    d = (np.arange(6.0)[:, None] + np.arange(6.0)[None]) * (1 - np.eye(6))
    known = np.ones((6, 6), bool)
    exact = complete(d, known, key=jax.random.key(0), fill_fn=additive)
    assert exact.held_out_error < 1e-12 and exact.num_held_out == 15
    loose = complete(d, known, key=jax.random.key(0), fill_fn=mean_fill, num_folds=15)
    values = d[np.triu_indices(6, 1)]
    assert loose.held_out_error == pytest.approx(np.abs(values - (values.sum() - values) / 14).mean())


def test_pairs_that_hold_a_tree_together_cannot_be_foretold():
    found = complete(symmetric([[1], [0, 2]]), np.asarray([[1, 1, 0], [1, 1, 1], [0, 1, 1]]), key=jax.random.key(0))
    assert np.isnan(found.held_out_error) and found.num_held_out == 0 and found.distances[0, 2] == 3


def test_one_node_and_no_distance():
    one = complete([[0.0]], [[True]], key=jax.random.key(0))
    assert one.distances.tolist() == [[0]] and np.isnan(one.held_out_error) and one.num_held_out == 0
    zeros = complete(np.zeros((4, 4)), np.ones((4, 4), bool), key=jax.random.key(0))
    assert zeros.held_out_error == 0 and zeros.num_held_out == 6


KNOWN = np.ones((3, 3), bool)
PARTED = np.asarray([[1, 1, 0], [1, 1, 0], [0, 0, 1]], bool)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda key: complete(np.zeros((3, 3)), PARTED, key=key), "2 parts; measure one between .* 0 and node 2"),
        (
            lambda key: complete(np.zeros((3, 3)), np.ones(3, bool), key=key),
            r"one shape; got \(3, 3\) and \(3,\)",
        ),
        (lambda key: complete(np.zeros((3, 3)), np.triu(KNOWN), key=key), "measured must be symmetric"),
        (lambda key: complete(np.ones((3, 3)), KNOWN, key=key), "0 on the diagonal"),
        (lambda key: complete(symmetric([[1], [2, np.nan]]), KNOWN, key=key), "finite; got nan"),
        (lambda key: complete(np.zeros((3, 3)), KNOWN, key=key, num_folds=1), "num_folds must be at least 2; got 1"),
        (
            lambda key: complete(np.zeros((3, 3)), PARTED | PARTED[::-1, ::-1], key=key, fill_fn=lambda d, _: d),
            "finite",
        ),
        (lambda key: low_rank(np.zeros((3, 3)), KNOWN, rank=4), r"rank must be in \[1, 3\].*got 4"),
        (lambda key: shortest_paths(-symmetric([[1]]), np.ones((2, 2))), "must not be negative"),
        (lambda key: additive(np.zeros((2, 3)), np.ones((2, 3))), r"square .*\(2, 3\)"),
    ],
)
def test_what_cannot_be_completed_is_refused_in_one_line(call, says):
    with pytest.raises(ValueError, match=says) as error:
        call(jax.random.key(0))
    assert "\n" not in str(error.value)
