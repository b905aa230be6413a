"""Will fusing two modalities pay, before a pair of them is labelled?

Of data sets of two modalities in cells (gates with noise, random tables, the generative data of arXiv 2302.12247, views
of scikit-learn's digits and tumours, or those of your file by --data): the exact range of the accuracy that labels of
single modalities and unlabelled pairs leave possible (arXiv 2306.04539 asks for it), that of the published formulae,
and what fusion heads reach that are fed these cells and all labels. Then what labelled pairs buy: how much a number of
them narrows the range; and what labels without pairs prove of modalities that are not cut into cells.

Takes two and a half minutes on two CPU cores; --preset full, with four heads and ten draws of labelled pairs, ten.
"""

import functools
import sys
from collections.abc import Mapping

from experiments.fusion_value import raw
from experiments.fusion_value.config import Config
from experiments.fusion_value.decision import decision_row
from experiments.fusion_value.figure import figure
from experiments.fusion_value.ranges import labelling_rows, range_row
from experiments.fusion_value.sets import sets_of
from experiments.fusion_value.tables import tables
from experiments.fusion_value.trial import make_trial
from experiments.harness import Experiment, Item, Sweep, main
from experiments.sweep.task import HEADS
from mmjax import sweep
from mmjax.data import GENERATIVE_RATIOS

PRESETS = {
    "quick": Config(),
    "full": Config(
        heads=tuple(HEADS),
        raw=("Gaussian mixture", *(f"generative {name}" for name in GENERATIVE_RATIOS)),
        rates=(1e-3, 3e-3, 1e-2),
        num_draws=10,
        labelled=(10, 30, 100, 300, 1000, 3000, 10_000),
    ),
}
LABELLED = ("xor, 10% noise", "generative, synergy", "generative, mix1")
"""Data sets whose ranges are narrowed by labelled pairs; of a file the first three pairs of modalities."""


def items(config: Config) -> Mapping[str, Item]:
    """Return the range of each data set, verdicts on a file's, what labelled pairs do, and the runs of heads."""
    sets = sets_of(config)
    keys = {name: f"{place}-{_ascii(name)}" for place, name in enumerate(sets)}
    found: dict[str, Item] = {
        f"range-{keys[name]}": functools.partial(range_row, config, name, of) for name, of in sets.items()
    }
    if config.data is not None:
        for name, of in sets.items():
            found[f"decision-{keys[name]}"] = functools.partial(decision_row, config, name, of)
    shown = [name for name in LABELLED if name in sets] or list(sets)[:3]
    for name in shown:
        found[f"labelling-{keys[name]}"] = functools.partial(labelling_rows, config, name, sets[name])
    space = sweep.Space(
        static=sweep.grid(head=config.heads),
        traced=sweep.grid(set=range(len(sets)), learning_rate=config.rates),
        seed=config.seed,
    )
    found["trials"] = Sweep(functools.partial(make_trial, config), space, config.launch)
    if config.raw and config.data is None:
        found["raw"] = Sweep(raw.make_trial, _raw_space(config), config.launch)
    return found


def _raw_space(config: Config) -> sweep.Space:
    sizes = {"num_samples": [config.num_samples // 2], "num_steps": [config.num_steps]}
    return sweep.Space(
        static=sweep.grid(source=config.raw, **sizes), traced={}, num_seeds=config.num_draws, seed=config.seed
    )


def _ascii(name: str) -> str:
    """Return what of a name a file's may have."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)[:80]


EXPERIMENT = Experiment("fusion_value", __doc__ or "", PRESETS, items, tables, figure)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
