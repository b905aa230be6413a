"""Tests of clustering: published matrices, a greedy reference, ties, costs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.highmmt.published import symmetric
from mmjax.heterogeneity import cluster, cost_curve, within_cluster_cost
from tests.heterogeneity.published import CROSSMODAL, UNIMODAL

LINKAGES = {"average": np.mean, "complete": np.max, "single": np.min}


def greedy(d, num_clusters, join):
    """Merge the nearest two clusters, one pair after the other."""
    clusters = [[node] for node in range(len(d))]
    while len(clusters) > num_clusters:
        pairs = [(a, b) for b in range(len(clusters)) for a in range(b)]
        a, b = min(pairs, key=lambda pair: join(d[np.ix_(clusters[pair[0]], clusters[pair[1]])]))
        clusters[a] += clusters.pop(b)
    return {tuple(sorted(nodes)) for nodes in clusters}


def random_distances(seed, n):
    return symmetric([np.random.default_rng((seed, i)).uniform(size=i) for i in range(1, n)])


def as_sets(groups):
    return {tuple(node for node, group in enumerate(groups) if group == g) for g in set(groups)}


@pytest.mark.parametrize(
    ("linkage", "groups"),
    [
        ("average", {(2, 3), (0, 4, 7, 8, 9), (1, 5, 6)}),
        ("complete", {(2, 3), (6, 9), (0, 1, 4, 5, 7, 8)}),
        ("single", {(2,), (3,), (0, 1, 4, 5, 6, 7, 8, 9)}),
    ],
)
def test_three_clusters_of_the_published_unimodal_distances(linkage, groups):
    assert as_sets(cluster(UNIMODAL, 3, linkage=linkage)) == groups


def test_three_clusters_of_the_published_crossmodal_distances():
    assert cluster(CROSSMODAL, 3) == (0, 1, 2, 2, 2, 2, 2, 2)


@pytest.mark.parametrize("linkage", LINKAGES)
@pytest.mark.parametrize("seed", range(5))
def test_equals_greedy_merging_where_nothing_ties(seed, linkage):
    d = random_distances(seed, 9)
    for k in range(1, 10):
        assert as_sets(cluster(d, k, linkage=linkage)) == greedy(d, k, LINKAGES[linkage])


@pytest.mark.parametrize("seed", range(5))
def test_clusters_follow_the_nodes_where_nothing_ties(seed):
    d, order = random_distances(seed, 8), np.random.default_rng(seed).permutation(8)
    permuted = cluster(d[np.ix_(order, order)], 3)
    assert {frozenset(order[list(nodes)].tolist()) for nodes in as_sets(permuted)} == {
        frozenset(nodes) for nodes in as_sets(cluster(d, 3))
    }


def test_ties_are_broken_along_the_chain_of_nearest_neighbours():
    """0-1 and 1-2 tie: the chain starts at 0; and equal distances everywhere merge the first two, then the rest."""
    assert cluster(symmetric([[1], [2, 1]]), 2) == (0, 0, 1)
    assert cluster(symmetric([[1], [1, 1], [1, 1, 1]]), 3) == (0, 0, 1, 2)
    assert cluster(np.zeros((4, 4)), 2, linkage="single") == (0, 0, 0, 1)


@given(st.integers(2, 8), st.integers(0, 10**6), st.sampled_from(sorted(LINKAGES)))
@settings(max_examples=60, deadline=None)
def test_tied_distances_give_nested_partitions_of_as_many_clusters_as_asked_for(n, seed, linkage):
    rng = np.random.default_rng(seed)
    d = symmetric([rng.integers(0, 3, size=i) for i in range(1, n)])
    found = [cluster(d, k, linkage=linkage) for k in range(1, n + 1)]
    assert found == [cluster(d, k, linkage=linkage) for k in range(1, n + 1)]
    assert found[-1] == tuple(range(n)) and found[0] == (0,) * n
    for k, (fewer, more) in enumerate(itertools.pairwise(found), start=1):
        firsts = [more.index(group) for group in sorted(set(more))]
        assert sorted(set(fewer)) == list(range(k)) and firsts == sorted(firsts), "numbered by first occurrence"
        assert len(set(zip(fewer, more, strict=True))) == k + 1, "each cluster lies in one of the coarser ones"
    curve = cost_curve(d, linkage=linkage)
    np.testing.assert_allclose(curve, [within_cluster_cost(d, groups) for groups in found])
    assert curve[-1] == 0 and (linkage != "average" or np.all(np.diff(curve) <= 1e-9))


def test_literal_costs():
    d = symmetric([[1], [2, 3], [9, 9, 9]])
    assert within_cluster_cost(d, (0, 0, 0, 1)) == pytest.approx(1.5 + 2 + 2.5)
    assert within_cluster_cost(d, (5, 5, 7, 7)) == 1 + 1 + 9 + 9
    assert within_cluster_cost(d, (0, 1, 2, 3)) == 0
    np.testing.assert_allclose(cost_curve(d), [4 + 13 / 3 + 14 / 3 + 9, 6, 2, 0])


def test_one_node_and_no_distance():
    assert cluster([[0.0]], 1) == (0,) and cost_curve([[0.0]]).tolist() == [0]
    assert cluster(np.zeros((3, 3)), 3) == (0, 1, 2)
    assert cost_curve(np.zeros((3, 3))).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: cluster(symmetric([[np.nan]]), 1), "finite; got nan"),
        (lambda: cluster(np.zeros((2, 3)), 1), "square matrix"),
        (lambda: cluster(np.zeros((2, 2)), 0), r"num_clusters must be in \[1, 2\].*got 0"),
        (lambda: cluster(np.zeros((2, 2)), 3), r"num_clusters must be in \[1, 2\].*got 3"),
        (lambda: cluster(np.zeros((2, 2)), 1, linkage="ward"), "linkage must be one of.*'ward'"),
        (lambda: within_cluster_cost(np.zeros((2, 2)), (0,)), "groups must be of 2 nodes.*got 1"),
        (lambda: cost_curve(-symmetric([[1]])), "must not be negative"),
    ],
)
def test_what_cannot_be_clustered_is_refused_in_one_line(call, says):
    with pytest.raises(ValueError, match=says) as error:
        call()
    assert "\n" not in str(error.value)
