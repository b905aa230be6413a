"""Experiments, competition: the tables: every method at its best settings, beside joint training and the ensemble."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.competition.data import catalogue
from experiments.competition.methods import BASIC, METHODS
from experiments.harness import Rows, Table
from mmjax import sweep
from mmjax.training import mean_interval

ACCURACY = "test/accuracy"
SHARE = "test/share/"
BASELINES = ("joint", "ensemble")


def chosen_trials(rows: Rows) -> pd.DataFrame:
    """Return the trials of the settings that each method's validation loss chose, all seeds."""
    trials = pd.DataFrame(rows)
    trials = trials.assign(data=[Path(name).name for name in trials["data"]])
    parts = []
    for (_, _, method), group in trials.groupby(["data", "head", "method"], sort=False):
        over = [*BASIC, *METHODS[str(method)].grid]
        tried = len(group[over].drop_duplicates())
        best = sweep.select(group, by=["data", "head", "method"], over=over)
        parts.append(best.assign(**{"settings tried": tried}))
    return pd.concat(parts, ignore_index=True)


def comparisons(best: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Yield data set and head, and a line a method: accuracy, differences, rank, by falling accuracy."""
    for (data, head), group in best.groupby(["data", "head"], sort=False):
        lines = [_line(group, method) for method in dict.fromkeys(group["method"])]
        frame = pd.DataFrame(lines).sort_values("accuracy", ascending=False, kind="stable")
        yield (str(data), str(head)), frame.reset_index(drop=True)


def comparison_tables(best: pd.DataFrame, num_seeds: int) -> Sequence[Table]:
    """Return a table for each data set and head."""
    return [
        Table(f"{data}, head {head}", frame, f"{_about(data)}{_note(data, num_seeds)}")
        for (data, head), frame in comparisons(best)
    ]


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
    line["tried"] = int(own["settings tried"].iloc[0])
    line["chosen"] = ", ".join(f"{name} {own[name].iloc[0]:g}" for name in [*BASIC, *METHODS[method].grid])
    return line


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
    return f"Data: {found.about}.{best} "


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
        "without each modality."
    )
