"""Multivariate measures against dit 2.3 and hoi 0.0.7, which define and compute them on their own."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import information

pytestmark = pytest.mark.outside

OURS = {
    "entropy": information.entropy,
    "total_correlation": information.total_correlation,
    "dual_total_correlation": information.dual_total_correlation,
    "o_information": information.o_information,
    "interaction_information": information.interaction_information,
}


@pytest.fixture
def dit():
    return pytest.importorskip("dit", reason="needs dit: install the bench extra")


@pytest.fixture
def hoi():
    return pytest.importorskip("hoi", reason="needs hoi: install the bench extra")


def _table(distribution) -> np.ndarray:
    """The distribution as an array with one axis a variable."""
    alphabets = distribution.alphabet
    table = np.zeros([len(alphabet) for alphabet in alphabets])
    for outcome, mass in zip(distribution.outcomes, distribution.pmf, strict=True):
        table[tuple(alphabet.index(x) for alphabet, x in zip(alphabets, outcome, strict=True))] = mass
    return table


@pytest.mark.parametrize("family", ["bivariates", "trivariates"])
def test_named_distributions_of_dit(float64, dit, family):
    from dit.pid import distributions

    named = getattr(distributions, family)
    assert len(named) >= 13
    for name, distribution in named.items():
        table = jnp.asarray(_table(distribution))
        for measure, ours in OURS.items():
            theirs = getattr(dit.multivariate, measure)(distribution)
            np.testing.assert_allclose(ours(table), theirs, atol=1e-9, err_msg=f"{measure} of {name}")
        co_information = (-1) ** table.ndim * information.interaction_information(table)
        np.testing.assert_allclose(co_information, dit.multivariate.coinformation(distribution), atol=1e-9)


def test_random_distributions_of_dit(float64, dit):
    for seed in range(5):
        table = np.random.default_rng(seed).dirichlet(np.ones(16)).reshape(2, 2, 2, 2)
        distribution = dit.Distribution.from_ndarray(table)
        for measure, ours in OURS.items():
            theirs = getattr(dit.multivariate, measure)(distribution)
            np.testing.assert_allclose(ours(table), theirs, atol=1e-9, err_msg=measure)
        conditional = dit.shannon.conditional_entropy(distribution, [3], [0, 1, 2])
        np.testing.assert_allclose(information.conditional_entropy(table, given=(0, 1, 2)), conditional, atol=1e-12)
        mutual = dit.shannon.mutual_information(distribution, [0, 1, 2], [3])
        np.testing.assert_allclose(information.joint_mutual_information(table), mutual, atol=1e-12)


def test_relative_entropy_of_dit(float64, dit):
    p, q = np.array([[0.1, 0.4], [0.3, 0.2]]), np.array([[0.25, 0.25], [0.4, 0.1]])
    theirs = dit.divergences.kullback_leibler_divergence(*map(dit.Distribution.from_ndarray, (p, q)))
    np.testing.assert_allclose(information.kl_divergence(p, q), theirs, atol=1e-12)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("TC", information.total_correlation),
        ("DTC", information.dual_total_correlation),
        ("Oinfo", information.o_information),
        ("InfoTopo", lambda p: (-1) ** p.ndim * information.interaction_information(p)),
    ],
    ids=["TC", "DTC", "Oinfo", "InfoTopo"],
)
def test_samples_counted_by_hoi(hoi, theirs, ours):
    """hoi counts the same samples (its estimator `binning`); its `InfoTopo` is the co-information."""
    from hoi import metrics

    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (500, 4))
    x[:, 2] = (x[:, 0] + x[:, 1] + (rng.uniform(size=500) < 0.2)) % 3
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        metric = getattr(metrics, theirs)(x, verbose=False)
        values = np.asarray(metric.fit(minsize=3, maxsize=3, method="binning")).ravel()
    for value, triple in zip(values, itertools.combinations(range(4), 3), strict=True):
        table = information.joint_table(*(x[:, i] for i in triple), sizes=(3, 3, 3))
        np.testing.assert_allclose(ours(table), value, atol=2e-5)
