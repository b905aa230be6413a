"""Does what two modalities know of a label say which ways of fusing them suit the data?

The published rule (arXiv 2302.12247): decompose what the modalities tell of the label, find the known data set whose
decomposition is most alike, and try the three methods that were best there. Here twelve methods are trained on the ten
published generative data sets and on new ones with random ratios, or on the pairs of modalities of your file by --data;
each method's learning rate is chosen by its validation loss. The tables show how far agreement of a model with its data
goes along with accuracy, and what the rule reaches of the best method's accuracy, beside the published numbers and
controls that do not look at the decomposition.

Takes about two minutes on two CPU cores, with six methods and fewer data sets; --preset full about ten.
"""

import functools
import sys
from collections.abc import Mapping

from experiments.harness import Experiment, Item, Rows, Sweep, main
from experiments.model_selection.config import Config
from experiments.model_selection.figure import figure
from experiments.model_selection.results import prediction_rows
from experiments.model_selection.sets import GENERATED, groups_of, set_rows
from experiments.model_selection.tables import tables
from experiments.model_selection.trial import make_trial
from mmjax import sweep

PRESETS = {
    "quick": Config(
        known=("redundancy", "uniqueness0", "uniqueness1", "synergy", "mix1", "mix3"),
        num_new=3,
        methods=("additive", "concatenation", "low-rank tensor", "ensemble", "first alone", "second alone"),
        rates=(3e-3,),
        num_seeds=2,
        num_cells=8,
        num_samples=3000,
        transform_dim=16,
        num_steps=300,
    ),
    "full": Config(),
}


def items(config: Config) -> Mapping[str, Item]:
    """Return the decompositions of the data sets, and the runs of methods: a sweep for each size of data."""
    found: dict[str, Item] = {"sets": functools.partial(set_rows, config)}
    for place, (group, names) in enumerate(groups_of(config).items()):
        space = sweep.Space(
            static=sweep.grid(group=[group], method=config.methods),
            traced=sweep.grid(set=range(len(names)), learning_rate=config.rates),
            num_seeds=config.num_seeds,
            seed=config.seed,
        )
        key = "trials" if group == GENERATED else f"trials-{place}"
        found[key] = Sweep(functools.partial(make_trial, config), space, config.launch)
    return found


def followup(config: Config, rows: Rows) -> Mapping[str, Item]:
    """Return the decompositions of the predictions of the chosen runs."""
    return {"predictions": functools.partial(prediction_rows, rows)}


EXPERIMENT = Experiment("model_selection", __doc__ or "", PRESETS, items, tables, figure, followup)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
