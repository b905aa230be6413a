"""Experiments, synergy_bounds: real modalities, of scikit-learn's data sets or of the user's file.

The real data of Liang et al. 2023 (arXiv 2306.04539) are not here; their stored results are quoted.
"""

import functools
import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.harness import Item, Row, Rows, Table, UserError
from experiments.synergy_bounds.generative import NUM_CELLS
from experiments.synergy_bounds.measurement import column, item_key
from experiments.synergy_bounds.samples import Ids, Recipe, Repetitions, cells, pair_row
from mmjax.data import MultimodalData, breast_cancer_views, digits_halves, load_npz

_TEST = 2

_STORED_COLUMNS = ("data set", "R", "U1", "U2", "S", "lower_R", "lower_diff", "upper")
_STORED = (
    ("MUStARD vision, text", 0.16099, 0.01289, 0.01892, 0.49403, 0.03579, 0.07276, 0.79200),
    ("MUStARD vision, audio", 0.16228, 0.01160, 0.02861, 0.31062, 0.00521, 0.05788, 0.78231),
    ("MUStARD audio, text", 0.17714, 0.01374, 0.00277, 0.50839, 0.05736, 0.11104, 0.79114),
    ("UR-FUNNY vision, text", 0.01233, 0.02933, 0.00000, 0.20929, -0.00816, 0.00393, 0.95822),
    ("UR-FUNNY vision, audio", 0.01327, 0.02839, 0.00002, 0.23575, 0.00330, 0.00486, 0.95820),
    ("UR-FUNNY audio, text", 0.01129, 0.00197, 0.00100, 0.07927, 0.00034, 0.00973, 0.98561),
    ("MOSEI vision, text", 0.02157, 0.00158, 0.01166, 0.04265, 0.00613, 0.01018, 0.96493),
    ("MOSEI vision, audio", 0.01751, 0.00564, 0.00001, 0.02899, 0.00354, 0.00636, 0.97658),
    ("MOSEI audio, text", 0.01751, 0.00000, 0.01572, 0.03311, 0.00413, 0.00315, 0.96651),
    ("MOSI vision, text", 0.03104, 0.01714, 0.00000, 0.31051, 0.01407, 0.02882, 0.92494),
    ("MOSI vision, audio", 0.03381, 0.01437, 0.00549, 0.28231, 0.01199, 0.03101, 0.91946),
    ("MOSI audio, text", 0.02992, 0.00938, 0.00112, 0.14055, 0.00158, 0.02083, 0.93271),
    ("AV-MNIST image, audio", 0.17412, 1.39310, 0.04406, 0.25976, 0.08719, -1.06243, 1.70814),
    ("MIMIC 1, 2", 0.00466, 0.25039, 0.00000, 0.01605, -0.00126, -0.12185, 0.40696),
    ("ENRICO screenshot, wireframe", 0.48604, 0.56364, 0.74389, 1.01868, 0.01307, -0.54861, 2.09229),
)
"""Output stored with the public code of arXiv 2306.04539 (bounds/bounds_real.ipynb), bits, U1 and U2 put right."""


def built_in_items(seed: int, num_cells: int, repetitions: Repetitions) -> Mapping[str, Item]:
    """Return an item for each pair of modalities of the data sets that scikit-learn ships."""
    digits, cancer = digits_halves(), breast_cancer_views()
    halves = [("top", "bottom"), ("left", "right")]
    # Empty cells make the tables as large as those of the generative data, whose compiled program they share.
    side = max(num_cells, NUM_CELLS)
    return {
        **_pair_items("digits", digits, halves, seed, num_cells, "std", repetitions, side=num_cells),
        **_pair_items("cancer", cancer, _all_pairs(cancer), seed, num_cells, "std", repetitions, side=side),
    }


def file_items(
    path: Path, modalities: tuple[str, ...], seed: int, num_cells: int, recipe: Recipe, repetitions: Repetitions
) -> Mapping[str, Item]:
    """Return an item for each pair of modalities of a multimodal file."""
    data = load_npz(path, modalities or None)
    if len(data.modalities) < 2:
        raise UserError(f"{path}: one modality, {next(iter(data.modalities))!r}; a decomposition needs two")
    if recipe == "repo" and data.split is not None and not np.any(data.split == _TEST):
        raise UserError(f"{path}: no sample of split {_TEST} (test), to which --recipe repo keeps; use --recipe std")
    pairs = _all_pairs(data)
    for first, second in pairs:
        if len(np.unique(data.label[_usable(data, first, second, recipe)])) < 2:
            raise UserError(
                f"{path}: {first!r} and {second!r} have no labelled pairs of two classes; data without labelled pairs "
                "are files of x1_labelled, y1, x2_labelled, y2, x1_paired, x2_paired"
            )
    return _pair_items(path.stem, data, pairs, seed, num_cells, recipe, repetitions, side=num_cells)


def real_table(rows: Rows, name: str, how: str) -> Table:
    """Return decompositions and bounds of pairs of real modalities."""
    columns = {
        "pair": "pair",
        "n": "n",
        "R": "redundancy",
        "U1": "unique1",
        "U2": "unique2",
        "S": "synergy",
        "S from": "synergy_from",
        "S to": "synergy_to",
        "S null": "synergy_null",
        "null from": "synergy_null_from",
        "null to": "synergy_null_to",
        "p": "p_value",
        "lower bound": "lower",
        "upper bound": "upper",
        "achievable": "achievable",
        "accuracy from": "accuracy_lower",
        "accuracy to": "accuracy_upper",
    }
    frame = pd.DataFrame({heading: column(rows, field) for heading, field in columns.items()})
    return Table(
        name,
        frame,
        f"Bits, of the quantised data: {how}. S is the plain estimate from the labelled pairs, beside its 95 % "
        "bootstrap interval; S null the mean, with the central 95 %, after permuting the second modality within each "
        "class, which keeps R, U1, U2: what modalities that are independent given the label have, and few samples add; "
        "p is the share of permutations that reach S. Bounds and accuracies "
        "(of the best classifier of the cells) follow from the pairwise marginals alone; a joint distribution with the "
        "synergy under `achievable` exists.",
    )


def stored_table() -> Table:
    """Return the published results on real data."""
    return Table(
        "Real data of the papers, as published",
        pd.DataFrame(list(_STORED), columns=list(_STORED_COLUMNS)),
        "Bits, output stored with the public code of arXiv 2306.04539, U1 and U2 exchanged back. Not reproducible "
        "here: raw data not available, and the code's k-means has no seed.",
    )


def _pair_items(
    name: str,
    data: MultimodalData,
    pairs: list[tuple[str, str]],
    seed: int,
    num_cells: int,
    recipe: Recipe,
    repetitions: Repetitions,
    *,
    side: int,
) -> dict[str, Item]:
    quantised = functools.cache(lambda modality: _cells(data, modality, num_cells, recipe))

    def work(first: str, second: str) -> Row:
        use = _usable(data, first, second, recipe)
        label = np.unique(data.label[use], return_inverse=True)[1]
        row = pair_row(
            item_key(seed, f"{name}-{first}-{second}"),
            f"{name} {first}, {second}",
            quantised(first)[use],
            quantised(second)[use],
            label,
            sizes=(side, side, int(label.max()) + 1),
            repetitions=repetitions,
        )
        return {"kind": "real", **row}

    return {
        f"{_plain(name)}-{number:03d}-{_plain(first)}-{_plain(second)}": functools.partial(work, first, second)
        for number, (first, second) in enumerate(pairs)
    }


def _cells(data: MultimodalData, modality: str, num_cells: int, recipe: Recipe) -> Ids:
    present = data.masks[modality]
    fit = present & _fitting(data.split, recipe, len(present))
    if not fit.any():
        raise UserError(f"no sample of {modality!r} is present in the part from which cells are found")
    return cells(data.modalities[modality], num_cells, recipe=recipe, fit=fit)


def _fitting(split: NDArray[np.int8] | None, recipe: Recipe, count: int) -> NDArray[np.bool_]:
    """Return the samples that cells are found from: all but test ones, or in the public recipe these."""
    if split is None or not np.any(split != _TEST):
        return np.ones(count, bool)
    return split == _TEST if recipe == "repo" else split != _TEST


def _usable(data: MultimodalData, first: str, second: str, recipe: Recipe) -> NDArray[np.bool_]:
    """Return the labelled samples that have both modalities; in the public recipe those of the test split."""
    use = (data.label >= 0) & data.masks[first] & data.masks[second]
    return use & (data.split == _TEST) if recipe == "repo" and data.split is not None else use


def _all_pairs(data: MultimodalData) -> list[tuple[str, str]]:
    return list(itertools.combinations(data.modalities, 2))


def _plain(name: str) -> str:
    """Return a name as part of a file name."""
    return "".join(character if character.isascii() and character.isalnum() else "_" for character in name)
