"""Does a modality starve in joint training?

Generated data (ours): the label is one fair bit, which both modalities see. The first shows it plainly but with noise;
the best classifier of it is right 95.0 times in 100. The second shows it nearly without noise (99.98), but hidden by
three random signs: nothing is lost, but it is slow to learn. Both are trained jointly through a late linear head, and
each alone (its twin), all with the same steps, batches and L2 penalty; each system chooses learning rate and segment by
its own validation loss, seed by seed. The ensemble is the mean of the log-probabilities of the two alone.

Under a penalty of 0.01 joint training does about as well as modality 1 alone, and the label can be read off its encoder
2 at 57, 62 and 69 % with 2000, 8000 and 32000 samples; off the twin at 99 %. The ensemble is right more often than
joint training by 5.4, 4.9 and 4.7 points (preset full: means of ten seeds; the intervals are within 0.5 points).

This is not so everywhere. With a penalty of at most 0.003, or none, joint training starves modality 2 with 2000
samples only (5.2 to 6.0 points); with 8000 and 32000 it learns both, and the ensemble is ahead by at most 0.4 points.
In the control, where no signs hide the bit, joint training is as good as the ensemble: it leaves encoder 1 unlearned
instead, which costs nothing, as modality 2 alone is right 99.9 times in 100.

Takes one to two minutes on two CPU cores, --preset full ten to fifteen.
"""

import dataclasses
import functools
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from experiments.harness import Experiment, Item, Rows, Table, check_counts, check_numbers, main
from experiments.starvation.data import DIMS
from experiments.starvation.figure import draw
from experiments.starvation.measurement import Protocol, measure
from experiments.starvation.tables import accuracy_table, penalty_table, probe_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class Config:
    """What to train, and on what."""

    sizes: tuple[int, ...] = (2000, 8000)
    """Samples to train on."""
    decays: tuple[float, ...] = (0.01, 0.0)
    """L2 penalties, the same for all systems: factors of the parameters that are added to their gradients. Accuracies
    and probes are shown for the first, what the penalty does for all."""
    depth: int = 3
    """Random signs that hide the bit in the second modality."""
    control: bool = False
    """Also train without these signs, at the first penalty: no modality is slow then."""
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2)
    """Learning rates of Adam, of which each system chooses one for each seed."""
    num_seeds: int = 10
    """Repetitions, each with data of its own."""
    num_segments: int = 20
    """Evaluations of a run, of which the best is kept."""
    steps_per_segment: int = 100
    """Steps of 32 samples between evaluations."""
    width: int = 32
    """Units of the encoders' two layers."""
    seed: int = 0
    """Seed of data and runs."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        check_counts(self, num_seeds=1, num_segments=1, steps_per_segment=1, width=1, seed=0)
        if not 0 <= self.depth < DIMS[1]:
            raise ValueError(f"depth must be 0 to {DIMS[1] - 1}; got {self.depth}")
        if not self.sizes or min(self.sizes) < 64:
            raise ValueError(f"sizes must be one or more, at least 64 each; got {self.sizes}")
        check_numbers("decays", self.decays, positive=False)
        check_numbers("rates", self.rates)


PRESETS = {
    "quick": Config(),
    "full": Config(
        sizes=(2000, 8000, 32000),
        decays=(0.01, 0.0, 0.001, 0.003, 0.007, 0.02),
        rates=(3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        control=True,
    ),
}


def items(config: Config) -> Mapping[str, Item]:
    """Return what to train, those of a size together, as they share their programs."""
    protocol = Protocol(
        config.rates, config.num_seeds, config.num_segments, config.steps_per_segment, config.width, config.seed
    )
    settings = [(decay, config.depth) for decay in config.decays] + [(config.decays[0], 0)] * config.control
    return {
        f"size={size},decay={decay:g},depth={depth}": functools.partial(measure, protocol, size, decay, depth)
        for size in config.sizes
        for decay, depth in settings
    }


def tables(config: Config, rows: Rows) -> Sequence[Table]:
    """Return accuracies and probes at the first penalty, those of the control last, and what the others change."""
    first = [row for row in rows if row["decay"] == config.decays[0]]
    first.sort(key=lambda row: row["depth"], reverse=True)
    made = [accuracy_table(first), probe_table(first)]
    return made if len(config.decays) == 1 else [*made, penalty_table(_hidden(config, rows))]


def figure(config: Config, rows: Rows) -> "Figure":
    """Draw what joint training loses, and where."""
    hidden = _hidden(config, rows)
    return draw([row for row in hidden if row["decay"] == config.decays[0]], hidden)


def _hidden(config: Config, rows: Rows) -> Rows:
    """Leave out the control, and sort by size."""
    return sorted((row for row in rows if row["depth"] == config.depth), key=lambda row: row["size"])


EXPERIMENT = Experiment("starvation", __doc__ or "", PRESETS, items, tables, figure)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
