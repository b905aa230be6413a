"""Which way of training keeps modalities from starving each other, and does any do better than not fusing at all?

All balancing methods on the same data, with the same encoders, batches and evaluations, each with learning rate,
penalty and hyper-parameters of its own chosen on validation data. The default trains some methods on generated data, in
which a plain but noisy modality starves a clear but hidden one, in about three minutes on two CPU cores; --preset full
has all methods with ten seeds, --preset paper the ratio sweep of the synthetic setting of MCR (arXiv 2411.07335).
"""

import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.competition.data import MIXED_SHARES, NAMES, fixed
from experiments.competition.figure import draw
from experiments.competition.methods import BASIC, METHODS
from experiments.competition.published import published_table
from experiments.competition.tables import chosen_trials, comparison_tables
from experiments.competition.trial import HEADS, make_trial
from experiments.harness import (
    Experiment,
    Item,
    Launch,
    LaunchOptions,
    Rows,
    Sweep,
    Table,
    UserError,
    input_errors,
    main,
)
from mmjax import sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOME = ("joint", "ensemble", "multi-loss", "OGM", "DGL", "MCR")


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
    decays: tuple[float, ...] = (0.0, 0.01)
    """L2 penalties to choose from: factors of the parameters that are added to their gradients."""
    num_seeds: int = 3
    """Repetitions; of generated data each has its own."""
    num_samples: int = 2000
    """Generated samples to train on."""
    num_segments: int = 20
    """Evaluations of a run; methods whose papers count epochs count these."""
    steps_per_segment: int = 31
    """Batches between evaluations: 31 of 64 are an epoch of 2000 samples."""
    batch_size: int = 64
    """Samples of a step."""
    width: int = 32
    """Units of the encoders' two layers."""
    num_permutations: int = 32
    """Permutations of a batch that MCR takes."""
    seed: int = 0
    """Seed of data, splits and runs."""
    launch: LaunchOptions = dataclasses.field(default_factory=Launch)
    """Where trials run."""

    def __post_init__(self) -> None:
        """Refuse what cannot be compared."""
        least = {
            "num_seeds": 1,
            "num_samples": 64,
            "num_segments": 2,
            "steps_per_segment": 1,
            "batch_size": 2,
            "width": 1,
        }
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise ValueError(f"{name} must be at least {smallest}; got {getattr(self, name)}")
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"seed must be in [0, 2^31); got {self.seed}")
        for field, positive in (("rates", True), ("decays", False)):
            values = getattr(self, field)
            if not values or not all(math.isfinite(x) and (x > 0 or (x == 0 and not positive)) for x in values):
                kind = "positive" if positive else "not negative"
                raise ValueError(f"{field} must be one or more finite numbers, {kind}; got {values}")
        for field, known in (("sets", NAMES), ("methods", tuple(METHODS)), ("heads", tuple(HEADS))):
            names = getattr(self, field)
            unknown = [name for name in names if name not in known]
            if unknown or not names or len(set(names)) < len(names):
                said = ", ".join(unknown or names) or "none"
                raise ValueError(f"{field} must be some of {', '.join(known)}, each once; got {said}")


PRESETS = {
    "quick": Config(),
    "full": Config(methods=tuple(METHODS), num_seeds=10, num_segments=30, rates=(0.003, 0.01, 0.03, 0.1)),
    "paper": Config(
        sets=tuple(f"mixed-{share:g}" for share in MIXED_SHARES),
        num_seeds=10,
        num_segments=30,
        rates=(0.003, 0.01, 0.03),
        batch_size=256,
        steps_per_segment=8,
        width=100,
    ),
}


def items(config: Config) -> Mapping[str, Item]:
    """Return a sweep for each data set, head and method that is for this head."""
    names: Sequence[str] = config.sets
    if config.data:
        names = [str(config.data.resolve())]
        with input_errors(config.data):
            _check(config)
    found = {
        _key("data" if config.data else data, head, method): _sweep(config, data, head, method)
        for data in names
        for head in config.heads
        for method in config.methods
        if head in (METHODS[method].only or (head,))
    }
    if not found:
        raise UserError(f"none of {', '.join(config.methods)} is for the heads {', '.join(config.heads)}")
    return found


def _key(*words: str) -> str:
    return "-".join(words).replace(" ", "_")


def _check(config: Config) -> None:
    data = fixed(str(config.data), ",".join(config.modalities), config.seed)
    if len(data.train.modalities) < 2:
        raise ValueError(f"fusion needs two modalities or more; got {', '.join(data.train.modalities)}")


def _sweep(config: Config, data: str, head: str, method: str) -> Sweep:
    shared = ("num_samples", "num_segments", "steps_per_segment", "batch_size", "width", "num_permutations")
    static: dict[str, list[Any]] = {name: [getattr(config, name)] for name in shared}
    static |= {"data": [data], "modalities": [",".join(config.modalities)], "head": [head], "method": [method]}
    basic = dict(zip(BASIC, (config.rates, config.decays), strict=True))
    space = sweep.Space(
        static=sweep.grid(**static, data_seed=[config.seed]),
        traced=sweep.grid(**basic, **METHODS[method].grid),
        num_seeds=config.num_seeds,
        seed=config.seed,
    )
    return Sweep(make_trial, space, config.launch)


def tables(config: Config, rows: Rows) -> Sequence[Table]:
    """Return a comparison a data set and head, and the published one."""
    return [*comparison_tables(chosen_trials(rows), config.num_seeds), published_table()]


def figure(config: Config, rows: Rows) -> "Figure":
    """Draw the comparisons."""
    return draw(chosen_trials(rows))


EXPERIMENT = Experiment("competition", __doc__ or "", PRESETS, items, tables, figure)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
