"""Room sweep: a live view of a sweep, read from the results that appear, wherever the trials run."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmjax.sweep._store import PARTS


class Progress(NamedTuple):
    """How far a sweep is."""

    num_done: int
    """Trials with results, those of earlier starts among them."""
    num_trials: int
    """Trials of the whole sweep."""
    rate: float
    """Trials a second since this start."""
    best: float
    """The lowest value so far of the result that is watched; NaN where there is none."""

    @property
    def seconds_left(self) -> float:
        """Seconds until all is done at this rate; NaN before the first trial of this start."""
        return (self.num_trials - self.num_done) / self.rate if self.rate else np.nan


class LiveView:
    """Tells of trials whose results have appeared since it was last called."""

    def __init__(
        self,
        folder: str | Path,
        num_trials: int,
        num_missing: int,
        watch: str,
        progress: Callable[[Progress], None] | None,
    ):
        """Begin to count.

        Args:
          folder: that of the sweep.
          num_trials: trials of the whole sweep.
          num_missing: those without results now.
          watch: the result whose lowest value is shown.
          progress: told at every call; None: nothing is read.
        """
        self._folder, self._watch, self._progress = Path(folder), watch, progress
        self._num_trials, self._num_before = num_trials, num_trials - num_missing
        self._num_new, self._best = 0, np.nan
        self._seen: set[Path] = set()
        self._started = time.monotonic()
        if progress:
            self._read_new()
            self._num_new = 0

    def __call__(self) -> None:
        """Read what is new and tell."""
        if self._progress:
            self._read_new()
            rate = self._num_new / max(time.monotonic() - self._started, 1e-9)
            done = min(self._num_before + self._num_new, self._num_trials)
            self._progress(Progress(done, self._num_trials, rate, self._best))

    def _read_new(self) -> None:
        import pandas as pd

        for path in set(self._folder.glob(f"*/{PARTS}")) - self._seen:
            self._seen.add(path)
            try:
                frame = pd.read_parquet(path)
            except (OSError, ValueError):  # damaged: the store says so
                continue
            self._num_new += len(frame)
            if self._watch in frame:
                self._best = float(np.fmin(self._best, frame[self._watch].min()))
