"""Experiments, competition: what a sum of unimodal terms can know at most, on data of which no formula is known."""

import numpy as np

from experiments.competition.data import fixed
from experiments.harness import Row
from experiments.synergy_bounds.samples import cells
from mmjax.information import joint_table
from mmjax.synergy import additive_ceiling

NUM_CELLS = 10
"""Clusters of each modality."""


def ceiling_row(name: str, modalities: str, seed: int) -> Row:
    """Cut two modalities into clusters and bound additive fusion of these, in bits of the training data.

    Args:
      name: of the data set, or the path of a file.
      modalities: of the file, joined by commas, or empty.
      seed: of the split.

    Returns:
      `data`, and `ceiling` and `joint`: the information of the best additive logits of the cells and of any.
    """
    train = fixed(name, modalities, seed).train
    first, second = train.modalities
    use = np.asarray(train.weight > 0) & np.asarray(train.masks[first]) & np.asarray(train.masks[second])
    ids = [cells(np.asarray(train.modalities[m]), NUM_CELLS, recipe="std", fit=use)[use] for m in (first, second)]
    label = np.asarray(train.label)[use]
    sizes = (int(ids[0].max()) + 1, int(ids[1].max()) + 1, int(label.max()) + 1)
    found = additive_ceiling(joint_table(ids[0], ids[1], label, sizes=sizes))
    return {"data": name, "ceiling": float(found.information), "joint": float(found.joint_information)}
