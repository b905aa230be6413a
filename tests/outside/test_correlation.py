"""Closed forms against cca-zoo 4.0.1 on the same views: correlations and the directions of the variates."""

import numpy as np
import pytest

from mmjax.correlation import cca, consensus, gcca, mcca, trace_norm, variates
from tests.correlation.data import related_views

pytestmark = [pytest.mark.outside, pytest.mark.usefixtures("float64")]
linear = pytest.importorskip("cca_zoo.linear", reason="needs the bench extra")


def assert_alike(ours, theirs):
    """Columns of each view are the same up to sign and scale."""
    for view, other in zip(ours, theirs, strict=True):
        for a, b in zip(np.asarray(view).T, np.asarray(other).T, strict=True):
            assert abs(np.corrcoef(a, b)[0, 1]) == pytest.approx(1, abs=1e-8)


@pytest.fixture(params=range(3))
def views(request):
    return related_views(np.random.default_rng(request.param), 150, (7, 5, 4), 3)


def test_cca(views):
    x, y, _ = views
    theirs = linear.CCA(n_components=3).fit([x, y])
    fit = cca(x, y, 3)
    a, b = theirs.transform([x, y])
    between = [np.corrcoef(u, v)[0, 1] for u, v in zip(a.T, b.T, strict=True)]
    np.testing.assert_allclose(fit.correlations, between, atol=1e-8)
    assert_alike(variates(fit, [x, y]), (a, b))
    assert float(trace_norm(x, y, ridge=0.0, num_correlations=3)) == pytest.approx(sum(between), abs=1e-8)


@pytest.mark.parametrize("shrinkage", [0.1, 0.7])
def test_shrinkage(views, shrinkage):
    pair = views[:2]
    theirs = linear.RidgeCCA(n_components=3, shrinkage=shrinkage).fit(pair)
    assert_alike(variates(cca(*pair, 3, shrinkage=shrinkage), pair), theirs.transform(pair))


def test_partial_least_squares(views):
    pair = views[:2]
    theirs = linear.PLS(n_components=3).fit(pair)
    assert_alike(variates(cca(*pair, 3, shrinkage=1.0), pair), theirs.transform(pair))


def test_multiset_cca(views):
    theirs = linear.MCCA(n_components=3).fit(views)
    assert_alike(variates(mcca(views, 3), views), theirs.transform(views))


def test_generalised_cca(views):
    theirs = linear.GCCA(n_components=3).fit(views)
    fit = gcca(views, 3)
    assert_alike(variates(fit, views), theirs.transform(views))
    assert np.all(np.asarray(consensus(fit, views)).std(0) > 0.99)
