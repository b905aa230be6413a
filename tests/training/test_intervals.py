import numpy as np
import pytest

from mmjax.training import mean_interval, paired_interval


def test_of_five_numbers():
    """Mean 3, standard error sqrt(2.5 / 5); Student's t at 97.5 % with 4 degrees of freedom is 2.77645."""
    half = 2.77645 * np.sqrt(0.5)
    np.testing.assert_allclose(mean_interval([1, 2, 3, 4, 5]), (3, 3 - half, 3 + half, 5), atol=1e-4)


def test_the_true_mean_is_inside_as_often_as_the_level_says():
    samples = np.random.default_rng(0).normal(0.3, 2.0, (4000, 6))
    inside = [low <= 0.3 <= high for _, low, high, _ in map(lambda x: mean_interval(x, level=0.8), samples)]
    assert np.mean(inside) == pytest.approx(0.8, abs=0.02)


def test_pairing_cancels_what_seeds_share():
    rng = np.random.default_rng(0)
    shared, noise = rng.normal(0, 5, 10), rng.normal(0, 0.1, 10)
    interval = paired_interval(shared + 1 + noise, shared)
    assert interval.low < 1 < interval.high
    assert interval.high - interval.low < 0.3


def test_one_value_has_no_interval_and_nan_is_seen():
    assert mean_interval([2.0])[0] == 2.0 and np.isnan(mean_interval([2.0]).low)
    assert np.all(np.isnan(mean_interval([1.0, np.nan])[:3]))


@pytest.mark.parametrize(
    "call", [lambda: mean_interval([]), lambda: mean_interval([[1.0]]), lambda: mean_interval([1], level=1)]
)
def test_what_has_no_interval_is_refused(call):
    with pytest.raises(ValueError, match="expected values"):
        call()


def test_pairs_need_partners():
    with pytest.raises(ValueError, match=r"one shape; got \(2,\) and \(3,\)"):
        paired_interval([1, 2], [1, 2, 3])
