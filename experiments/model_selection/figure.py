"""Experiments, model selection: the picture: agreement against accuracy, and what each rule of selection reaches."""

from typing import TYPE_CHECKING

import numpy as np

from experiments.harness import Rows
from experiments.model_selection.config import Config
from experiments.model_selection.ratios import ALL, NEW, ratios_by_evaluation
from experiments.model_selection.results import results
from experiments.model_selection.selection import RULES, Rule, bootstrap, mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {NEW: "#e08a1e", ALL: "#1f5fa8"}


def figure(config: Config, rows: Rows) -> "Figure":
    """Draw all pairs of a data set and a method, and the rules' ratios with intervals over data sets."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    found = results(config, rows)
    made = Figure(figsize=(13, 5), layout="constrained")
    left, right = made.subplots(1, 2, width_ratios=(1.3, 1))
    alpha, accuracy = found.agreements(), found.mean_scores().test
    for place, method in enumerate(config.methods):
        shade = colormaps["tab20"](place % 20)
        left.plot(alpha[:, place], accuracy[:, place], "o", color=shade, markersize=5, alpha=0.8, label=method)
    left.set_xlabel("agreement of data set and predictions (bits)")
    left.set_ylabel("test accuracy")
    left.legend(fontsize=8, loc="lower right", ncols=2)
    rows_of_rules = np.arange(len(RULES))[::-1]
    for shift, (evaluation, values) in zip((0.12, -0.12), ratios_by_evaluation(found).items(), strict=True):
        ends = np.array([bootstrap(mean, values[:, place], seed=config.seed) for place in range(len(RULES))])
        colour = _COLOURS[evaluation]
        right.hlines(rows_of_rules + shift, *ends.T, color=colour, linewidth=2)
        right.plot(values.mean(axis=0), rows_of_rules + shift, "o", color=colour, markersize=6, label=evaluation)
    right.set_yticks(rows_of_rules, [_label(rule) for rule in RULES], fontsize=8)
    right.set_xlabel("test accuracy of the choice over that of the best method")
    right.legend(fontsize=8, loc="lower left")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return made


def _label(rule: Rule) -> str:
    if rule.num_methods is None:
        return "all methods"
    of = f"try {rule.num_methods}: {rule.source}"
    return f"{of}, by test" if rule.judge == "test" else of
