"""Experiments, benchmarks: timing two programs that do the same work, side by side in one process."""

import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax

LEAST_SECONDS = 0.02
"""How long a program runs in a repetition at least."""


class Comparison(NamedTuple):
    """What one comparison measured; a ratio is the peer's time over ours, so above 1 we are faster."""

    work: str
    """What is computed, for example `broja`."""
    size: str
    """The size of one problem, for example `10x10x5`."""
    batch: int
    """Problems that our program solves in one call."""
    peer: str
    """The other program, with what matters of its settings."""
    our_seconds: float
    """Best time of a repetition, per problem."""
    their_seconds: float
    """Best time of a repetition, per problem."""
    ratio_median: float
    """Median over the repetitions of their time over ours, per problem."""
    ratio_min: float
    """The smallest of these ratios."""
    ratio_max: float
    """The largest of these ratios."""
    note: str = ""
    """What a reader must know to read the row rightly, for example the errors both stopped at."""


def compare(
    work: str,
    size: str,
    batch: int,
    peer: str,
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    *,
    repetitions: int,
    theirs_batch: int | None = None,
    note: str = "",
) -> Comparison:
    """Time two programs on the same work: warm up both, then alternate them.

    Alternating lets a slow spell of the machine fall on both; each repetition gives one ratio. A short program runs
    many times in a repetition, for at least `LEAST_SECONDS`. Results are waited for when they are JAX arrays; inputs
    belong in the closures, so that transfers are not measured.

    Args:
      work: what is computed.
      size: the size of one problem.
      batch: problems that `ours` solves in one call.
      peer: the other program's name.
      ours: runs mmjax once.
      theirs: runs the peer once.
      repetitions: timed runs of each, at least 1.
      theirs_batch: problems that `theirs` solves in one call; `batch` by default. A slow peer may be
        given a sample of the problems: times are per problem.
      note: carried into the row.

    Returns:
      the times per problem and the ratios.

    Raises:
      ValueError: if `repetitions`, `batch` or `theirs_batch` is below 1.
    """
    theirs_batch = batch if theirs_batch is None else theirs_batch
    if min(repetitions, batch, theirs_batch) < 1:
        raise ValueError(
            f"repetitions, batch and theirs_batch must be at least 1; got {repetitions}, {batch} and {theirs_batch}"
        )
    our_calls, their_calls = _calls(ours), _calls(theirs)
    pairs = [
        (_seconds(ours, our_calls) / batch, _seconds(theirs, their_calls) / theirs_batch) for _ in range(repetitions)
    ]
    ratios = [their_seconds / our_seconds for our_seconds, their_seconds in pairs]
    return Comparison(
        work=work,
        size=size,
        batch=batch,
        peer=peer,
        our_seconds=min(our_seconds for our_seconds, _ in pairs),
        their_seconds=min(their_seconds for _, their_seconds in pairs),
        ratio_median=statistics.median(ratios),
        ratio_min=min(ratios),
        ratio_max=max(ratios),
        note=note,
    )


def skip_missing(work: str, measures: Iterable[Iterator[Comparison]]) -> Iterator[Comparison]:
    """Chain generators of comparisons; where one imports a peer that is not installed, yield a row saying so.

    Args:
      work: what is computed, for that row.
      measures: generators, each of which imports its peer when it starts.

    Yields:
      their comparisons; one with NaN for all times in place of what a missing peer would have given.
    """
    for measure in measures:
        try:
            yield from measure
        except ModuleNotFoundError as error:
            peer = (error.name or "").partition(".")[0]
            if peer in ("mmjax", "experiments"):
                raise
            nan = float("nan")
            yield Comparison(work, "", 0, peer, nan, nan, nan, nan, nan, "left out: not installed")


def _calls(program: Callable[[], Any]) -> int:
    """Warm a program up, and return how often it is to run in a repetition."""
    _seconds(program, 1)
    return math.ceil(LEAST_SECONDS / _seconds(program, 1))


def _seconds(program: Callable[[], Any], calls: int) -> float:
    """Return the mean time of a call."""
    start = time.perf_counter()
    for _ in range(calls):
        jax.block_until_ready(program())
    return (time.perf_counter() - start) / calls
