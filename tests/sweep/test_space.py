import numpy as np
import pytest
from scipy import stats

from mmjax.sweep import Space, grid, random, zipped


def test_a_grid_has_all_combinations_and_the_last_field_changes_fastest():
    points = grid(head=("late", "film"), width=(16, 64))
    assert points == {"head": ["late", "late", "film", "film"], "width": [16, 64, 16, 64]}


def test_zipped_values_go_together():
    assert zipped(a=[1, 2], b=(3, 4)) == {"a": [1, 2], "b": [3, 4]}
    with pytest.raises(ValueError, match=r"one number of values.*'a': 2, 'b': 1"):
        zipped(a=[1, 2], b=[3])
    with pytest.raises(ValueError, match="needs a list of values; got the string 'late'"):
        grid(head="late")


def test_random_points_are_reproducible_and_grow():
    few, many = (random(0, n, rate=stats.loguniform(1e-4, 1e-1), decay=stats.uniform(0, 1)) for n in (3, 100))
    assert few["rate"] == many["rate"][:3]
    assert few["rate"] != random(1, 3, rate=stats.loguniform(1e-4, 1e-1))["rate"]
    rates = np.log10(many["rate"])
    assert rates.min() >= -4 and rates.max() <= -1 and np.median(rates) == pytest.approx(-2.5, abs=0.4)
    assert not np.allclose(many["rate"], many["decay"])


def test_trials_are_traced_points_each_with_all_seeds():
    space = Space(static=grid(head=("a", "b", "c")), traced=zipped(rate=[0.1, 0.2], decay=[1, 2]), num_seeds=3)
    trials = space.trials()
    np.testing.assert_array_equal(trials["rate"], [0.1, 0.1, 0.1, 0.2, 0.2, 0.2])
    np.testing.assert_array_equal(trials["decay"], [1.0, 1, 1, 2, 2, 2])
    np.testing.assert_array_equal(trials["seed"], [0, 1, 2, 0, 1, 2])
    assert space.configurations() == [{"head": "a"}, {"head": "b"}, {"head": "c"}]
    assert space.num_trials == 18


def test_the_empty_space_is_one_trial():
    assert Space().num_trials == 1
    assert Space().configurations() == [{}]
    np.testing.assert_array_equal(Space(num_seeds=2).trials()["seed"], [0, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_seeds": 0}, "num_seeds must be at least 1, .*; got 0"),
        ({"num_seeds": 2.0}, "must be integers; got 2.0"),
        ({"seed": 2**40}, "below 2.31; got 1 and 1099511627776"),
        ({"static": {"a": [1]}, "traced": {"a": [1.0]}}, "got twice: a"),
        ({"traced": {"seed": [1.0]}}, "'seed' is taken"),
        ({"static": {"seed": [1]}}, "'seed' is taken"),
        ({"static": {"a": []}}, "at least 1; got {'a': 0}"),
        ({"static": {"a": [1, 1]}}, r"static points must differ; got \(1,\) more than once"),
        ({"static": {"a": [16, 16.0]}}, "static points must differ"),
        ({"traced": {"a": [0.1, 0.1]}}, "traced points must differ"),
        ({"static": {"a": [object()]}}, "holds a object"),
        ({"static": {"a": [np.float32(1)]}}, "holds a float32"),
        ({"traced": {"a": ["fast"]}}, "must hold finite numbers"),
        ({"traced": {"a": [float("nan")]}}, "must hold finite numbers"),
    ],
)
def test_what_is_no_space_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Space(**options)
