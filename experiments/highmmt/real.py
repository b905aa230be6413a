"""Experiments, HighMMT: data without a known truth: views of digits and tumours as several tasks, or a user's file."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from experiments.harness import Row, Rows, UserError, input_errors
from experiments.highmmt.config import Config
from experiments.highmmt.distances import NATS_OF_BIT
from experiments.highmmt.grouping import Measured, by_transfer, measured
from experiments.highmmt.sharing import plan_row
from experiments.highmmt.training import from_nothing, trainer, tuned
from experiments.highmmt.worlds import NUM_BANDS, architecture_of, by_part
from mmjax.data import (
    MultimodalData,
    Splits,
    breast_cancer_views,
    digits_halves,
    load_npz,
    only,
    splits_of,
    standardised,
)
from mmjax.heterogeneity import SharingPlan, TransferMatrix, distance, interaction_gains, select_pairs
from mmjax.models.highmmt import HighMMT, Layout, ModalitySpec, TaskSpec

VIEWS = {
    "digit of top and bottom": (digits_halves, ("top", "bottom")),
    "digit of left and right": (digits_halves, ("left", "right")),
    "tumour of mean and worst": (breast_cancer_views, ("mean", "worst")),
    "tumour of all": (breast_cancer_views, ("mean", "se", "worst")),
}


def loaded(config: Config, seed: int) -> dict[str, Splits]:
    """Return the samples of each task, standardised: of the views, or of the configuration's file.

    Raises:
      UserError: if the file has one modality only.
    """
    key = jax.random.key(seed)
    if config.data is None:
        return {task: _prepared(only(views(), names), key) for task, (views, names) in VIEWS.items()}
    with input_errors(config.data):
        data = load_npz(config.data, list(config.modalities) or None)
        if len(data.modalities) < 2:
            raise UserError(f"{config.data}: needs two modalities or more; got {', '.join(data.modalities)}")
        return {config.data.stem: _prepared(data, key)}


def describe(config: Config, seed: int) -> Rows:
    """Measure the transfer between modalities and between pairs, and train by what it suggests.

    The groups and the third of the pairs that transfer suggests stand beside models that share all and none and that
    fuse all pairs.
    """
    data, key = loaded(config, seed), jax.random.key(seed)
    model = HighMMT(architecture_of(config), layout_of_data(data))
    as_long = dataclasses.replace(config, num_steps=config.num_pair_steps)  # or a pair's gain were that of more steps
    found = measured(as_long, model, data, key)
    groups = by_transfer(config, model, found)
    gains = _gains(model.layout, found)
    third = max(1, len(gains) // 3)
    selected = select_pairs(gains, distance(found.pairs.transfer), third).indices.tolist()
    few = dataclasses.replace(model, layout=_with_pairs(model.layout, selected))
    plans = {
        "share all": (model, model.layout.share_all()),
        "share none": (model, model.layout.share_none()),
        "groups by transfer": (model, groups),
        "share all, selected third of pairs": (few, few.layout.share_all()),
    }
    parts = by_part(data)
    return [
        _of_modalities(seed, model.layout, groups, found.modalities),
        _of_pairs(seed, model.layout, groups, found.pairs, gains, selected),
        *(
            plan_row("views", seed, name, of, plan, _fitted(config, of, plan, key, parts))
            for name, (of, plan) in plans.items()
        ),
    ]


def _fitted(config: Config, model: HighMMT, plan: SharingPlan, key: Array, parts: Splits) -> dict[str, float]:
    """Train on all tasks and return their test accuracies."""
    train = trainer(config, model, config.num_steps)
    return tuned(config, train, from_nothing(model, key), plan, key, parts).accuracies


def _of_modalities(seed: int, layout: Layout, groups: SharingPlan, matrix: TransferMatrix) -> Row:
    group_of = {name: group for (_, name), group in zip(layout.nodes, groups.unimodal, strict=True)}
    names = [one.name for one in layout.modalities]
    return _row(seed, "modalities", names, [group_of[name] for name in names], matrix)


def _of_pairs(
    seed: int, layout: Layout, groups: SharingPlan, matrix: TransferMatrix, gains: Array, selected: list[int]
) -> Row:
    names = [f"{task}: {' and '.join(pair)}" for task, pair in layout.pairs]
    row = _row(seed, "pairs", names, groups.crossmodal, matrix)
    return row | {"gains": (np.asarray(gains) / NATS_OF_BIT).tolist(), "selected": selected}


def _row(seed: int, of: str, names: Sequence[str], groups: Sequence[int], matrix: TransferMatrix) -> Row:
    bits = {
        "transfer": matrix.transfer,
        "standard error": matrix.standard_error,
        "alone": matrix.direct,
        "distances": distance(matrix.transfer),
    }
    return {
        "part": "views",
        "seed": seed,
        "of": of,
        "names": list(names),
        "groups": list(groups),
        **{name: (np.asarray(x, float) / NATS_OF_BIT).tolist() for name, x in bits.items()},
    }


def _gains(layout: Layout, found: Measured) -> Array:
    """Return what fusing each pair gains over the better of its modalities on the same task, in nats."""
    places = [[layout.nodes.index((task, name)) for name in pair] for task, pair in layout.pairs]
    return interaction_gains(found.losses, found.pairs.direct, np.array(places))


def _with_pairs(layout: Layout, selected: Sequence[int]) -> Layout:
    """Return the layout whose tasks fuse some of the pairs only."""
    kept = [layout.pairs[place] for place in selected]
    tasks = (
        dataclasses.replace(task, pairs=tuple(pair for name, pair in kept if name == task.name))
        for task in layout.tasks
    )
    return dataclasses.replace(layout, tasks=tuple(tasks))


def layout_of_data(data: dict[str, Splits]) -> Layout:
    """Return the layout of arrays: the last axis are channels, the others tokens; a vector is one token."""
    shapes = {name: x.shape[1:] for splits in data.values() for name, x in splits.train.modalities.items()}
    modalities = (ModalitySpec(name, shape[:-1], shape[-1], num_bands=NUM_BANDS) for name, shape in shapes.items())
    tasks = (
        TaskSpec(task, tuple(splits.train.modalities), int(splits.train.label.max()) + 1)
        for task, splits in data.items()
    )
    return Layout(tuple(modalities), tuple(tasks))


def _prepared(data: MultimodalData, key: Array) -> Splits:
    """Split and standardise; single numbers become vectors of one."""
    arrays: dict[str, NDArray[Any]] = {
        name: np.asarray(x, np.float32).reshape(len(x), *(x.shape[1:] or (1,))) for name, x in data.modalities.items()
    }
    return standardised(splits_of(data._replace(modalities=arrays), key=key))
