"""Experiments, competition: what to compare, and on what: the configuration and its presets."""

import dataclasses
from pathlib import Path

from experiments.competition.columns import PUBLISHED, Column
from experiments.competition.data import MIXED_SHARES, NAMES
from experiments.competition.methods import METHODS
from experiments.competition.trial import HEADS
from experiments.harness import Launch, LaunchOptions, check_counts, check_names, check_numbers

SOME = ("joint", "ensemble", "OGM", "MCR")


@dataclasses.dataclass(frozen=True)
class Config:
    """What to compare, and on what."""

    sets: tuple[str, ...] = ("asymmetric",)
    """Data sets by name: asymmetric, control, three, xor, mixed-0.1 to mixed-0.7, digits."""
    data: Path | None = None
    """Your npz file, instead of these."""
    modalities: tuple[str, ...] = ()
    """Modalities of your file; all by default."""
    methods: tuple[str, ...] = SOME
    """Methods by name."""
    heads: tuple[str, ...] = ("late linear",)
    """Fusion heads: late linear, concatenation, gated."""
    rates: tuple[float, ...] = (0.01, 0.03)
    """Learning rates of Adam to choose from."""
    decays: tuple[float, ...] = (0.01,)
    """L2 penalties to choose from: factors of the parameters that are added to their gradients."""
    num_seeds: int = 3
    """Repetitions; of generated data each has its own."""
    num_samples: int = 2000
    """Generated samples to train on."""
    num_segments: int = 20
    """Evaluations of a run; methods whose papers count epochs count these."""
    stop_after: int | None = None
    """Evaluations without a lower validation loss after which a run ends; by default none does."""
    steps_per_segment: int | None = 31
    """Batches between evaluations: 31 of 64 are an epoch of 2000 samples; None: an epoch."""
    batch_size: int = 64
    """Samples of a step."""
    width: int = 32
    """Units of the encoders' two layers."""
    num_permutations: int = 32
    """Permutations of a batch that MCR takes."""
    column: str = ""
    """Column of the published table whose encoders, optimiser and hyper-parameters are taken, and rates and decays with
    them; set by its preset."""
    seed: int = 0
    """Seed of data, splits and runs."""
    launch: LaunchOptions = dataclasses.field(default_factory=Launch)
    """Where trials run."""

    def __post_init__(self) -> None:
        """Refuse what cannot be compared."""
        check_counts(self, num_seeds=1, num_samples=64, num_segments=2, steps_per_segment=1, stop_after=1, batch_size=2)
        check_counts(self, width=1, num_permutations=1, seed=0)
        if self.column and self.column not in PUBLISHED:
            raise ValueError(f"column must be one of {', '.join(PUBLISHED)}; got {self.column}")
        check_numbers("rates", self.rates)
        check_numbers("decays", self.decays, positive=False)
        check_names("sets", self.sets, NAMES)
        check_names("methods", self.methods, METHODS)
        check_names("heads", self.heads, HEADS)


def _published(name: str, column: Column) -> Config:
    return Config(
        methods=tuple(column.own),
        num_segments=column.num_segments,
        stop_after=column.patience,
        steps_per_segment=None,
        batch_size=column.batch_size,
        width=column.width,
        num_permutations=column.num_permutations,
        column=name,
    )


PRESETS: dict[str, Config] = {
    "quick": Config(),
    "full": Config(
        methods=tuple(METHODS), num_seeds=10, num_segments=30, rates=(0.003, 0.01, 0.03, 0.1), decays=(0.0, 0.01)
    ),
    "paper": Config(
        sets=tuple(f"mixed-{share:g}" for share in MIXED_SHARES),
        num_seeds=10,
        num_segments=30,
        rates=(0.003, 0.01, 0.03),
        decays=(0.0, 0.01),
        batch_size=256,
        steps_per_segment=8,
        width=100,
    ),
    **{name: _published(name, column) for name, column in PUBLISHED.items()},
}
