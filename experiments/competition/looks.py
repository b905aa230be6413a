"""Experiments, competition: the table of the closer look: what encoders know, and where models are right."""

from collections.abc import Sequence

import pandas as pd

from experiments.competition.diagnosis import group_names
from experiments.competition.tables import rows_with
from experiments.harness import Rows, Table

_CALIBRATION = "diagnosis/calibration"
_NOTE = (
    "Means over the seeds, on test data, of the chosen settings of some methods. Scale: each modality's share in the "
    "size of the logits. Probe: accuracy of a linear classifier on an encoder's latents, and in brackets on those of "
    "its twin, trained alone with the ensemble's settings. The last columns: accuracy where just these twins are "
    "right, and in brackets how often that is, in per cent of the samples."
)


def look_tables(rows: Rows) -> Sequence[Table]:
    """Return a table for each data set and head that was looked at."""
    looks = rows_with(rows, _CALIBRATION)
    if not len(looks):
        return []
    return [
        Table(
            f"{data}, head {head}: a closer look",
            pd.DataFrame([_line(own) for _, own in group.groupby("method", sort=False)]),
            _NOTE,
        )
        for (data, head), group in looks.groupby(["data", "head"], sort=False)
    ]


def _line(own: pd.DataFrame) -> dict[str, object]:
    means = own.dropna(axis=1, how="all").mean(numeric_only=True)

    def part(name: str) -> dict[str, float]:
        start = f"diagnosis/{name}/"
        return {str(key).removeprefix(start): float(x) for key, x in means.items() if str(key).startswith(start)}

    probes = {f"probe {m}": f"{x:.3f} ({part('twin')[m]:.3f})" for m, x in part("probe").items()}
    right = part("right")
    groups = {
        f"right: {name}": f"{right[name]:.3f} ({100 * part('group')[name]:.1f})"
        for name in group_names(tuple(part("probe")))
        if name in right
    }
    return {
        "method": own["method"].iloc[0],
        "calibration error": means[_CALIBRATION],
        "scale": ", ".join(f"{m} {x:.2f}" for m, x in part("scale").items()),
        **probes,
        **groups,
    }
