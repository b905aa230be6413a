"""Experiments, fusion value: the picture: ranges with what is reached, and their width by labelled pairs."""

from typing import TYPE_CHECKING

import numpy as np

from experiments.fusion_value.config import Config
from experiments.fusion_value.tables import beside, labelling
from experiments.harness import Rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREY = "#1f5fa8", "#e08a1e", "#b8b8b8"


def figure(config: Config, rows: Rows) -> "Figure":
    """Draw ranges beside what is reached, and widths."""
    from matplotlib.figure import Figure

    frame = beside(config, rows)
    height = max(4.5, 1.2 + 0.22 * len(frame))
    made = Figure(figsize=(13, height), layout="constrained")
    left, right = made.subplots(1, 2, width_ratios=(2, 1))
    place = np.arange(len(frame))[::-1]
    published = np.clip(frame[["published lower", "published upper"]].to_numpy(float), 0, 1)
    left.hlines(place, *published.T, color=_GREY, linewidth=7, label="published formulae, as far as below 1")
    left.hlines(place, frame["lower"], frame["upper"], color=_BLUE, linewidth=3, label="exact range")
    left.plot(frame["lower"], place, "|", frame["upper"], place, "|", color=_BLUE, markersize=8)
    left.plot(frame["unimodal"], place, "x", color="#444444", markersize=5, label="better modality alone")
    left.plot(frame["reached"], place, "o", color=_ORANGE, markersize=5, label="reached by fusion of the cells")
    left.set_yticks(place, frame.index, fontsize=7)
    left.set_xlabel("accuracy")
    lowest = min(float(published.min()), float(frame[["lower", "unimodal", "reached"]].to_numpy(float).min()))
    left.set_xlim(lowest - 0.03, 1.02)
    left.legend(loc="lower left", fontsize=8)
    widths = labelling(rows).frame
    for name, group in widths.groupby("set", sort=False):
        line = right.plot(group["labelled pairs"], group["width"], marker="o", label=str(name))[0]
        right.fill_between(group["labelled pairs"], group["least"], group["most"], alpha=0.2, color=line.get_color())
    right.set_xscale("log")
    right.set_ylim(bottom=0)
    right.set_xlabel("labelled pairs")
    right.set_ylabel("width of the range (mean, least and most over draws)")
    right.legend(fontsize=8)
    return made
