"""Experiments, fusion value: the tables."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest, norm

from experiments.fusion_value.config import Config
from experiments.fusion_value.sets import sets_of
from experiments.harness import Rows, Table
from mmjax import sweep

LEVEL = 0.95
GAINS = {"unimodal": "better modality", "least": "fusion adds at least", "most": "at most"}
ROUNDING = 1e-3
"""By which an end may miss what is reached: that of the solvers behind the published bounds is of this order."""


def tables(config: Config, rows: Rows) -> Sequence[Table]:
    """Return ranges beside what is reached, how many ranges hold, and what labelled pairs buy."""
    frame = beside(config, rows)
    made = [_decisions(config, rows), _ranges(config, frame), _holding(frame), labelling(rows), _raw(rows)]
    return [table for table in made if len(table.frame)]


def beside(config: Config, rows: Rows) -> pd.DataFrame:
    """Return each data set's range beside the test accuracy of the head and rate of least validation loss."""
    sets = sets_of(config)
    trials = pd.DataFrame([row for row in rows if "head" in row])
    trials["set"] = [list(sets)[int(place)] for place in trials["set"]]
    best = sweep.select(trials, by=["set"], over=["head", "learning_rate"])
    reached = best.set_index("set")[["head", "test/accuracy"]].rename(columns={"test/accuracy": "reached"})
    frame = pd.DataFrame([row for row in rows if row.get("kind") == "range"]).set_index("set").join(reached)
    num_test = np.array([int(np.sum(sets[name].part == 2)) for name in frame.index])
    frame["error"] = norm.ppf((1 + LEVEL) / 2) * np.sqrt(frame["reached"] * (1 - frame["reached"]) / num_test)
    return frame


def holds(frame: pd.DataFrame, lower: str, upper: str) -> tuple[pd.Series, pd.Series]:
    """Say of each data set whether the ends of a range hold for what is reached, within the test samples' interval."""
    above = frame["reached"] + frame["error"] >= frame[lower] - ROUNDING
    below = frame["reached"] - frame["error"] <= frame[upper] + ROUNDING
    return above, below


def _ranges(config: Config, frame: pd.DataFrame) -> Table:
    names = ["samples", "unimodal", "lower", "upper", "reached", "head", "published lower", "published upper"]
    shown = frame[names].copy()
    for title, ends in (("inside", ("lower", "upper")), ("inside published", ("published lower", "published upper"))):
        above, below = holds(frame, *ends)
        shown[title] = np.where(above & below, "yes", np.where(above, "upper end too low", "lower end too high"))
    note = (
        "Lower and upper: the exact range of the accuracy of the best classifier of both modalities' cells, from "
        f"p(x1, y), p(x2, y) and p(x1, x2) of {config.rows} samples; no label of a pair enters. Unimodal: accuracy of "
        "the better modality. Reached: test accuracy of the head and learning rate of least validation loss, trained "
        "on labelled "
        f"pairs. Inside: whether its 95 % interval meets the range, to .001{_inexact(frame)}. Published: 2^(I - H(Y)) "
        "and (I + 1) / log2 of the number of classes (arXiv 2306.04539), with the synergy bounds of the public code in "
        "I, three of which are no bounds."
    )
    return Table("Accuracy that fusion can have, and has", shown.reset_index(), note)


def _decisions(config: Config, rows: Rows) -> Table:
    """Return the verdicts on a file's pairs of modalities."""
    made = [
        {
            "pair": row["set"],
            "samples": row["samples"],
            **{f"{name} [95 %]": _with_ends(row[field]) for field, name in GAINS.items()},
            "verdict": row["verdict"],
            "but": "; ".join(row["caveats"]),
        }
        for row in rows
        if row.get("kind") == "decision"
    ]
    note = (
        f"Whether fusion adds {config.margin} to the accuracy of the better modality. Labels of single modalities and "
        "pairs without labels enter, no label of a pair. Adds at least, at most: the exact range of the accuracy of "
        "the best classifier of both modalities' cells, less that of the better one. It is about cells: of the raw "
        "modalities a network may see more. Intervals: from subsamples, approximate, not corrected for many pairs; "
        f"rows: {config.rows}."
    )
    return Table("Will fusion pay?", pd.DataFrame(made), note)


def _with_ends(interval: Sequence[float]) -> str:
    estimate, low, high = interval
    return f"{estimate:.3f} [{low:.3f}, {high:.3f}]"


def _inexact(frame: pd.DataFrame) -> str:
    late = [str(name) for name, exact in frame["exact"].items() if not exact]
    return f". Ends of {', '.join(late)} hold, but the time limit was hit before they were exact" if late else ""


def _holding(frame: pd.DataFrame) -> Table:
    ranges = {"exact": ("lower", "upper"), "published": ("published lower", "published upper")}
    made = []
    for name, ends in ranges.items():
        above, below = holds(frame, *ends)
        interval = binomtest(int((above & below).sum()), len(frame)).proportion_ci(LEVEL, method="exact")
        lower, upper = (frame[end] for end in ends)
        made.append(
            {
                "range": name,
                "data sets": len(frame),
                "hold": int((above & below).sum()),
                "share": float((above & below).mean()),
                "low": interval.low,
                "high": interval.high,
                "lower end too high": int((~above).sum()),
                "upper end too low": int((~below).sum()),
                "upper end above 1": int((upper > 1 + ROUNDING).sum()),
                "mean width": float((upper.clip(upper=1) - lower).mean()),
            }
        )
    note = (
        "In how many data sets the range meets the 95 % interval of what is reached, with the Clopper-Pearson interval "
        "of the share. Width: of the part of the range up to 1."
    )
    return Table("Ranges that hold", pd.DataFrame(made), note)


def _raw(rows: Rows) -> Table:
    trials = pd.DataFrame([row for row in rows if "source" in row])
    made = [
        {
            "data": source,
            "chance": group["test/chance"].mean(),
            "proven": group["test/bound"].mean(),
            "least": group["test/bound"].min(),
            "most": group["test/bound"].max(),
            "reached": group["test/accuracy"].mean(),
            "draws": len(group),
            "proven holds in": int((group["test/bound"] <= group["test/accuracy"]).sum()),
        }
        for source, group in (trials.groupby("source", sort=False) if len(trials) else ())
    ]
    note = (
        "Modalities as they are, not in cells. Proven: accuracy that the best classifier of both has at least, by "
        "logits trained on labelled samples of each modality and other, unlabelled pairs, one-sided 95 %; mean, least "
        "and most over draws of data. Reached: test accuracy of a head on two perceptrons, trained on all samples as "
        "labelled pairs; where it is below what is proven, training may have failed, not the bound."
    )
    return Table("What unpaired labels prove of raw modalities", pd.DataFrame(made), note)


def labelling(rows: Rows) -> Table:
    """Return the width of the range by labelled pairs, and the share of draws."""
    frame = pd.DataFrame([row for row in rows if row.get("kind") == "labelling"])
    free = {row["set"]: row["upper"] - row["lower"] for row in rows if row.get("kind") == "range"}
    frame["width"] = (frame["upper"] - frame["lower"]).fillna(frame["set"].map(free))
    grouped = frame.groupby(["set", "labelled"], sort=False)["width"]
    means = grouped.agg(["mean", "min", "max"]).reset_index()
    means["of none labelled"] = means["mean"] / means["set"].map(free)
    means = means.rename(columns={"labelled": "labelled pairs", "mean": "width", "min": "least", "max": "most"})
    note = (
        "Width of the range of the accuracy, mean, least and most over draws of so many labelled pairs: their "
        "simultaneous 95 % intervals bound every entry of the joint, beside the three marginals. Few pairs say little "
        "about many entries. Where they miss and leave no joint, the width is that of none labelled."
    )
    return Table("What labelled pairs buy", means, note)
