"""A pytest plugin for cca-zoo's own tests: estimators whose directions mmjax finds, in the place of its closed forms.

What is not a fit (checks of arguments, transform, predict, importances, names of columns) stays cca-zoo's. A test's
property "fits" says how often it used ours.
"""

import sys

import cca_zoo.linear
import jax
import numpy as np
import pytest

from mmjax.correlation import cca_of, gcca_of, mcca, moments

jax.config.update("jax_enable_x64", True)
fits = 0


class Fitted:
    """An estimator of cca-zoo with another fit."""

    def fit(self, views, y=None, sample_weight=None):
        global fits
        fits += 1
        # Theirs checks the arguments, and returns rows whose plain moments are the weighted ones of the views.
        rows = self._setup_fit(views, sample_weight)
        views = [np.asarray(view, row.dtype) for view, row in zip(views, rows, strict=True)]
        weight = None if sample_weight is None else np.asarray(sample_weight, rows[0].dtype)
        self.weights_ = [np.array(w) for w in self.directions(views, weight, rows)]
        self._fit_maps_and_importances(rows)
        return self


class TwoViews(Fitted):
    def directions(self, views, weight, rows):
        if len(views) != 2:
            raise ValueError(f"{type(self).__name__} requires exactly 2 views, got {len(views)}")
        return cca_of(moments(views, weight=weight), self.n_components, shrinkage=self.shrinkage).weights


class CCA(TwoViews, cca_zoo.linear.CCA):
    pass


class RidgeCCA(TwoViews, cca_zoo.linear.RidgeCCA):
    pass


class PLS(TwoViews, cca_zoo.linear.PLS):
    pass


class GCCA(Fitted, cca_zoo.linear.GCCA):
    def directions(self, views, weight, rows):
        return gcca_of(moments(views, weight=weight), self.n_components, shrinkage=self.shrinkage).weights


class MCCA(Fitted, cca_zoo.linear.MCCA):
    def directions(self, views, weight, rows):
        return mcca(rows, self.n_components, shrinkage=self.shrinkage).weights


ESTIMATORS = [CCA, RidgeCCA, PLS, GCCA, MCCA]
for estimator in ESTIMATORS:
    setattr(cca_zoo.linear, estimator.__name__, estimator)


def pytest_collection(session):
    """Tests of all models are of these only."""
    sys.modules["tests._helpers"].MODEL_CLASSES[:] = ESTIMATORS


def pytest_runtest_setup(item):
    global fits
    fits = 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    finally:
        item.user_properties.append(("fits", fits))
