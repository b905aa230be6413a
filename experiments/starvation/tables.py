"""Experiments, starvation: the tables: accuracies by samples, probes of the encoders, and both by penalty."""

import pandas as pd

from experiments.harness import Row, Rows, Table
from experiments.starvation.data import MODALITIES, best_possible
from experiments.starvation.measurement import SYSTEMS
from mmjax.training import Interval, mean_interval, paired_interval

_NAMES = {
    "x1": "modality 1 alone",
    "x2": "modality 2 alone",
    "joint": "joint training",
    "ensemble": "ensemble of the two alone",
}
_SEEDS = "Means over seeds, each with data of its own, and 95 % intervals (Student's t); differences paired by seed."


def accuracy_table(rows: Rows) -> Table:
    """Return the accuracy of every system, and its difference from that of joint training."""
    best = best_possible_of()
    frame = pd.DataFrame([_accuracy_row(row, system, best[system]) for row in rows for system in SYSTEMS])
    return Table(
        "Accuracy of the systems", frame, f"On test data. {_SEEDS} Learning rates: the lowest and highest chosen."
    )


def probe_table(rows: Rows) -> Table:
    """Return how well the label can be read off each encoder."""
    frame = pd.DataFrame([_probe_row(row, name) for row in rows for name in MODALITIES])
    return Table("Accuracy of linear probes of the encoders", frame, f"Chance is 0.5. {_SEEDS}")


def penalty_table(rows: Rows) -> Table:
    """Return what the penalty does to the difference of ensemble and joint training, and to the slow encoder."""
    frame = pd.DataFrame([_penalty_row(row) for row in sorted(rows, key=lambda row: (row["size"], row["decay"]))])
    note = (
        "Probe: accuracy of the linear probe of encoder 2 in joint training minus that of its twin. Joint training "
        "starves modality 2 only where samples are few or the penalty is strong: in the preset full with 2000 samples "
        "under every penalty, with 8000 and 32000 from 0.007 on, and not under 0, 0.001 and 0.003."
    )
    return Table("What the penalty does", frame, f"{note} {_SEEDS}")


def best_possible_of() -> dict[str, float]:
    """Return the highest accuracy that there is for each system."""
    best = best_possible()
    return {"x1": float(best.unimodal[0]), "x2": float(best.unimodal[1])} | dict.fromkeys(
        ("joint", "ensemble"), float(best.joint)
    )


def ensemble_minus_joint(row: Row) -> Interval:
    """Return by how much the ensemble is right more often."""
    return paired_interval(row["accuracy_ensemble"], row["accuracy_joint"])


def _accuracy_row(row: Row, system: str, best: float) -> Row:
    values, rates = row[f"accuracy_{system}"], row.get(f"rate_{system}")
    return {
        "depth": row["depth"],
        "samples": row["size"],
        "system": _NAMES[system],
        **_columns("accuracy", mean_interval(values)),
        "best possible": best,
        **_columns("minus joint", paired_interval(values, row["accuracy_joint"])),
        "learning rates": f"{min(rates):g} to {max(rates):g}" if rates else "",
    }


def _probe_row(row: Row, name: str) -> Row:
    probes = {kind: row[f"probe_{kind}_{name}"] for kind in ("joint", "twin", "untrained")}
    return {
        "depth": row["depth"],
        "samples": row["size"],
        "encoder": MODALITIES.index(name) + 1,
        **{kind: mean_interval(values).mean for kind, values in probes.items()},
        **_columns("joint minus twin", paired_interval(probes["joint"], probes["twin"])),
    }


def _penalty_row(row: Row) -> Row:
    return {
        "samples": row["size"],
        "penalty": row["decay"],
        "joint": mean_interval(row["accuracy_joint"]).mean,
        "ensemble": mean_interval(row["accuracy_ensemble"]).mean,
        **_columns("ensemble minus joint", ensemble_minus_joint(row)),
        **_columns("probe", paired_interval(row["probe_joint_x2"], row["probe_twin_x2"])),
    }


def _columns(name: str, interval: Interval) -> Row:
    return {name: interval.mean, f"{name} low": interval.low, f"{name} high": interval.high}
