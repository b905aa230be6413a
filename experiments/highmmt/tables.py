"""Experiments, HighMMT: the tables."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from experiments.harness import Row, Rows, Table
from experiments.highmmt import published
from experiments.highmmt.adaptation_tables import of_adaptation
from experiments.highmmt.config import Config
from experiments.highmmt.intervals import accuracies_of, difference
from experiments.highmmt.pair_tables import of_pairs, of_views
from experiments.highmmt.surrogate_tables import surrogates
from mmjax.training import mean_interval

_NAMES = {
    "sharing": "Sharing plans",
    "homogeneous": "Sharing plans where all modalities are alike",
    "views": "Sharing plans of the data",
}
_ABOUT = {
    "sharing": (
        "Groups by transfer know nothing of the truth: their numbers follow from a budget of parameters. Pre-trained: "
        "copies of a model that shares all for the first half of the steps. Wider: as many parameters as groups by "
        "transfer, or more, all shared. "
    ),
    "homogeneous": (
        "Control: all sequences are shown alike, so that sharing everything should be best, groups only cost, and true "
        "groups of encoders be worth no more than the same ones shuffled. "
    ),
    "views": "No truth is known. The selected third of pairs is the one above; the other models fuse all pairs. ",
}


def tables(config: Config, rows: Rows) -> Sequence[Table]:
    """Return the tables of the parts that were run, and the published ones."""
    sharing = (_sharing(rows, part) for part in _NAMES)
    made = [
        _distances(rows),
        *sharing,
        _growth(rows),
        of_pairs(rows),
        *of_views(rows),
        *of_adaptation(rows),
        surrogates(config, rows),
    ]
    return [*(table for table in made if len(table.frame)), *published.tables()]


def _distances(rows: Rows) -> Table:
    frame = pd.DataFrame(
        [
            {
                "of": part,
                "steps on the target": steps,
                "nodes": len(group[0]["names"]),
                "clusters": len(set(group[0]["truth"])),
                "Rand index": _mean(group, "Rand index"),
                "least": min(row["Rand index"] for row in group),
                "alike, bits": _mean(group, "alike"),
                "apart, bits": _mean(group, "apart"),
                "standard error, bits": _mean(group, "standard error"),
                "triangles": _mean(group, "triangles"),
                "seconds": _mean(group, "seconds"),
            }
            for (part, steps), group in _grouped((row for row in rows if "distance" in row), "part", "steps")
        ]
    )
    note = (
        "Distances by transfer: what starting from another node's model costs, both ways, costs below 0 counted as 0. "
        "Without a step on the target its head is the source's; with steps it is new. Rand index: adjusted, of "
        "clusters by average linkage against the true ones, the mean and the least over seeds. Alike, apart: mean "
        "distance of nodes of one true cluster and of two. Standard error: of one direction, from validation samples. "
        "Triangles: share of distinct triples with the triangle inequality. Seconds: of all fits of a seed, as one "
        "compiled program; the first seed's include compiling."
    )
    return Table("Distances of modalities and interactions", frame, note)


def _sharing(rows: Rows, part: str) -> Table:
    chosen = [row for row in rows if row["part"] == part and "plan" in row]
    by_plan = {str(name): group for (name,), group in _grouped(chosen, "plan")}
    frame = pd.DataFrame([_plan_row(group, by_plan) for group in by_plan.values()])
    if len(frame):
        frame = frame.sort_values("accuracy", ascending=False)
    note = (
        f"{_ABOUT[part]}Mean test accuracy of all tasks, over seeds, with 95 % interval (Student's t); differences in "
        "percentage points, paired by seed. All plans have the same samples, steps and learning rates to choose from, "
        "and the plans that group, but for true groups, have the same numbers of groups."
    )
    return Table(_NAMES[part], frame, note)


def _plan_row(group: Rows, by_plan: dict[str, Rows]) -> Row:
    accuracies = accuracies_of(group)
    interval = mean_interval(accuracies)
    row: Row = {
        "plan": group[0]["plan"],
        "encoders": _mean(group, "groups", 0),
        "crossmodal": _mean(group, "groups", 1),
        "parameters": _mean(group, "parameters"),
        "accuracy": interval.mean,
        "low": interval.low,
        "high": interval.high,
    }
    for other in ("share all", "share none"):
        row[f"minus {other}"] = difference(accuracies, accuracies_of(by_plan[other])) if row["plan"] != other else ""
    return row


def _growth(rows: Rows) -> Table:
    chosen = [row for row in rows if row["part"] == "growth"]
    groups = list(_grouped(chosen, "label"))
    made, last = [], None
    for (label,), group in groups:
        accuracies = accuracies_of(group)
        interval = mean_interval(accuracies)
        gain = "" if last is None else difference(accuracies, last)
        made.append({"modalities": label, "accuracy": interval.mean, "low": interval.low, "high": interval.high})
        made[-1]["gain"] = gain
        last = accuracies
    note = (
        "Test accuracy of models of the first modality, of the first two, and so on, all of which show the same "
        "factors with noise of their own; the last one added is noise alone and should not help. Gain: percentage "
        "points over the row above, paired by seed."
    )
    return Table("One modality after the other", pd.DataFrame(made), note)


def _grouped(rows: Iterable[Row], *names: str) -> Iterable[tuple[tuple[object, ...], Rows]]:
    groups: dict[tuple[object, ...], Rows] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups.items()


def _mean(rows: Rows, name: str, place: int | None = None) -> float:
    return float(np.mean([row[name] if place is None else row[name][place] for row in rows]))
