"""Experiments, common and individual: what can be read off variates, linearly and by random cosines."""

import numpy as np
from jax import Array
from numpy.typing import NDArray
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from experiments.common_individual.cases import Case
from experiments.common_individual.systems import Fitted

NUM_COSINES = 400
PENALTY = 1e-3
"""Of ridge regressions, a sample."""
Samples = tuple[NDArray[np.generic], NDArray[np.generic]]
"""Of train and of test."""


def readings(case: Case, fitted: Fitted) -> dict[str, list[float]]:
    """Say how well common and individual factors (z, u) are predicted from common and individual variates (C, I).

    Returns:
      names such as "I to z" and "I to z, cosines" to a number a view: the share of the variance explained in test
      samples, or, where z is a class, accuracy.
    """
    parts = zip(fitted.variates(case.train), fitted.variates(case.test), strict=True)
    (common, common_test), (individual, individual_test) = parts
    found: dict[str, list[float]] = {}
    for name, train, test in (("C", common, common_test), ("I", individual, individual_test)):
        for k, pair in enumerate(zip(train, test, strict=True)):
            x = _host(*pair)
            for factor, target in _targets(case, k).items():
                found.setdefault(f"{name} to {factor}", []).append(score(x, target))
                if np.issubdtype(target[0].dtype, np.floating):
                    found.setdefault(f"{name} to {factor}, cosines", []).append(score(x, target, cosines=True))
    return found


def score(x: Samples, target: Samples, *, cosines: bool = False) -> float:
    """Predict numbers by ridge regression (share of variance explained) or classes by a logistic one (accuracy)."""
    classes = np.issubdtype(target[0].dtype, np.integer)
    head = LogisticRegression(C=1.0, max_iter=2000) if classes else Ridge(alpha=PENALTY * len(x[0]))
    both = FeatureUnion(
        [
            ("plain", FunctionTransformer()),
            ("cosines", RBFSampler(gamma=0.5 / x[0].shape[1], n_components=NUM_COSINES, random_state=0)),
        ]
    )
    steps = [StandardScaler(), both, StandardScaler(), head] if cosines else [StandardScaler(), head]
    return float(make_pipeline(*steps).fit(x[0], target[0]).score(x[1], target[1]))


def _targets(case: Case, view: int) -> dict[str, Samples]:
    targets = {} if case.common is None else {"z": case.common}
    if case.individual is not None:
        targets["u"] = case.individual[0][view], case.individual[1][view]
    return targets


def _host(train: Array, test: Array) -> Samples:
    return np.asarray(train), np.asarray(test)
