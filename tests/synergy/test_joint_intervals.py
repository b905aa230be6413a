import numpy as np
import pytest
from scipy.stats import binomtest

from mmjax import synergy


def test_each_interval_is_that_of_clopper_and_pearson():
    counts = np.array([[[0, 3], [5, 0]], [[1, 1], [0, 10]]])
    low, high = synergy.joint_intervals(counts, level=0.9)
    for place, count in np.ndenumerate(counts):
        found = binomtest(int(count), 20).proportion_ci(1 - 0.1 / 8, method="exact")
        np.testing.assert_allclose([low[place], high[place]], [found.low, found.high], atol=1e-12)


def test_all_entries_are_held_at_once():
    generator = np.random.default_rng(0)
    p = generator.dirichlet(np.full(12, 0.5)).reshape(2, 3, 2)
    held = 0
    for _ in range(400):
        low, high = synergy.joint_intervals(generator.multinomial(50, p.ravel()).reshape(p.shape))
        held += np.all((low <= p) & (p <= high))
    assert held >= 0.95 * 400


def test_nothing_labelled_says_nothing_and_one_cell_all():
    for end, value in zip(synergy.joint_intervals(np.zeros((2, 2, 2))), (0, 1), strict=True):
        np.testing.assert_array_equal(end, np.full((2, 2, 2), value))
    low, high = synergy.joint_intervals(np.full((1, 1, 1), 7))
    assert 0 < low.item() < 1 == high.item()


def test_what_are_no_counts_is_refused():
    bad = [np.full((1, 1, 2), value) for value in (-1, 0.5, np.nan, np.inf)]
    for counts in (*bad, np.ones((2, 2)), np.ones((0, 2, 2))):
        with pytest.raises(ValueError, match="counts must be integers"):
            synergy.joint_intervals(counts)
    with pytest.raises(ValueError, match="level must be between 0 and 1; got 1"):
        synergy.joint_intervals(np.ones((1, 1, 2)), level=1)
