"""Closed forms against cca-zoo 4.0.1: correlations and variates of the same views, and its own tests of its estimators.

MMJAX_CCA_ZOO names the folder of the source of cca-zoo 4.0.1 with its tests, which the package leaves out.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from mmjax.correlation import cca, consensus, gcca, mcca, trace_norm, variates
from tests.correlation.data import related_views

pytestmark = [pytest.mark.outside, pytest.mark.usefixtures("float64")]
linear = pytest.importorskip("cca_zoo.linear", reason="needs the bench extra")

OWN_TESTS = {
    "tests/linear/test_eigendecomposition.py": 5,
    "tests/linear/test_sample_weight.py": 17,
    "tests/test_base.py": 6,
    "tests/test_estimator_checks.py": 130,
    "tests/test_hyperparameters.py": 3,
    "tests/test_invariances.py": 20,
    "tests/test_limits.py": 17,
    "tests/test_model_contract.py": 72,
    "tests/test_objectives.py": 3,
    "tests/test_recovery.py": 4,
}
"""How many tests of a file, at least, fit one of the five estimators and pass; not those of searches and outputs."""
EXCEPTIONS = {
    "test_the_parameter_changes_the_fit[GCCA-view_weights]": "views weigh the same in gcca",
    "test_grcca_with_mu_one_is_ridge_mcca": (
        "with shrinkage, theirs maximises covariances between views, and mcca the variance of the sum, so that the "
        "variances of the views count too; without, they are the same"
    ),
}


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


def needs(file):
    return "skops" if file.endswith("test_model_contract.py") else "pytest"


@pytest.fixture(scope="module")
def own_tests(tmp_path_factory):
    """File to names of its tests that fit an estimator, and whether they passed; with mmjax finding the directions."""
    folder = os.environ.get("MMJAX_CCA_ZOO")
    if not folder:
        pytest.skip("set MMJAX_CCA_ZOO to the source of cca-zoo 4.0.1 to run its own tests")
    results = tmp_path_factory.mktemp("cca_zoo") / "results.xml"
    files = [file for file in OWN_TESTS if importlib.util.find_spec(needs(file))]
    here = Path(__file__).parent
    paths = [str(here), str(here.parents[1]), os.environ.get("PYTHONPATH", "")]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env |= {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
    options = ["-p", "ccazoo_estimators", "-p", "no:cacheprovider", "-o", "addopts=", "-o", "junit_family=xunit1"]
    command = [sys.executable, "-m", "pytest", *options, "-q", "--tb=line", f"--junitxml={results}", *files]
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stdout[-2000:] + run.stderr[-2000:]
    outcomes = {file: {} for file in OWN_TESTS}
    for case in ElementTree.parse(results).iter("testcase"):
        fits = [int(entry.get("value")) for entry in case.iter("property") if entry.get("name") == "fits"]
        if sum(fits) and case.find("skipped") is None:
            failed = case.find("failure") is not None or case.find("error") is not None
            outcomes[case.get("file")][case.get("name")] = not failed
    return outcomes


@pytest.mark.parametrize("file", OWN_TESTS)
def test_its_own_tests_with_our_directions(own_tests, file):
    pytest.importorskip(needs(file), reason="the file needs it")
    passed = [name for name, right in own_tests[file].items() if right]
    failed = [name for name, right in own_tests[file].items() if not right]
    assert [name for name in failed if name not in EXCEPTIONS] == []
    assert [name for name in passed if name in EXCEPTIONS] == []
    assert len(passed) >= OWN_TESTS[file]
