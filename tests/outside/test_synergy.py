"""The largest entropy under three pairwise marginals against dit's optimiser on dit's named distributions."""

import jax
import numpy as np
import pytest

from mmjax import information, synergy

pytestmark = pytest.mark.outside

PAIRS = [[0, 1], [0, 2], [1, 2]]


@pytest.fixture(scope="module")
def dit():
    return pytest.importorskip("dit", reason="needs dit: install the bench extra")


def _largest_entropy(table: np.ndarray) -> float:
    with jax.enable_x64(True):
        p12, p1y, p2y = information.pairwise_marginals(table)
        known = information.entropy(p12) + information.entropy(p1y.sum(0))
        return float(known - synergy.bounds(p12, p1y, p2y).information_lower)


def _named(dit) -> dict[str, np.ndarray]:
    """Distributions of three variables, padded to one shape so that one program does for all."""
    tables = {}
    for name, distribution in dit.pid.distributions.bivariates.items():
        alphabets = distribution.alphabet
        table = np.zeros((4, 4, 4))
        for outcome, mass in zip(distribution.outcomes, distribution.pmf, strict=True):
            table[tuple(alphabet.index(x) for alphabet, x in zip(alphabets, outcome, strict=True))] = mass
        tables[name] = table
    return tables


def test_largest_entropy_of_dit(dit):
    rng = np.random.default_rng(0)
    cases = _named(dit)
    for k in range(5):
        cases[f"random {k}"] = np.pad(rng.dirichlet(np.ones(12)).reshape(2, 3, 2), ((0, 2), (0, 1), (0, 2)))
    compared = 0
    for name, table in cases.items():
        theirs = dit.algorithms.maxent_dist(dit.Distribution.from_ndarray(table), PAIRS)
        if _misses_marginals(theirs, dit.Distribution.from_ndarray(table)):
            continue
        compared += 1
        np.testing.assert_allclose(_largest_entropy(table), dit.shannon.entropy(theirs), atol=1e-6, err_msg=name)
    assert compared >= len(cases) - 2


def _misses_marginals(found, given) -> bool:
    """Whether dit's optimiser left its constraints: on `rand` and `jeff` it does, and reports .0024 bit too much."""
    masses = [{outcome: p for outcome, p in zip(d.outcomes, d.pmf, strict=True)} for d in (found, given)]
    for axes in PAIRS:
        sums: dict[tuple[int, ...], float] = {}
        for sign, mass in zip((1, -1), masses, strict=True):
            for outcome, p in mass.items():
                pair = tuple(outcome[axis] for axis in axes)
                sums[pair] = sums.get(pair, 0.0) + sign * p
        if max(map(abs, sums.values())) > 1e-6:
            return True
    return False
