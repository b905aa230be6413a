"""Experiments, disagreement: the tables."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.disagreement.config import Config
from experiments.disagreement.trial import UNTRAINED
from experiments.disagreement.worlds import LABELS, WORLDS
from experiments.harness import Rows, Table
from mmjax import sweep

COMPARISONS = (("redundancy", "agreement"), ("synergy", "agreement"), ("synergy", UNTRAINED))
"""Labels whose probes are compared, and the objective that they are compared with."""


def tables(config: Config, rows: Rows) -> Sequence[Table]:
    """Return the accuracy of probes by world, objective and label."""
    return [_probes(config, world, chosen(rows, world)) for world in config.worlds]


def chosen(rows: Rows, world: str) -> pd.DataFrame:
    """Return the trials of a world at the learning rate of each objective that validation chooses."""
    trials = pd.DataFrame([row for row in rows if row["world"] == world])
    return sweep.select(trials, by=["objective"], over=["learning_rate"])


def of_label(trials: pd.DataFrame, objective: str, label: str) -> np.ndarray:
    """Return the accuracies of an objective's probes of a label in percent, in the order of seeds."""
    of = trials[trials["objective"] == objective].sort_values("seed")
    return 100 * of[f"test/{label}"].to_numpy(float)


def _probes(config: Config, world: str, trials: pd.DataFrame) -> Table:
    made = []
    for objective in config.objectives:
        rate = trials[trials["objective"] == objective]["learning_rate"].iloc[0]
        row: dict[str, object] = {"objective": objective, "rate": "" if objective == UNTRAINED else f"{rate:g}"}
        made.append(row | {label: of_label(trials, objective, label).mean() for label in LABELS})
    frame = pd.DataFrame(made)
    for label, baseline in COMPARISONS:
        if baseline in config.objectives:
            frame[f"{label} over {baseline}"] = frame["objective"].map(_over(trials, label, baseline)).fillna("")
    chance = ", ".join(f"{name} {100 / number:.0f} %" for name, number in WORLDS[world].num_classes.items())
    note = (
        "Accuracy in percent of linear probes of the latents of both modalities and of their fusion, mean over "
        f"{config.num_seeds} seeds; differences are paired by seed, with 95 % intervals (Student's). The learning rate "
        "is that of the least mean error of probes on validation pairs. Chance: "
        f"{chance}. FactorCL (arXiv 2306.05268), CoMM (2409.07402) and InfMasking (2509.25270) are our formulations on "
        "these networks; prediction, disagreement and both are ours. Agreement and FactorCL do not train the fusion, "
        "which is a random one there. No published number stands beside: theirs are of "
        "other networks and images."
    )
    return Table(f"Probes of {world}", frame, note)


def _over(trials: pd.DataFrame, label: str, baseline: str) -> dict[str, str]:
    """Return by how many points others are above an objective, paired by seed."""
    found = sweep.differences(trials, by="objective", baseline=baseline, metric=f"test/{label}")
    return {
        row["objective"]: f"{100 * row['difference']:+.1f}"
        + (f" [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]" if np.isfinite(row["low"]) else "")
        for _, row in found.iterrows()
    }
