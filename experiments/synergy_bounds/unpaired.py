"""Experiments, synergy_bounds: a file in the papers' own setting, labelled single modalities and unlabelled pairs.

What it asks is of Liang et al. 2023 (arXiv 2306.04539): how much would labelling the pairs add, and is it worth it?
"""

from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from numpy.typing import NDArray

from experiments.harness import Item, Row, Rows, Table, UserError
from experiments.synergy_bounds.measurement import column, item_key
from experiments.synergy_bounds.samples import Ids, Recipe, cells
from mmjax import information, synergy
from mmjax.data import UnpairedData, load_unpaired_npz
from mmjax.synergy import AccuracyBounds, SampleBounds


def unpaired_items(path: Path, seed: int, num_cells: int, recipe: Recipe, num_replicates: int) -> Mapping[str, Item]:
    """Return the one item of an unpaired file."""
    data = load_unpaired_npz(path)
    only_one = np.setxor1d(data.y1, data.y2)
    if only_one.size:
        raise UserError(
            f"{path}: class {only_one[0]} is in only one of y1 and y2; both must be samples of the same classes"
        )
    return {"unpaired": lambda: _row(item_key(seed, "unpaired"), path.name, data, num_cells, recipe, num_replicates)}


def unpaired_table(rows: Rows, how: str) -> Table:
    """Return what the three samples say about labelled pairs."""
    columns = {
        "file": "pair",
        "R": "redundancy",
        "U1": "unique1",
        "U2": "unique2",
        "lower bound": "lower",
        "upper bound": "upper",
        "interval from": "interval_lower",
        "interval to": "interval_upper",
        "accuracy x1": "accuracy1",
        "accuracy x2": "accuracy2",
        "accuracy from": "accuracy_lower",
        "accuracy to": "accuracy_upper",
        "disagreement": "disagreement",
        "expected": "expected_disagreement",
        "moved": "moved",
    }
    frame = pd.DataFrame({heading: column(rows, field) for heading, field in columns.items()})
    counts = "; ".join(f"{row['n1']} and {row['n2']} labelled samples, {row['m']} pairs" for row in rows)
    return Table(
        "What labelled pairs could add",
        frame,
        f"Bits, of the quantised data ({how}); {counts}. Bounds on S, and the interval that covers both for the "
        "population (95 %, bootstrap). Accuracies of the best classifiers of the cells: of one modality, and the range "
        "of what fusion reaches. Disagreement: the largest total variation of a shared marginal between samples; "
        "expected: what sampling alone gives. Where it is several times larger the samples are not of one population. "
        "Moved: how far a table was moved to have a joint distribution with the others, for which the bounds are "
        "rigorous.",
    )


def _row(key: Array, name: str, data: UnpairedData, num_cells: int, recipe: Recipe, num_replicates: int) -> Row:
    y1, y2 = (np.unique(y, return_inverse=True)[1] for y in (data.y1, data.y2))
    x1, pair1 = _cells(data.x1_labelled, data.x1_paired, num_cells, recipe)
    x2, pair2 = _cells(data.x2_labelled, data.x2_paired, num_cells, recipe)
    samples = ((x1, y1), (x2, y2), (pair1, pair2))
    sizes = (num_cells, num_cells, int(y1.max()) + 1)
    with jax.enable_x64(True):
        ids = [(jnp.asarray(a, jnp.int32), jnp.asarray(b, jnp.int32)) for a, b in samples]
        result = synergy.bounds_from_samples(key, *ids, sizes=sizes, num_replicates=num_replicates)
        tables = [_table(*pair, shape) for pair, shape in zip(samples[:2], (sizes[::2], sizes[1:]), strict=True)]
        p1y, p2y = tables
        accuracy = _accuracy(result)
        return {
            "kind": "unpaired",
            "pair": name,
            "n1": len(x1),
            "n2": len(x2),
            "m": len(pair1),
            "synergy": None,
            **{field: float(value) for field, value in result.estimate._asdict().items()},
            "interval_lower": float(result.lower),
            "interval_upper": float(result.upper),
            "accuracy1": float(jnp.sum(jnp.max(p1y, axis=1))),
            "accuracy2": float(jnp.sum(jnp.max(p2y, axis=1))),
            "accuracy_lower": float(accuracy.lower),
            "accuracy_upper": float(accuracy.upper),
            "disagreement": float(result.disagreement),
            "expected_disagreement": float(result.expected_disagreement),
            "moved": float(result.projection_distance + result.joint_distance),
        }


def _accuracy(result: SampleBounds) -> AccuracyBounds:
    """Bound the accuracy of fusion from the bounds on the information and the tables that they are about."""
    label = information.entropy(jnp.sum(result.marginals.p1y, axis=0))
    ends = (label - result.estimate.information_upper, label - result.estimate.information_lower)
    return synergy.accuracy_from_conditional_entropy(*ends, *result.marginals)


def _cells(
    labelled: NDArray[np.generic], paired: NDArray[np.generic], num_cells: int, recipe: Recipe
) -> tuple[Ids, Ids]:
    """Cut the samples of a modality into cells, found from all of them."""
    together = np.concatenate([labelled, paired])
    ids = cells(together, num_cells, recipe=recipe, fit=np.ones(len(together), bool))
    return ids[: len(labelled)], ids[len(labelled) :]


def _table(a: Ids, b: Ids, shape: tuple[int, ...]) -> Array:
    counts = np.zeros(shape)
    np.add.at(counts, (a, b), 1)
    return jnp.asarray(counts / counts.sum())
