"""How much would labelled pairs add to two modalities? Synergy, and what is known of it without them.

Logic gates, random tables, generative data and real data of scikit-learn: the decomposition from the joint table
beside the bounds that its pairwise marginals alone give, published (arXiv 2306.04539) and ours. With --data FILE.npz,
every pair of modalities of your file instead; a file of x1_labelled, y1, x2_labelled, y2, x1_paired, x2_paired is
bounded without labelled pairs. Takes a minute or two on two CPU cores, most of it compilation.
"""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from experiments.harness import Experiment, Item, Rows, Table, check_counts, check_names, main
from experiments.synergy_bounds.figure import draw
from experiments.synergy_bounds.gates import gate_rows, gate_table
from experiments.synergy_bounds.generative import generative_items, generative_table
from experiments.synergy_bounds.random_tables import random_items, random_tables
from experiments.synergy_bounds.real import built_in_items, file_items, real_table, stored_table
from experiments.synergy_bounds.samples import Recipe, Repetitions
from experiments.synergy_bounds.unpaired import unpaired_items, unpaired_table
from mmjax.data import GENERATIVE_RATIOS, is_unpaired_npz

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Part = Literal["gates", "random", "generative", "real"]


@dataclasses.dataclass(frozen=True)
class Config:
    """What to measure."""

    parts: tuple[Part, ...] = ("gates", "random", "generative", "real")
    """What to measure, without --data."""
    num_tables: int = 10_000
    """Random 2x2x2 tables."""
    sizes: tuple[int, ...] = ()
    """Larger random tables: 4 for 4x4x4."""
    num_large_tables: int = 32
    """Random tables of each larger size."""
    generative: tuple[str, ...] = ("redundancy", "uniqueness0", "uniqueness1", "synergy")
    """Generative data sets of arXiv 2302.12247."""
    num_permutations: int = 1000
    """Permutations within classes, for the synergy of modalities independent given the label."""
    num_replicates: int = 100
    """Bootstrap resamples, for intervals."""
    data: Path | None = None
    """Your npz file, measured instead of all the above."""
    modalities: tuple[str, ...] = ()
    """Arrays of --data to read as modalities; by default all."""
    cells: int = 10
    """Clusters into which a real modality is cut; the papers have 20."""
    recipe: Recipe = "std"
    """std: standardise, clip, ten principal components; repo: that of the public code, on the test split."""
    seed: int = 0
    """Seed of random tables, generative data and permutations."""

    def __post_init__(self) -> None:
        """Refuse values that measure nothing."""
        check_counts(self, num_tables=0, num_large_tables=0, num_permutations=1, num_replicates=1, cells=2, seed=0)
        check_names("parts", self.parts, get_args(Part))
        if any(size < 3 for size in self.sizes):
            raise ValueError(f"sizes must be at least 3 (num_tables has the 2x2x2 ones); got {self.sizes}")
        check_names("generative", self.generative, GENERATIVE_RATIOS, least=0)


_ALL = tuple(GENERATIVE_RATIOS)
PRESETS = {
    "quick": Config(),
    "full": Config(sizes=(3, 4), num_large_tables=256, generative=_ALL),
    "paper": Config(num_tables=100_000, sizes=(3, 4), num_large_tables=1024, generative=_ALL, cells=20),
}


def items(config: Config) -> Mapping[str, Item]:
    """Return what to measure, by name."""
    if config.data:
        if is_unpaired_npz(config.data):
            return unpaired_items(config.data, config.seed, config.cells, config.recipe, config.num_replicates)
        return file_items(
            config.data, config.modalities, config.seed, config.cells, config.recipe, _repetitions(config)
        )
    parts: dict[Part, Mapping[str, Item]] = {
        "gates": {"gates": gate_rows},
        "random": random_items(config.seed, config.num_tables, config.sizes, config.num_large_tables),
        "generative": generative_items(config.seed, config.generative, _repetitions(config)),
        "real": built_in_items(config.seed, config.cells, _repetitions(config)),
    }
    return {key: item for part in config.parts for key, item in parts[part].items()}


def _repetitions(config: Config) -> Repetitions:
    return Repetitions(config.num_permutations, config.num_replicates)


def tables(config: Config, rows: Rows) -> Sequence[Table]:
    """Return the tables, published values beside ours."""
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in dict.fromkeys(row["kind"] for row in rows)}
    made: list[Table] = []
    if "gate" in kinds:
        made += [gate_table(kinds["gate"])]
    if "random" in kinds:
        made += random_tables(kinds["random"])
    if "generative" in kinds:
        made += [generative_table(kinds["generative"])]
    if "real" in kinds:
        name = f"Pairs of modalities of {config.data.name}" if config.data else "Real data of scikit-learn"
        recipe = config.recipe if config.data else "std"
        made += [real_table(kinds["real"], name, f"recipe {recipe}, {config.cells} cells")]
    if "unpaired" in kinds:
        made += [unpaired_table(kinds["unpaired"], f"recipe {config.recipe}, {config.cells} cells")]
    return [*made, stored_table()] if "real" in config.parts and not config.data else made


def figure(config: Config, rows: Rows) -> "Figure":
    """Draw bounds against synergy."""
    del config
    return draw(rows)


EXPERIMENT = Experiment("synergy_bounds", __doc__ or "", PRESETS, items, tables, figure)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
