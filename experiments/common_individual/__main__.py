"""What do views share, what has each alone, and where in the input is it?

Systems that split views into common and individual variates meet data of known factors: linear views in two regimes,
one in which what is common has less variance than what is individual and one in which it has more; three such views;
nonlinear views; and images with a shared glyph on textures of their own, seen through a frozen random network. Systems:
the closed form, trained heads (in the preset full also in two stages, with all samples a step, and with penalties of
what is left nonlinearly), AJIVE, and controls. The halves of digits, or your own file by --data, have no known factors:
canonical correlations with p-values, and what common and individual parts tell of the class.

Individual variates are white and uncorrelated with common ones, but not independent of them: of the nonlinear views
random cosines read 5 to 12 % of what is shared off individual variates of heads that were trained by correlation alone,
and at most 3 % with a penalty of random cosines, of the Hilbert-Schmidt criterion, or by an adversary.

Takes about three minutes on two CPU cores; --preset full (three seeds, all systems) about eleven.
"""

import functools
import sys
from collections.abc import Mapping

from experiments.common_individual.config import Config
from experiments.common_individual.figure import figure
from experiments.common_individual.measurement import measure
from experiments.common_individual.real import describe, loaded
from experiments.common_individual.tables import tables
from experiments.harness import Experiment, Item, main

PRESETS = {"quick": Config(), "full": Config(num_seeds=3, thorough=True)}


def items(config: Config) -> Mapping[str, Item]:
    """Return an item a seed of generated data, and one for real data."""
    if config.data is not None:
        return {"data": functools.partial(describe, config, loaded(config))}
    made: dict[str, Item] = {
        f"{setting.replace(' ', '_')},seed={seed}": functools.partial(
            measure, setting, config.seed + seed, thorough=config.thorough, with_maps=seed == 0
        )
        for setting in config.settings
        if setting != "digits"
        for seed in range(config.num_seeds)
    }
    if "digits" in config.settings:
        made["digits"] = functools.partial(describe, config, loaded(config))
    return made


EXPERIMENT = Experiment("common_individual", __doc__ or "", PRESETS, items, tables, figure)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
