"""Nearest-neighbour and Gaussian-copula estimates against other packages on the same samples."""

import itertools

import jax
import numpy as np
import pytest

from mmjax import estimators

pytestmark = pytest.mark.outside


def samples(seed: int, num: int, dim: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.sinh(rng.normal(size=(num, dim)) @ rng.normal(size=(dim, dim)))


@pytest.mark.parametrize("k", [1, 4])
def test_ksg_of_infomeasure_in_five_dimensions(float64, k):
    infomeasure = pytest.importorskip(
        "infomeasure",
        reason="infomeasure puts a package named tests beside ours: install it in an environment of its own",
    )
    x, noise = np.random.default_rng(k).normal(size=(2, 800, 5))
    y = x + noise
    theirs = infomeasure.mutual_information(x, y, approach="ksg", k=k, ksg_id=1, noise_level=0, base="e")
    np.testing.assert_allclose(estimators.ksg(x, y, num_neighbours=k), theirs, rtol=0, atol=1e-6)


def test_multivariate_informations_of_hoi(float64):
    metrics = pytest.importorskip("hoi.metrics")
    x = samples(0, 200, 5)
    covariance = np.asarray(estimators.sample_covariance(estimators.normal_scores(x)))
    peers = {
        metrics.TC: estimators.gaussian_total_correlation,
        metrics.DTC: estimators.gaussian_dual_total_correlation,
        metrics.Oinfo: estimators.gaussian_o_information,
    }
    for metric, ours in peers.items():
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            theirs = np.ravel(metric(x, verbose=False).fit(minsize=3, maxsize=3, method="gc", biascorrect=False))
        triples = list(itertools.combinations(range(5), 3))
        assert len(theirs) == len(triples)
        bits = [ours(covariance[np.ix_(triple, triple)]) / np.log(2) for triple in triples]
        np.testing.assert_allclose(bits, theirs, rtol=0, atol=1e-5)


def test_corrected_copula_information_of_hoi(float64):
    entropies = pytest.importorskip("hoi.core.entropies")
    x = samples(1, 60, 5)
    theirs = [entropies.entropy_gc(x[:, block].T) for block in (slice(2), slice(2, 5), slice(5))]
    ours = estimators.gaussian_copula_information(x[:, :2], x[:, 2:]) / np.log(2)
    np.testing.assert_allclose(ours, theirs[0] + theirs[1] - theirs[2], rtol=0, atol=1e-5)
