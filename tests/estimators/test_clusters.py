"""Permutations within clusters: what they keep, that they are uniform, every transformation."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import chisquare

from mmjax.estimators import permute_within

CLUSTERS = [7, -1, 7, 3, -1, 7]


@functools.cache
def compiled():
    return jax.jit(jax.vmap(permute_within, in_axes=(0, None)))


def draws(clusters: list[int]) -> np.ndarray:
    return np.asarray(compiled()(jax.random.split(jax.random.key(0), 6000), jnp.array(clusters)))


def test_permutes_and_keeps_clusters():
    indices = draws(CLUSTERS)
    np.testing.assert_array_equal(np.sort(indices, axis=1), np.broadcast_to(np.arange(6), indices.shape))
    np.testing.assert_array_equal(np.array(CLUSTERS)[indices], np.broadcast_to(CLUSTERS, indices.shape))


def test_every_allowed_permutation_is_equally_likely():
    allowed = {
        (a, d, b, 3, e, c)
        for (a, b, c), (d, e) in itertools.product(itertools.permutations((0, 2, 5)), itertools.permutations((1, 4)))
    }
    found, counts = np.unique(draws(CLUSTERS), axis=0, return_counts=True)
    assert {tuple(int(i) for i in row) for row in found} == allowed
    assert chisquare(counts).pvalue > 1e-3


def test_one_cluster_gives_every_permutation():
    assert len(np.unique(draws([0] * 6), axis=0)) == 720


def test_clusters_of_one_stay():
    np.testing.assert_array_equal(draws([4, 2, 9, 5, 0, 1]), np.broadcast_to(np.arange(6), (6000, 6)))


def test_no_sample_and_one_sample():
    assert permute_within(jax.random.key(0), jnp.zeros(0, int)).shape == (0,)
    assert permute_within(jax.random.key(0), jnp.zeros(1, int)) == 0


def test_clusters_of_a_batch_are_permuted_apart():
    keys, clusters = jax.random.split(jax.random.key(1), 2), jnp.array([CLUSTERS, CLUSTERS[::-1]])
    together = jax.vmap(permute_within)(keys, clusters)
    alone = jnp.stack([permute_within(key, ids) for key, ids in zip(keys, clusters, strict=True)])
    np.testing.assert_array_equal(together, alone)
