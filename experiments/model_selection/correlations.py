"""Experiments, model selection: how far agreement goes along with accuracy, beside controls."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from experiments.harness import Table
from experiments.model_selection import published
from experiments.model_selection.config import Config
from experiments.model_selection.methods import ALONE
from experiments.model_selection.results import Results
from experiments.model_selection.selection import LEVEL, Floats, bootstrap, correlation, shares


def measures(config: Config, found: Results) -> dict[str, tuple[Callable[..., Floats], tuple[Floats, ...]]]:
    """Return by name a statistic, and what it is of: arrays of a row a data set and a column a method."""
    accuracy, alpha, parts = found.mean_scores().test, found.agreements(), found.of_predictions()
    terms, total = shares(found.pids)[:, None] * parts, parts.sum(axis=-1)
    able = np.where(accuracy >= published.LEAST_ACCURACY, accuracy, np.nan)
    of_labels = np.broadcast_to(found.pids.sum(axis=-1)[:, None], accuracy.shape)
    both = [method not in ALONE for method in config.methods]

    def within(*arrays: Floats) -> tuple[Floats, ...]:
        return tuple(x - x.mean(axis=1, keepdims=True) for x in arrays)

    return {
        "agreement": (correlation, (alpha, accuracy)),
        f"agreement, accuracy at least {published.LEAST_ACCURACY}": (correlation, (alpha, able)),
        "synergistic part of agreement": (correlation, (terms[..., 3], accuracy)),
        "redundant part of agreement": (correlation, (terms[..., 0], accuracy)),
        "redundant and synergistic part of agreement": (correlation, (terms[..., 0] + terms[..., 3], accuracy)),
        "control: information of the predictions": (correlation, (total, accuracy)),
        "control: information of the labels": (correlation, (of_labels, accuracy)),
        "agreement minus first control": (_difference, (alpha, total, accuracy)),
        "agreement, within data sets": (correlation, within(alpha, accuracy)),
        "first control, within data sets": (correlation, within(total, accuracy)),
        "agreement minus first control, within data sets": (_difference, within(alpha, total, accuracy)),
        "the same, without methods of one modality": (
            _difference,
            within(alpha[:, both], total[:, both], accuracy[:, both]),
        ),
    }


def _difference(x: Floats, control: Floats, accuracy: Floats) -> Floats:
    return correlation(x, accuracy) - correlation(control, accuracy)


def correlations(config: Config, found: Results) -> Table:
    """Return correlations with test accuracy beside the published ones."""
    made = []
    for name, (statistic, arrays) in measures(config, found).items():
        low, high = bootstrap(statistic, *arrays, seed=config.seed)
        value = {"pairs": int(np.isfinite(sum(arrays)).sum()), "correlation": float(statistic(*arrays))}
        made.append({"measure": name, **value, "low": low, "high": high})
    frame = pd.DataFrame(made)
    frame["published"] = published.column([published.CORRELATIONS.get(name) for name in frame["measure"]])
    note = (
        f"Pearson correlation with test accuracy over pairs of a data set and a method, means over {config.num_seeds} "
        f"seeds; {LEVEL:.0%} intervals by drawing data sets anew with replacement, as pairs of one data set are not "
        "independent. Agreement: sum of the information of the predictions, weighted by the shares of the data set; "
        "its parts are single terms of the sum. It grows with the information of the predictions whatever the data "
        "set, and that with accuracy: what matching components adds is the difference from the first control. Within "
        "data sets: after subtracting each data set's mean, which is what a choice between methods rests on. "
        f"Published: {published.SOURCE}, its own networks; not verified here, and that its parts are these terms is "
        "our reading."
    )
    return Table("Agreement and accuracy", frame, note)
