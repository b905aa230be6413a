"""Which modalities and which interactions are alike enough to share parameters, and what is sharing by that worth?

On generated modalities of known clusters: how much a model of one modality, or of one pair, costs when it starts from
another one's (a transfer matrix is one compiled program), the clusters found in these distances, and what could stand
in for them; models of all tasks whose encoders and crossmodal stacks are shared by all, by none, by the groups found,
by the true ones, by random ones and by those of features; which pairs to fuse; and what tasks do for each other.
Controls that could prove the idea wrong: modalities that are all alike, where sharing everything must win, and a
modality of noise, which must not help. Views of digits and tumours, or your own file by --data, have no known truth:
their transfer matrix, and the groups and pairs that it suggests. The published distances and tables stand beside.

Takes about two minutes on two CPU cores (distances, and one modality after the other, of 6 sequences); --parts chooses
others, of about four minutes each; --preset full (10 modalities, 15 tasks, ten seeds) takes some hours.
"""

import functools
import sys
from collections.abc import Callable, Mapping

from experiments.harness import Experiment, Item, Rows, main
from experiments.highmmt.adaptation import adapt
from experiments.highmmt.config import Config, Part
from experiments.highmmt.distances import of_interactions, of_modalities
from experiments.highmmt.figure import figure
from experiments.highmmt.growth import grow
from experiments.highmmt.pairs import select
from experiments.highmmt.real import describe, loaded
from experiments.highmmt.sharing import compare
from experiments.highmmt.surrogates import stand_in
from experiments.highmmt.tables import tables

PRESETS = {
    "quick": Config(parts=("modalities", "interactions", "growth")),
    "full": Config(large=True, num_seeds=10),
}


WORKS: Mapping[Part, Callable[[Config, int], Rows]] = {
    "modalities": of_modalities,
    "interactions": of_interactions,
    "sharing": functools.partial(compare, part="sharing"),
    "homogeneous": functools.partial(compare, part="homogeneous"),
    "growth": grow,
    "pairs": select,
    "views": describe,
    "adaptation": adapt,
    "surrogates": stand_in,
}


def items(config: Config) -> Mapping[str, Item]:
    """Return an item for each part and seed; of a file, for each seed."""
    seeds = range(config.seed, config.seed + config.num_seeds)
    if config.data is not None:
        loaded(config, config.seed)  # refuses a broken file before anything is made
        return {f"data,seed={seed}": functools.partial(describe, config, seed) for seed in seeds}
    return {
        f"{part},seed={seed}": functools.partial(WORKS[part], config, seed) for part in config.parts for seed in seeds
    }


EXPERIMENT = Experiment("highmmt", __doc__ or "", PRESETS, items, tables, figure)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
