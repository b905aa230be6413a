"""Experiments, model selection: all results as arrays by data set, method and seed."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.harness import Rows
from experiments.model_selection.config import Config
from experiments.model_selection.decomposition import PARTS, decomposed
from experiments.model_selection.selection import Floats, Scores, agreement
from mmjax import sweep

_METRICS = ("valid/accuracy", "valid/loss", "test/accuracy")


class Results(NamedTuple):
    """All that the tables say, with data sets and methods in the order of the configuration."""

    names: list[str]
    """Of the data sets, the known ones first."""
    num_known: int
    num_test: list[int]
    """Test samples of each."""
    pids: Floats
    """Of the data sets (num_sets, 4), bits."""
    metrics: Floats
    """(3, num_sets, num_methods, num_seeds): validation accuracy and loss, test accuracy."""
    predicted: Floats
    """Decompositions of the predictions (num_sets, num_methods, num_seeds, 4), bits."""

    @property
    def num_seeds(self) -> int:
        """Repetitions."""
        return self.metrics.shape[3]

    def scores(self, seed: int) -> Scores:
        """Return the results of one seed."""
        return Scores(*self.metrics[..., seed])

    def mean_scores(self) -> Scores:
        """Return means over seeds."""
        return Scores(*self.metrics.mean(axis=-1))

    def of_predictions(self) -> Floats:
        """Return the mean decompositions over seeds (num_sets, num_methods, 4)."""
        return self.predicted.mean(axis=2)

    def agreements(self) -> Floats:
        """Return the mean agreements over seeds (num_sets, num_methods), bits."""
        return agreement(self.pids[:, None], self.of_predictions())


def chosen_trials(rows: Rows) -> "pd.DataFrame":
    """Return the trials at the learning rate of least validation loss of each data set and method."""
    trials = pd.DataFrame([row for row in rows if "method" in row and "kind" not in row])
    return sweep.select(trials, by=["group", "set", "method"], over=["learning_rate"])


def prediction_rows(rows: Rows) -> Rows:
    """Decompose the predictions of the chosen trials: a row each."""
    chosen = chosen_trials(rows)
    parts = decomposed([np.asarray(table) for table in chosen["table"]])
    identities = chosen[["group", "set", "method", "seed"]].to_dict("records")
    return [
        {"kind": "prediction", **identity, **dict(zip(PARTS, of.tolist(), strict=True))}
        for identity, of in zip(identities, parts, strict=True)
    ]


def results(config: Config, rows: Rows) -> Results:
    """Return the results."""
    sets = pd.DataFrame([row for row in rows if row.get("kind") == "set"])
    names = sets["set"].tolist()
    predicted = pd.DataFrame([row for row in rows if row.get("kind") == "prediction"])
    frame = chosen_trials(rows).merge(predicted, on=["group", "set", "method", "seed"])
    frame["name"] = [_name(names, row["group"], int(row["set"])) for row in frame.to_dict("records")]
    index = pd.MultiIndex.from_product([names, config.methods, range(config.num_seeds)])
    ordered = frame.set_index(["name", "method", "seed"]).loc[index]
    shape = (len(names), len(config.methods), config.num_seeds)

    def array(columns: Sequence[str]) -> Floats:
        return ordered[[*columns]].to_numpy(float).reshape(*shape, len(columns))

    return Results(
        names=names,
        num_known=len(config.known),
        num_test=sets["test_samples"].tolist(),
        pids=sets[[*PARTS]].to_numpy(float),
        metrics=np.moveaxis(array(_METRICS), -1, 0),
        predicted=array(PARTS),
    )


def _name(names: Sequence[str], group: str, place: int) -> str:
    """Return the name of a data set: a group of a single one bears it, and those of the other come first."""
    return group if group in names else names[place]
