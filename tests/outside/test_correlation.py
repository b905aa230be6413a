"""Closed forms against cca-zoo 4.0.1 on the same views: correlations and the directions of the variates."""

import numpy as np
import pytest

from mmjax.correlation import cca, consensus, gcca, mcca, trace_norm, variates
from tests.correlation.data import related_views

pytestmark = [pytest.mark.outside, pytest.mark.usefixtures("float64")]
linear = pytest.importorskip("cca_zoo.linear", reason="needs the bench extra")


def alike(ours, theirs, atol=1e-8):
    """Columns are the same up to sign and scale."""
    for a, b in zip(np.asarray(ours).T, np.asarray(theirs).T, strict=True):
        assert abs(np.corrcoef(a, b)[0, 1]) == pytest.approx(1, abs=atol)


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
    for ours, other in zip(variates(fit, [x, y]), (a, b), strict=True):
        alike(ours, other)
    assert float(trace_norm(x, y, ridge=0.0, num_correlations=3)) == pytest.approx(sum(between), abs=1e-8)


@pytest.mark.parametrize("shrinkage", [0.1, 0.7])
def test_shrinkage(views, shrinkage):
    x, y, _ = views
    theirs = linear.RidgeCCA(n_components=3, shrinkage=shrinkage).fit([x, y])
    for ours, other in zip(variates(cca(x, y, 3, shrinkage=shrinkage), [x, y]), theirs.transform([x, y]), strict=True):
        alike(ours, other)


def test_partial_least_squares(views):
    x, y, _ = views
    for ours, other in zip(
        variates(cca(x, y, 3, shrinkage=1.0), [x, y]),
        linear.PLS(n_components=3).fit([x, y]).transform([x, y]),
        strict=True,
    ):
        alike(ours, other)


def test_multiset_cca(views):
    theirs = linear.MCCA(n_components=3).fit(views)
    for ours, other in zip(variates(mcca(views, 3), views), theirs.transform(views), strict=True):
        alike(ours, other)


def test_generalised_cca(views):
    theirs = linear.GCCA(n_components=3).fit(views)
    fit = gcca(views, 3)
    for ours, other in zip(variates(fit, views), theirs.transform(views), strict=True):
        alike(ours, other)
    assert np.all(np.asarray(consensus(fit, views)).std(0) > 0.99)
