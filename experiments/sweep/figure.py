"""Experiments, sweep: the picture: test accuracy against learning rate, a line a head."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmjax import sweep

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#1f5fa8", "#e08a1e", "#2f8f5b", "#a23b72")
_ACCURACY = "test/accuracy"


def draw(trials: "pd.DataFrame", best_possible: Mapping[str, float]) -> "Figure":
    """Draw a panel a data set.

    Args:
      trials: one row a trial.
      best_possible: data set to the highest accuracy there is, where it is known.
    """
    from matplotlib.figure import Figure

    sets = list(trials.groupby("data", sort=False))
    figure = Figure(figsize=(5.2 * len(sets), 4), layout="constrained")
    panels = figure.subplots(1, len(sets), squeeze=False)[0]
    for axes, (name, group) in zip(panels, sets, strict=True):
        _panel(axes, group)
        if name in best_possible:
            axes.axhline(best_possible[name], color="black", linewidth=0.8, linestyle=":", label="best possible")
        axes.set_title(name)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("test accuracy")
    handles = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def _panel(axes: "Axes", trials: "pd.DataFrame") -> None:
    means = sweep.summary(trials, by=["head", "learning_rate"], metrics=[_ACCURACY])
    for colour, (head, line) in zip(_COLOURS, means.groupby("head", sort=False), strict=False):
        rates = line["learning_rate"]
        axes.plot(rates, line[_ACCURACY], ".-", color=colour, linewidth=1.2, markersize=4, label=head)
        axes.fill_between(
            rates, line[f"{_ACCURACY} low"], line[f"{_ACCURACY} high"], color=colour, alpha=0.2, linewidth=0
        )
    axes.set_xscale("log")
    axes.set_ylim(0, 1.01)
    axes.set_xlabel("learning rate of Adam")
