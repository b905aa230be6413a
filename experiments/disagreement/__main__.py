"""What do latents keep that are pre-trained on pairs without labels, if modalities must agree, and if they need not?

Pairs show a factor both, and others each alone; linear probes read labels of redundancy, unique information and synergy
off the latents and their fusion. Contrast between modalities asks them to agree. Relaxed by how much the modalities'
predictions of the pair disagree (ours, from the disagreement bound of `mmjax.synergy`; arXiv 2306.04539 announced
such learning in its first version, whose loss we could not find), they may differ. FactorCL (arXiv 2306.05268), CoMM
(2409.07402) and InfMasking (2509.25270) stand beside, and latents that were not trained at all.

Takes about two minutes on two CPU cores, with five objectives; --preset full (all of them, six learning rates, ten
seeds) half an hour on one core, --preset images (on images) more than an hour.
"""

import sys
from collections.abc import Mapping

from experiments.disagreement.config import Config
from experiments.disagreement.figure import figure
from experiments.disagreement.tables import tables
from experiments.disagreement.trial import make_trial
from experiments.harness import Experiment, Item, Sweep, main
from mmjax import sweep

PRESETS = {
    "quick": Config(objectives=("untrained", "agreement", "prediction", "disagreement", "CoMM")),
    "full": Config(rates=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2), num_steps=1000, num_seeds=10),
    "images": Config(worlds=("images",), rates=(3e-4, 1e-3, 3e-3), num_steps=2000, num_seeds=10),
}


def items(config: Config) -> Mapping[str, Item]:
    """Return the sweep of each world."""
    names = ("num_samples", "num_labelled", "num_steps", "batch_size", "width")
    sizes = {name: [getattr(config, name)] for name in names}

    def space(world: str) -> sweep.Space:
        return sweep.Space(
            static=sweep.grid(world=[world], objective=config.objectives, **sizes),
            traced=sweep.grid(learning_rate=config.rates),
            num_seeds=config.num_seeds,
            seed=config.seed,
        )

    return {world: Sweep(make_trial, space(world), config.launch) for world in config.worlds}


EXPERIMENT = Experiment("disagreement", __doc__ or "", PRESETS, items, tables, figure)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
