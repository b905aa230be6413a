import itertools
import math
import time

import jax.numpy as jnp
import pytest

from experiments.benchmarks.timing import Comparison, compare, skip_missing


def test_programs_are_warmed_up_then_alternated():
    calls = []
    comparison = compare(
        "work",
        "2x2",
        4,
        "peer",
        lambda: calls.append("ours"),
        lambda: calls.append("theirs"),
        repetitions=3,
        note="why",
    )
    assert [name for name, _ in itertools.groupby(calls)] == ["ours", "theirs"] * 4
    assert comparison[:4] == ("work", "2x2", 4, "peer")
    assert comparison.note == "why"
    assert 0 < comparison.ratio_min <= comparison.ratio_median <= comparison.ratio_max


def test_times_are_a_problem_and_wait_for_arrays(monkeypatch):
    clock = iter([0, 1, 0, 1, 0, 1, 0, 1, 0, 8, 0, 3, 0, 4, 0, 6])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    waited = []
    monkeypatch.setattr("jax.block_until_ready", waited.append)
    result = jnp.ones(2)
    comparison = compare("w", "s", 4, "p", lambda: result, lambda: 1, repetitions=2, theirs_batch=2)
    assert (comparison.our_seconds, comparison.their_seconds) == (1.0, 1.5)
    assert (comparison.ratio_min, comparison.ratio_median, comparison.ratio_max) == (0.75, 1.875, 3.0)
    assert waited == [result, result, 1, 1, result, 1, result, 1]


def test_a_short_program_runs_many_times_in_a_repetition(monkeypatch):
    clock = iter([0, 1, 0, 0.005, 0, 1, 0, 1, 0, 8, 0, 3])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    calls = []
    comparison = compare("w", "s", 1, "p", lambda: calls.append(1), lambda: 1, repetitions=1)
    assert len(calls) == 2 + 4
    assert comparison.our_seconds == 2.0


@pytest.mark.parametrize("wrong", [{"repetitions": 0}, {"repetitions": 1, "theirs_batch": 0}])
def test_what_measures_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        compare("w", "s", 1, "p", lambda: 1, lambda: 1, **wrong)


def row(peer):
    return Comparison("w", "s", 1, peer, 1.0, 1.0, 1.0, 1.0, 1.0)


def test_a_missing_peer_is_named_and_the_others_are_measured():
    def missing():
        yield row("first")
        import a_peer_that_is_not_there.inner  # noqa: F401

    first, gap, last = skip_missing("w", [missing(), iter([row("last")])])
    assert (first.peer, last.peer) == ("first", "last")
    assert gap.peer == "a_peer_that_is_not_there"
    assert "left out" in gap.note
    assert math.isnan(gap.ratio_median)


def test_a_missing_module_of_our_own_is_an_error():
    def broken():
        yield row("first")
        import mmjax.telepathy  # noqa: F401

    with pytest.raises(ModuleNotFoundError, match="telepathy"):
        list(skip_missing("w", [broken()]))
