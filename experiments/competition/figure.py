"""Experiments, competition: the picture: accuracies of all methods, or against the share of unique information."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from experiments.competition.data import catalogue
from experiments.competition.tables import BASELINES, comparisons

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {"joint": "#1f5fa8", "ensemble": "#2f8f5b", "MCR": "#a23b72"}
_GREY = "#777777"
_MIXED = "mixed-"


def draw(best: pd.DataFrame) -> "Figure":
    """Draw a panel a data set and head, and one for the whole ratio sweep.

    Args:
      best: the trials of the chosen settings.
    """
    from matplotlib.figure import Figure

    panels = [(title, frame) for title, frame in comparisons(best) if not _is_mixed(title[0])]
    swept = [(title, frame) for title, frame in comparisons(best) if _is_mixed(title[0])]
    heads = list(dict.fromkeys(head for (_, head), _ in swept))
    count = len(panels) + len(heads)
    tallest = max(len(frame) for _, frame in [*panels, *swept])
    figure = Figure(figsize=(1.5 + 4.6 * count, 1.8 + 0.24 * tallest), layout="constrained")
    axes = list(figure.subplots(1, count, squeeze=False)[0])
    for each, (title, frame) in zip(axes, panels, strict=False):
        _accuracy_panel(each, title, frame)
    for each, head in zip(axes[len(panels) :], heads, strict=True):
        _ratio_panel(each, head, {name: frame for (name, of), frame in swept if of == head})
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
    return figure


def _is_mixed(name: str) -> bool:
    return name in catalogue() and name.startswith(_MIXED)


def _accuracy_panel(axes: "Axes", title: tuple[str, str], frame: pd.DataFrame) -> None:
    """Show each method's mean and interval, the best on top, with bands for joint training and the ensemble."""
    places = np.arange(len(frame))[::-1]
    for baseline in BASELINES:
        for row in frame[frame["method"] == baseline].itertuples():
            axes.axvspan(row.low, row.high, color=_COLOURS[baseline], alpha=0.15, linewidth=0, label=baseline)
    for place, row in zip(places, frame.itertuples(), strict=True):
        colour = _COLOURS.get(str(row.method), _GREY)
        axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.6)
        axes.plot(row.accuracy, place, "o", color=colour, markersize=5)
    best = catalogue()[title[0]].best if title[0] in catalogue() else None
    if best is not None:
        axes.axvline(best, color="black", linestyle=":", linewidth=0.9, label="best possible")
    axes.set_xlim(right=min(axes.get_xlim()[1], 1.003))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, frameon=False, loc="upper left")
    axes.set_yticks(places, frame["method"])
    axes.set_xlabel("test accuracy")
    axes.set_title(f"{title[0]}, {title[1]}", fontsize=10)


def _ratio_panel(axes: "Axes", head: str, swept: Mapping[str, pd.DataFrame]) -> None:
    """Show accuracy against the share of samples that only the first modality tells about."""
    shares = [float(name.removeprefix(_MIXED)) for name in swept]
    frames = list(swept.values())
    for method in frames[0]["method"]:
        rows = [frame[frame["method"] == method].iloc[0] for frame in frames]
        colour, width = _COLOURS.get(method, _GREY), 1.6 if method in _COLOURS else 0.8
        axes.plot(shares, [row["accuracy"] for row in rows], ".-", label=method, color=colour, linewidth=width)
        if method in _COLOURS:
            low, high = [row["low"] for row in rows], [row["high"] for row in rows]
            axes.fill_between(shares, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_xlabel("share of samples unique to modality 1")
    axes.set_ylabel("test accuracy")
    axes.set_title(f"paper's synthetic setting, {head}", fontsize=10)
    axes.legend(fontsize=7, frameon=False)
