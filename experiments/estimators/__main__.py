"""What do estimators of mutual information, bounds from unpaired labels and decompositions give on raw samples?

Three parts on data of which the answer is known: `suite`, ten trained and two untrained estimators on distributions of
known information; `unpaired`, the lower bound on what all modalities tell about a label, trained without one labelled
tuple, in many repetitions; `decomposition`, redundancy, unique information and synergy from trained classifiers, with
intervals. The default takes about three minutes on two CPU cores; --preset full has all forty distributions of Beyond
Normal (arXiv 2306.11078) and 200 repetitions, and takes hours.
"""

import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import jax

from experiments.estimators import decomposition, suite, unpaired
from experiments.estimators.critics import CONTENDERS
from experiments.estimators.figure import draw
from experiments.estimators.sources import SOURCES, file_source, source_of
from experiments.estimators.suite import SAMPLE_ESTIMATORS, catalogue, groups, sample_estimates
from experiments.estimators.tables import all_tables
from experiments.harness import (
    Experiment,
    Item,
    Launch,
    LaunchOptions,
    Row,
    Rows,
    Sweep,
    Table,
    UserError,
    check_counts,
    check_names,
    input_errors,
    main,
)
from mmjax import sweep
from mmjax.data import INFORMATION_TASKS, mixture_tasks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Part = Literal["suite", "unpaired", "decomposition"]


@dataclasses.dataclass(frozen=True)
class Config:
    """What to estimate."""

    parts: tuple[Part, ...] = ("suite", "unpaired", "decomposition")
    """Which parts."""
    tasks: tuple[str, ...] = (
        "1v1-normal-0.75",
        "1v1-additive-0.1",
        "asinh-student-identity-1-1-1",
    )
    """Distributions of the suite, by name: those of benchmark-mi, X, AI, Waves, Galaxy, and multinormal-DIM-NATS with
    DIM 1, 5 or 25 and NATS 0, 0.5, 1, 2 or 4."""
    estimators: tuple[str, ...] = tuple(CONTENDERS)
    """Estimators that train."""
    sources: tuple[str, ...] = ("AND, 10 % flipped", "generative synergy")
    """Labelled data of several modalities, by name."""
    data: Path | None = None
    """Your npz file, instead of these sources; part suite is left out then."""
    modalities: tuple[str, ...] = ()
    """Modalities of your file; all by default. Part decomposition takes two."""
    rows: Literal["all", "test"] = "all"
    """Rows of your file: all labelled ones, or those of its test split, where features have seen the others' labels."""
    num_seeds: int = 3
    """Repetitions in the suite."""
    num_repetitions: int = 10
    """Repetitions in the other two parts."""
    num_samples: int = 4000
    """Samples of a repetition; in part unpaired of each modality and of the tuples."""
    separable: bool = True
    """Whether critics are inner products of embeddings, or networks of the pair, which cost more."""
    width: int = 64
    """Hidden units of critics."""
    num_segments: int = 6
    """Evaluations of a run, of which the best is kept."""
    steps_per_segment: int = 50
    """Steps between evaluations."""
    batch_size: int = 128
    """Samples of a step."""
    learning_rate: float = 3e-3
    """Of Adam."""
    seed: int = 0
    """Seed of samples and runs."""
    launch: LaunchOptions = dataclasses.field(default_factory=Launch)
    """Where runs are made."""

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        check_counts(self, num_seeds=1, num_repetitions=1, width=1, num_segments=1, steps_per_segment=1, seed=0)
        if not 2 <= self.batch_size <= self.num_samples // 4:
            raise ValueError(
                f"batch_size must be at least 2 and fit into a quarter of num_samples, {self.num_samples // 4}; "
                f"got {self.batch_size}"
            )
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be positive; got {self.learning_rate}")
        check_names("parts", self.parts, ("suite", "unpaired", "decomposition"))
        check_names("tasks", self.tasks, catalogue())
        check_names("estimators", self.estimators, CONTENDERS)
        check_names("sources", self.sources, SOURCES)


PRESETS = {
    "quick": Config(),
    "full": Config(
        tasks=(*INFORMATION_TASKS, *mixture_tasks()),
        sources=tuple(SOURCES),
        num_seeds=5,
        num_repetitions=200,
        num_samples=8000,
        num_segments=20,
        steps_per_segment=100,
    ),
    "paper": Config(
        parts=("suite",),
        tasks=tuple(INFORMATION_TASKS),
        num_seeds=10,
        num_samples=20_000,
        separable=False,
        num_segments=40,
        steps_per_segment=250,
        batch_size=256,
    ),
}


def items(config: Config) -> Mapping[str, Item]:
    """Return a sweep for each part, and an item for each distribution that is estimated without training."""
    found: dict[str, Item] = {}
    if "suite" in config.parts and config.data is None:
        for dims, names in groups(config.tasks).items():
            found[f"suite-{dims[0]}-{dims[1]}"] = _suite(config, names)
        for name in config.tasks:
            found[f"untrained-{name}"] = _untrained(config, name)
    makers = {"unpaired": unpaired.make_trial, "decomposition": decomposition.make_trial}
    for part, make_trial in makers.items():
        if part in config.parts:
            names, options = _sources(config, part)
            static = sweep.grid(source=names, **{name: [value] for name, value in options.items()})
            space = sweep.Space(static=static, num_seeds=config.num_repetitions, seed=config.seed)
            if names:
                found[part] = Sweep(make_trial, space, config.launch)
    if not found:
        raise UserError("nothing to run: part suite takes no file, and part decomposition two modalities")
    return found


def _sources(config: Config, part: str) -> tuple[list[str], dict[str, Any]]:
    """Return the sources of a part and the options of its runs; of a file, as many samples as it has."""
    options = _options(config)
    if config.data is None:
        return [name for name in config.sources if part != "decomposition" or name != "AND of three"], options
    name = file_source(config.data, config.modalities, config.rows)
    with input_errors(config.data):
        source = source_of(name)
        shapes = jax.eval_shape(lambda key: source.draw(key, 1), jax.random.key(0))
        num_sets = len(shapes.modalities) + 1 if part == "unpaired" else 1
        if part == "decomposition" and len(shapes.modalities) != 2:
            return [], options
        num_samples = (source.num_rows or 0) // num_sets
        if num_samples < 8:
            raise ValueError(f"{source.num_rows} rows are too few for {num_sets} sets of at least 8")
    return [name], options | {"num_samples": num_samples, "batch_size": min(config.batch_size, num_samples // 4)}


def _options(config: Config) -> dict[str, Any]:
    names = ("num_samples", "num_segments", "steps_per_segment", "batch_size", "learning_rate")
    return {name: getattr(config, name) for name in names}


def _suite(config: Config, names: Sequence[str]) -> Sweep:
    fixed = {**_options(config), "separable": config.separable, "width": config.width}
    chosen = {"tasks": ",".join(names), "estimators": ",".join(config.estimators)}
    space = sweep.Space(
        static=sweep.grid(**{name: [value] for name, value in (chosen | fixed).items()}),
        traced=sweep.grid(task=range(len(names)), estimator=range(len(config.estimators))),
        num_seeds=config.num_seeds,
        seed=config.seed,
    )
    return Sweep(suite.make_trial, space, config.launch)


def _untrained(config: Config, task: str) -> Item:
    def work() -> Rows:
        key = jax.random.fold_in(jax.random.key(config.seed), list(catalogue()).index(task))
        keys = jax.random.split(key, config.num_seeds)
        return [_row(keys, task, estimator, config.num_samples) for estimator in SAMPLE_ESTIMATORS]

    return work


def _row(keys: jax.Array, task: str, estimator: str, num_samples: int) -> Row:
    nats = sample_estimates(keys, name=task, estimator=estimator, num_samples=num_samples)
    return {"task": task, "estimator": estimator, "nats": nats.tolist()}


def tables(config: Config, rows: Rows) -> Sequence[Table]:
    """Return a table for each part."""
    return all_tables(rows, config.batch_size)


def figure(config: Config, rows: Rows) -> "Figure":
    """Draw a panel for each part."""
    return draw(rows)


EXPERIMENT = Experiment("estimators", __doc__ or "", PRESETS, items, tables, figure)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
