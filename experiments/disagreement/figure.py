"""Experiments, disagreement: the picture: what can be read off each objective's latents, a panel a label."""

from typing import TYPE_CHECKING

import numpy as np

from experiments.disagreement.config import Config
from experiments.disagreement.tables import chosen, of_label
from experiments.disagreement.worlds import LABELS, WORLDS
from experiments.harness import Rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OURS = ("prediction", "disagreement", "both")
_BLUE, _ORANGE = "#1f5fa8", "#e08a1e"


def figure(config: Config, rows: Rows) -> "Figure":
    """Draw the accuracy of all seeds, and their mean."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    height = 1.2 + 0.3 * len(config.objectives)
    made = Figure(figsize=(12, height * len(config.worlds)), layout="constrained")
    grid = made.subplots(len(config.worlds), len(LABELS), squeeze=False, sharey=True)
    places = np.arange(len(config.objectives))[::-1]
    for panels, world in zip(grid, config.worlds, strict=True):
        trials = chosen(rows, world)
        for panel, label in zip(panels, LABELS, strict=True):
            for place, objective in zip(places, config.objectives, strict=True):
                of = of_label(trials, objective, label)
                colour = _ORANGE if objective in _OURS else _BLUE
                panel.plot(of, np.full(len(of), place), ".", color=colour, alpha=0.4)
                panel.plot(of.mean(), place, "|", color=colour, markersize=14, markeredgewidth=2)
            panel.axvline(100 / WORLDS[world].num_classes[label], color="#999999", linestyle=":", linewidth=1)
            panel.set_title(f"{world}: {label}", fontsize=10)
        panels[0].set_yticks(places, config.objectives)
    handles = [
        Line2D([], [], color=_ORANGE, marker=".", linestyle="", label="ours: a seed, and the mean"),
        Line2D([], [], color=_BLUE, marker=".", linestyle="", label="others"),
        Line2D([], [], color="#999999", linestyle=":", label="chance"),
    ]
    made.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    for panel in grid[-1]:
        panel.set_xlabel("accuracy of a linear probe, %")
    return made
