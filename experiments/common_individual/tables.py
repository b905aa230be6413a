"""Experiments, common and individual: the tables."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from experiments.common_individual.config import Config
from experiments.common_individual.requirements import REQUIREMENTS, Requirement
from experiments.harness import Row, Rows, Table

READ_OFF = ("C to z", "C to u", "I to z", "I to u")
_EXPLAINED = (
    "z: what the views share, u: what a view has alone, C: common, I: individual variates. Entries: share of the "
    "variance of the factor that ridge regression predicts in test samples; cosines: from 400 random cosines beside. "
    "Means over seeds and views."
)
_OURS = (
    "The framework is that of the abstract of Shi and Niethammer (arXiv 2305.03125); their formulae, data and numbers "
    "were not available to us, so no published number stands beside."
)


def tables(config: Config, rows: Rows) -> Sequence[Table]:
    """Return a table for each kind of data that was run."""
    spectra, probed = ([row for row in rows if name in row] for name in ("p-values", "num_common"))
    made = [_factor_table(rows), _image_table(rows), _requirement_table(rows), _spectrum_table(spectra)]
    return [table for table in (*made, *map(_class_table, probed)) if len(table.frame)]


def _factor_table(rows: Rows) -> Table:
    chosen = [row for row in rows if "C to z, cosines" in row]
    frame = pd.DataFrame([_factor_row(group) for group in _systems(chosen)])
    return Table("Common and individual variates of known factors", frame, f"{_EXPLAINED} {_OURS}")


def _factor_row(group: Rows) -> Row:
    cosines = {f"{name}, cosines": _mean(group, f"{name}, cosines") for name in READ_OFF}
    sums = {"correlations, test": _mean(group, "sum, test")}
    return _names(group) | sums | {name: _mean(group, name) for name in READ_OFF} | cosines


def _image_table(rows: Rows) -> Table:
    chosen = [row for row in rows if "common in region" in row]
    columns = ("C to z", "I to z", "I to u", *_region_columns(chosen))
    frame = pd.DataFrame([_names(group) | {name: _mean(group, name) for name in columns} for group in _systems(chosen)])
    note = (
        "z is one of 8 classes (accuracy; chance 0.125), u the weights of textures (variance explained). In region: "
        "share of squared gradients by the pixels inside the box that shows what is shared, 0.1225 of the image; in "
        "the other view's region: the same with boxes swapped. Means over seeds and views."
    )
    return Table("Where in images scores come from", frame, note)


def _requirement_table(rows: Rows) -> Table:
    made = [_requirement_row(rows, requirement) for requirement in REQUIREMENTS]
    frame = pd.DataFrame([row for row in made if row is not None])
    note = "Demanded of the worst number over seeds and views, and set before the runs. Of controls: that they fail."
    return Table("What was demanded", frame, note)


def _requirement_row(rows: Rows, of: Requirement) -> Row | None:
    chosen = [row for row in rows if row["setting"] == of.setting and row.get("system") == of.system]
    numbers = _numbers(chosen, of.quantity) if of.quantity != "gain in sum" else _gains(rows, chosen)
    if not len(numbers):
        return None
    worst = float(np.min(numbers) if of.at_least else np.max(numbers))
    met = worst >= of.bound if of.at_least else worst <= of.bound
    bound = f"{'at least' if of.at_least else 'at most'} {of.bound:g}"
    return _names(chosen) | {"quantity": of.quantity, "demanded": bound, "worst": worst, "met": "yes" if met else "no"}


def _gains(rows: Rows, chosen: Rows) -> np.ndarray:
    """Return by how much correlations in test samples are larger than those of linear heads, seed by seed."""
    linear = {
        row["seed"]: row["sum"] for row in rows if row["setting"] == "nonlinear" and row["system"] == "linear heads"
    }
    return np.array([row["sum, test"] - linear[row["seed"]] for row in chosen if row["seed"] in linear])


def _spectrum_table(rows: Rows) -> Table:
    frame = pd.DataFrame(
        [
            {"views": row["views"], "component": j + 1, "correlation": rho, "p": p, "held out": held_out}
            for row in rows
            for j, (rho, p, held_out) in enumerate(
                zip(row["correlations"], row["p-values"], row["held out"], strict=True)
            )
        ]
    )
    note = (
        "Of principal components of each pair of views, at most ten correlations. p: of the hypothesis that nothing is "
        "left from this component on, by permutations. Held out: correlation of the variates in test samples."
    )
    return Table("Canonical correlations", frame, note)


def _class_table(row: Row) -> Table:
    parts = ("all features", "common", "individual", "both")
    frame = pd.DataFrame(
        [{"view": view} | {part: row[part][k] for part in parts} for k, view in enumerate(row["views"])]
    )
    note = (
        f"Test accuracy of logistic regression; the largest class: {row['chance']:.4f}. {row['num_common']} common "
        f"components; individual ones: {', '.join(map(str, row['num_individual']))}."
    )
    return Table(f"What common and individual parts of {row['setting']} tell of the class", frame, note)


def _systems(rows: Rows) -> Iterable[Rows]:
    """Return the rows of each system of each setting, in their order."""
    groups: dict[tuple[str, str], Rows] = {}
    for row in rows:
        groups.setdefault((row["setting"], row["system"]), []).append(row)
    return groups.values()


def _names(group: Rows) -> Row:
    return {"data": group[0]["setting"], "system": group[0]["system"]}


def _region_columns(rows: Rows) -> list[str]:
    return [name for name in (rows[0] if rows else {}) if "region" in name and name != "ratio in region"]


def _numbers(rows: Rows, quantity: str) -> np.ndarray:
    return np.concatenate([np.atleast_1d(row[quantity]) for row in rows if quantity in row] or [np.empty(0)])


def _mean(rows: Rows, quantity: str) -> float:
    return float(np.mean(_numbers(rows, quantity)))
