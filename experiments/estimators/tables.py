"""Experiments, estimators: the tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.estimators.critics import CONTENDERS
from experiments.estimators.decomposition import PARTS
from experiments.estimators.sources import SOURCES, decomposition_of, information_of
from experiments.estimators.suite import CEILING, SAMPLE_ESTIMATORS, catalogue
from experiments.harness import Rows, Table
from experiments.synergy_bounds.generative import STORED
from mmjax.training import Interval, mean_interval

ESTIMATORS = (*CONTENDERS, *SAMPLE_ESTIMATORS)


def suite_table(rows: Rows, batch_size: int) -> Table:
    """Return means of all estimators over seeds, a distribution a line."""
    found = suite_intervals(rows)
    names = [name for name in ESTIMATORS if any(name == estimator for _, estimator in found)]
    lines = []
    for task in dict.fromkeys(task for task, _ in found):
        cells = {name: _shown(found[task, name]) for name in names if (task, name) in found}
        lines.append({"distribution": task, "truth": round(catalogue()[task].information, 3), **cells})
    bounds = ", ".join(name for name in names if name in CONTENDERS and CONTENDERS[name].side == "lower")
    return Table(
        "Mutual information of known distributions",
        pd.DataFrame(lines),
        f"Nats: mean over seeds and half the width of its 95 % interval (Student's t). {bounds}: lower bounds in "
        f"expectation; InfoNCE cannot exceed log {batch_size} = {np.log(batch_size):.2f}; the others are no bounds. "
        "Critics and what they need besides are trained on half of the samples, chosen on a quarter, and estimate on "
        f"the last quarter; estimates beyond {CEILING:g} nats are cut; nan means that a seed had no finite loss. "
        "Distributions and names: Czyz et al. 2023 (arXiv 2306.11078) and their package benchmark-mi; mixtures: arXiv "
        "2310.10240. Their own estimates are published as a figure, which we could not read; they are not quoted.",
    )


def suite_intervals(rows: Rows) -> dict[tuple[str, str], Interval]:
    """Return distribution and estimator to the mean over seeds."""
    values: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        for task, estimator, value in _estimates(row):
            values.setdefault((task, estimator), []).append(value)
    return {key: mean_interval(many) for key, many in values.items()}


def _estimates(row: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    if "nats" in row:
        return [(row["task"], row["estimator"], nats) for nats in row["nats"]]
    tasks, estimators = row["tasks"].split(","), row["estimators"].split(",")
    value = np.nan if row["test/information"] is None else row["test/information"]
    return [(tasks[int(row["task"])], estimators[int(row["estimator"])], value)]


def unpaired_table(rows: Rows, judges: Mapping[str, float]) -> Table:
    """Return how often the bound without a labelled tuple was below the truth, a source a line.

    Args:
      rows: the repetitions.
      judges: source to the information that classifiers trained on labelled tuples found, for want of the truth.
    """
    trials = pd.DataFrame(rows)
    lines = []
    for source, group in trials.groupby("source", sort=False):
        truth = information_of(str(source))
        limit = judges.get(str(source), np.nan) if np.isnan(truth) else truth
        value, error = group["test/information"].astype(float), group["test/information_error"].astype(float)
        beyond = value - 3 * error > limit
        lines.append(
            {
                "source": shown_name(str(source)),
                "I(X;Y)": None if np.isnan(truth) else truth,
                "from labelled tuples": judges.get(str(source)),
                "bound": _shown(mean_interval(value.to_numpy())),
                "standard error of one": float(error.mean()),
                "below + 3 errors": "" if np.isnan(limit) else f"{1 - beyond.mean():.1%} of {len(group)}",
                "accuracy at least": float(group["test/accuracy"].astype(float).mean()),
            }
        )
    return Table(
        "Information of all modalities, bounded without a labelled tuple",
        pd.DataFrame(lines),
        "Nats. Each repetition draws samples of its own, labels of single modalities and unlabelled tuples apart, "
        "trains on half and bounds on a quarter of them. What no pairwise marginal shows, as in XOR, is out of reach.",
    )


def decomposition_table(rows: Rows) -> Table:
    """Return parts of the decomposition from trained classifiers beside the true and the stored ones."""
    trials = pd.DataFrame(rows)
    lines = []
    for source, group in trials.groupby("source", sort=False):
        truth = decomposition_of(str(source))
        stored = STORED.get(str(source).removeprefix("generative "))
        for place, part in enumerate(PARTS):
            true = float("nan") if truth is None else float(getattr(truth, part))
            value, lower, upper = (group[f"test/{part}/{end}"].astype(float) for end in ("value", "lower", "upper"))
            covered = (lower <= true) & (true <= upper)
            lines.append(
                {
                    "source": shown_name(str(source)),
                    "part": part,
                    "truth": None if truth is None else true,
                    "estimate": _shown(mean_interval(value.to_numpy())),
                    "error": None if truth is None else float(value.mean() - true),
                    "interval": f"{lower.mean():.3f} to {upper.mean():.3f}",
                    "covers": "" if truth is None else f"{covered.mean():.0%} of {len(group)}",
                    "stored": "" if stored is None else f"{stored[place] / np.log(2):.3f}",
                }
            )
    return Table(
        "Decompositions of raw modalities by trained classifiers",
        pd.DataFrame(lines),
        "Bits; modalities in the order of their names. Truth: of the table, or of 20 000 samples with their true "
        "posteriors. Intervals: 95 %, of one run (ends: means over repetitions), for "
        "the classifiers at hand; they know nothing of what better ones would find, so they miss where training falls "
        "short by more than sampling does. Stored: output kept with the public code of arXiv 2302.12247, of its own "
        "draw, after quantisation; it is not of the raw data that stand here.",
    )


def _shown(interval: Interval) -> str:
    half = interval.high - interval.mean
    return f"{interval.mean:.3f}" if np.isnan(half) else f"{interval.mean:.3f} ± {half:.3f}"


def shown_name(source: str) -> str:
    """Return the name of a source without the folder of its file."""
    return source if source in SOURCES else Path(source.rsplit(":", 2)[0]).name


def _judges(decomposed: Rows) -> dict[str, float]:
    """Return source to the mean information, in nats, that classifiers of all modalities found on labelled tuples."""
    found: dict[str, list[float]] = {}
    for row in decomposed:
        found.setdefault(row["source"], []).append(row["information"] * np.log(2))
    return {source: float(np.mean(values)) for source, values in found.items()}


def of_kind(rows: Rows, field: str) -> Rows:
    """Pick the rows that have a field."""
    return [row for row in rows if field in row]


def all_tables(rows: Rows, batch_size: int) -> Sequence[Table]:
    """Return the tables of what was run."""
    suite = [*of_kind(rows, "nats"), *of_kind(rows, "test/information")]
    suite = [row for row in suite if "source" not in row]
    made = [suite_table(suite, batch_size)] if suite else []
    unpaired = of_kind(of_kind(rows, "source"), "test/information")
    decomposed = of_kind(rows, "test/redundancy/value")
    made += [unpaired_table(unpaired, _judges(decomposed))] if unpaired else []
    return made + ([decomposition_table(decomposed)] if decomposed else [])
