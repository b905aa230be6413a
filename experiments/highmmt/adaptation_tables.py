"""Experiments, HighMMT: the tables of transfer to a new task, few samples, interference and involvement."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.harness import Row, Rows, Table
from experiments.highmmt.intervals import accuracies_of, difference
from mmjax.training import mean_interval


def of_adaptation(rows: Rows) -> Sequence[Table]:
    """Return the tables of the part; those of nothing are empty."""
    studies = ("transfer", "few samples", "interference", "involvement")
    of = {study: [row for row in rows if row.get("study") == study] for study in studies}
    return [
        _transfer(of["transfer"]),
        _few_samples(of["few samples"]),
        _interference(of["interference"]),
        _victims(of["interference"]),
        _involvement(of["involvement"]),
    ]


def _transfer(rows: Rows) -> Table:
    by_number: dict[int, Rows] = {}
    for row in rows:
        by_number.setdefault(len(row["sources"]), []).append(row)
    frame = pd.DataFrame(
        [
            {
                "source tasks": number,
                **_accuracy(group),
                "gain": difference(accuracies_of(group), accuracies_of(by_number[0])) if number else "",
            }
            for number, group in by_number.items()
        ]
    )
    note = (
        "Test accuracy on a task that the model has not seen, after training on some other tasks, drawn at random, and "
        "then for a sixth as many steps on a tenth of the task's training samples. Everything is shared, the head is "
        "new. Gain: percentage points over no source task, paired by seed, with 95 % interval (Student's t)."
    )
    return Table("Transfer to a new task", frame, note)


def _few_samples(rows: Rows) -> Table:
    made = []
    for share in dict.fromkeys(row["share"] for row in rows):
        groups = {
            way: [row for row in rows if row["share"] == share and row["way"] == way] for way in ("alone", "with all")
        }
        alone, joint = (accuracies_of(groups[way]) for way in ("alone", "with all"))
        made.append(
            {
                "share of samples": share,
                "alone": float(np.mean(alone)),
                "with all other tasks": float(np.mean(joint)),
                "gain": difference(joint, alone),
            }
        )
    note = (
        "Test accuracy on one task, of which there is a share of the training samples, trained alone and with all "
        "samples of all other tasks, its own loss weighing three times as much; the task's validation samples, of "
        "which there are all, choose the model. Steps are as many, and of as many samples of the task, repeated where "
        "they are few. Gain: percentage points, paired by seed, with 95 % interval (Student's t)."
    )
    return Table("Few samples of a task", pd.DataFrame(made), note)


def _interference(rows: Rows) -> Table:
    made = []
    for plan, trained in dict.fromkeys((row["plan"], row["trained"]) for row in rows):
        chosen = [row for row in rows if (row["plan"], row["trained"]) == (plan, trained)]
        others = np.array([change for row in chosen for change in _others(row).values()])
        made.append(
            {
                "plan": plan,
                "trained": trained,
                "the task itself": _points(np.mean([row["changes"][row["task"]] for row in chosen])),
                "other tasks": _points(others.mean()),
                "worst other": _points(others.min()),
                "others that lose 5 points": float(np.mean(others <= -0.05)),
                "others unchanged": float(np.mean(others == 0)),
            }
        )
    note = (
        "A trained model of all tasks is trained on one of them with wrong labels, for a sixth as many steps: change "
        "of test accuracies under the true labels, in percentage points, means over tasks and seeds. Where encoders "
        "or crossmodal stacks alone are trained, all else is held, heads too; tasks of one modality have no crossmodal "
        "stack. Others that lose 5 points, or change not at all: shares."
    )
    return Table("Interference of one task with the others", pd.DataFrame(made), note)


def _victims(rows: Rows) -> Table:
    chosen = [row for row in rows if (row["plan"], row["trained"]) == ("share all", "all")]
    made = []
    for task in dict.fromkeys(row["task"] for row in chosen):
        changes = pd.DataFrame([row["changes"] for row in chosen if row["task"] == task]).mean()
        others = changes.drop(task)
        made.append(
            {
                "wrong labels of": task,
                "the task itself": _points(changes[task]),
                "other tasks": _points(others.mean()),
                "worst other": _points(others.min()),
                "which is": others.idxmin(),
            }
        )
    note = (
        "Each task's share in the first row of the table above: all parameters trained, all shared; means over seeds."
    )
    return Table("Interference by task", pd.DataFrame(made), note)


def _involvement(rows: Rows) -> Table:
    made = []
    for part in dict.fromkeys(row["of"] for row in rows):
        shares = np.mean([row["shares"] for row in rows if row["of"] == part], axis=0)
        made.append({"parameters of": part, **{str(number): float(x) for number, x in enumerate(shares, start=1)}})
    note = (
        "Share of the parameters of the model that shares all that are involved in so many tasks: the mean absolute "
        "derivative of the true class's probability is above a fifth of the largest over tasks. Only tasks of "
        "several modalities have crossmodal stacks. Means over seeds."
    )
    return Table("Involvement of parameters, by number of tasks", pd.DataFrame(made), note)


def _accuracy(rows: Rows) -> Row:
    interval = mean_interval(accuracies_of(rows))
    return {"accuracy": interval.mean, "low": interval.low, "high": interval.high}


def _points(change: float) -> str:
    return f"{100 * change:+.1f}"


def _others(row: Row) -> dict[str, float]:
    return {task: change for task, change in row["changes"].items() if task != row["task"]}
