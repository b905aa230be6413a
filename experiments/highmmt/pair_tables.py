"""Experiments, HighMMT: the tables of pairs to fuse, and of data without a known truth."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.harness import Row, Rows, Table
from experiments.highmmt.intervals import difference
from mmjax.training import mean_interval


def of_pairs(rows: Rows) -> Table:
    """Return the accuracy of models of all pairs and of fewer."""
    by_seed: dict[str, dict[int, list[float]]] = {}
    numbers: dict[str, int] = {}
    for row in (row for row in rows if row["part"] == "pairs"):
        name = "random third" if row["selection"].startswith("random third") else row["selection"]
        by_seed.setdefault(name, {}).setdefault(row["seed"], []).append(row["accuracy"])
        numbers[name] = len(row["pairs"])
    accuracies = {
        name: [float(np.mean(of_seed[seed])) for seed in sorted(of_seed)] for name, of_seed in by_seed.items()
    }
    made = [_selection(name, numbers[name], accuracies) for name in accuracies]
    note = (
        "Accuracy on one task, whose label is made of two exclusive ors of six modalities, of models that fuse all "
        "pairs of them or some; over seeds, with 95 % interval (Student's t). Of all pairs: accuracy over that of all "
        "pairs, its mean and interval. Differences in percentage points, paired by seed. The selected third is greedy "
        "by gains and distances that fits of single modalities and single pairs measure; random thirds are the mean of "
        "three a seed. Every model has one crossmodal stack and an encoder for each true group of modalities."
    )
    return Table("Which pairs to fuse", pd.DataFrame(made), note)


def _selection(name: str, number: int, accuracies: dict[str, list[float]]) -> Row:
    own, every = accuracies[name], accuracies["all pairs"]
    interval, share = mean_interval(own), mean_interval([x / y for x, y in zip(own, every, strict=True)])
    row: Row = {"fused": name, "pairs": number, "accuracy": interval.mean, "low": interval.low, "high": interval.high}
    row["of all pairs"] = f"{share.mean:.3f} [{share.low:.3f}, {share.high:.3f}]"
    selected = accuracies["selected third"]
    row["minus selected third"] = difference(own, selected) if name != "selected third" else ""
    return row


def of_views(rows: Rows) -> Sequence[Table]:
    """Return the transfer between modalities, and the pairs, of data without a known truth."""
    chosen = [row for row in rows if row["part"] == "views"]
    if not chosen:
        return []
    modalities, pairs = ([row for row in chosen if row.get("of") == of] for of in ("modalities", "pairs"))
    return [_transfer(modalities), _gains(pairs)]


def _transfer(rows: Rows) -> Table:
    names, transfer = rows[0]["names"], np.mean([row["transfer"] for row in rows], axis=0)
    frame = pd.DataFrame(transfer, columns=[f"to {name}" for name in names])
    frame.insert(0, "from", names)
    frame["alone"] = np.mean([row["alone"] for row in rows], axis=0)
    frame["group"] = _groups(rows)
    error = float(np.mean([row["standard error"] for row in rows]))
    note = (
        "What starting from another modality's model costs, in bits, after few steps on the target; negative where it "
        f"helps. Standard error of an entry from validation samples: {error:.3f} on average. Alone: cross-entropy of a "
        "model of the modality by itself, on the task of which it tells the most. Group: encoders that a budget of "
        "parameters suggests to share, seed by seed."
    )
    return Table("Transfer between modalities", frame, note)


def _gains(rows: Rows) -> Table:
    counts = [sum(place in row["selected"] for row in rows) for place in range(len(rows[0]["names"]))]
    frame = pd.DataFrame(
        {
            "pair": rows[0]["names"],
            "gain, bits": np.mean([row["gains"] for row in rows], axis=0),
            "selected in seeds": counts,
            "group": _groups(rows),
        }
    )
    frame = frame.sort_values("gain, bits", ascending=False, kind="stable")
    note = (
        "Gain: cross-entropy of the better of two modalities less that of a model of both, on validation samples. "
        f"Selected: in how many of {len(rows)} seed{'s' if len(rows) > 1 else ''} the pair is in the third to fuse. "
        "Group: crossmodal stacks to share, seed by seed."
    )
    return Table("Pairs of modalities", frame, note)


def _groups(rows: Rows) -> list[str]:
    return [" ".join(str(row["groups"][place]) for row in rows) for place in range(len(rows[0]["names"]))]
