"""Experiments, competition: the tables: every method at its best settings, beside joint training and the ensemble."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.competition.columns import PUBLISHED
from experiments.competition.data import catalogue
from experiments.competition.methods import BASIC, METHODS
from experiments.harness import Rows, Table
from mmjax import sweep
from mmjax.training import mean_interval

ACCURACY = "test/accuracy"
SHARE = "test/share/"
BASELINES = ("joint", "ensemble")


def shown(data: str) -> str:
    """Return a data set's name, or that of a file without its folder."""
    return Path(data).name


def rows_with(rows: Rows, column: str) -> pd.DataFrame:
    """Return the rows that have a column, data sets as they are shown; empty where there are none."""
    frame = pd.DataFrame([row for row in rows if column in row])
    return frame.assign(data=[shown(name) for name in frame["data"]]) if len(frame) else frame


def chosen_trials(rows: Rows) -> pd.DataFrame:
    """Return the trials of the settings that each method's validation loss chose, all seeds."""
    parts = []
    for _, group in rows_with(rows, ACCURACY).groupby(["data", "head", "method"], sort=False):
        over = _hyper_parameters(group.iloc[0])
        tried = len(group[over].drop_duplicates())
        best = sweep.select(group, by=["data", "head", "method"], over=over)
        said = ", ".join(f"{name} {best[name].iloc[0]:g}" for name in over)
        parts.append(best.assign(tried=tried, chosen=said))
    return pd.concat(parts, ignore_index=True)


def _hyper_parameters(row: "pd.Series[object]") -> list[str]:
    column, method = row.get("column"), str(row["method"])
    return list(PUBLISHED[str(column)].own[method]) if column else [*BASIC, *METHODS[method].grid]


def comparisons(best: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Yield data set and head, and a line a method: accuracy, differences, rank, by falling accuracy."""
    for (data, head), group in best.groupby(["data", "head"], sort=False):
        lines = [_line(group, method) for method in dict.fromkeys(group["method"])]
        frame = pd.DataFrame(lines).sort_values("accuracy", ascending=False, kind="stable")
        yield (str(data), str(head)), frame.reset_index(drop=True)


def comparison_tables(rows: Rows, num_seeds: int) -> Sequence[Table]:
    """Return a table for each data set and head."""
    costs, ceilings = rows_with(rows, "cost"), rows_with(rows, "ceiling")
    found = []
    for (data, head), frame in comparisons(chosen_trials(rows)):
        own = costs[(costs["data"] == data) & (costs["head"] == head)].set_index("method")["cost"]
        frame.insert(frame.columns.get_loc("tried"), "cost", [own[name] for name in frame["method"]])
        note = f"{_about(data)}{_ceiling(ceilings, data)}{_note(data, num_seeds)}"
        found.append(Table(f"{data}, head {head}", frame, note))
    return found


def _line(group: pd.DataFrame, method: str) -> dict[str, object]:
    own = group[group["method"] == method]
    mean, low, high, _ = mean_interval(own[ACCURACY].to_numpy())
    line: dict[str, object] = {"method": method, "accuracy": mean, "low": low, "high": high}
    for baseline in BASELINES:
        line[f"minus {baseline}"] = _difference(group, method, baseline)
    ranks = group.pivot(index="seed", columns="method", values=ACCURACY).rank(axis=1, ascending=False)
    line["mean rank"] = f"{ranks[method].mean():.1f}"
    line["loss"] = own["test/loss"].mean()
    shares = [name for name in own if name.startswith(SHARE) and own[name].notna().all()]
    line["Shapley values"] = ", ".join(f"{name.removeprefix(SHARE)} {own[name].mean():.2f}" for name in shares)
    return line | {name: own[name].iloc[0] for name in ("tried", "chosen")}


def _difference(group: pd.DataFrame, method: str, baseline: str) -> str:
    if method == baseline or baseline not in set(group["method"]):
        return ""
    pair = sweep.differences(
        group[group["method"].isin([method, baseline])], by="method", baseline=baseline, metric=ACCURACY
    )
    mean, low, high = (100 * float(pair[name].iloc[0]) for name in ("difference", "low", "high"))
    return f"{mean:+.1f}" if np.isnan(low) else f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def _about(name: str) -> str:
    if name not in catalogue():
        return ""
    found = catalogue()[name]
    best = "" if found.best is None else f" No classifier is right more often than {found.best:.4f}."
    additive = f" {found.additive}." if found.additive else ""
    return f"Data: {found.about}.{best}{additive} "


def _ceiling(ceilings: pd.DataFrame, name: str) -> str:
    for row in ceilings[ceilings["data"] == name].itertuples() if len(ceilings) else ():
        return (
            f"Of the training data, each modality cut into clusters, logits that are a sum of unimodal terms can have "
            f"{row.ceiling:.2f} of the {row.joint:.2f} bit that both clusters tell together (plug-in estimates, both "
            "too high with few samples a cell). "
        )
    return ""


def _note(name: str, num_seeds: int) -> str:
    drawn = (
        "each with data and initial parameters of its own"
        if name in catalogue()
        else "of initial parameters, all on one split of the data, whose own error is not in the intervals"
    )
    return (
        f"Test accuracy: mean over {num_seeds} seeds, {drawn}, and its 95 % interval (Student's t). Differences in "
        "percentage points, paired by seed; their intervals are not corrected for the number of methods. Every method "
        "has the same encoders, batches and number of evaluations, and chooses its settings and the evaluation by its "
        "own validation loss; some try more settings than others. Frozen and fine-tuned encoders are trained alone in "
        "a part of the run, MLA makes a step a modality with each batch, gradient blending spends evaluations on "
        "probes, and the ensemble has one learning rate for all modalities. Shapley values: of the accuracy, with and "
        "without each modality. Cost: time between two evaluations of one run by itself, over that of joint training."
    )
