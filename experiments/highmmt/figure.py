"""Experiments, HighMMT: the picture: distances as heat maps beside the truth, and accuracies of plans and growth."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.harness import Row, Rows
from experiments.highmmt import published
from experiments.highmmt.config import Config
from mmjax.training import mean_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_BLUE, _ORANGE, _GREY = "#1f5fa8", "#e08a1e", "#8a8a8a"
_LONGEST = 18
"""Letters of a node's name that are shown."""


def figure(config: Config, rows: Rows) -> "Figure":
    """Draw the parts that were run, and the published distances."""
    from matplotlib.figure import Figure

    maps = [row for row in rows if "distance" in row and row["seed"] == config.seed]
    bars = [row for row in rows if "accuracy" in row and "study" not in row]
    views = [row for row in rows if "distances" in row and row["seed"] == config.seed]
    heights = [4.6] * (len(maps) // 2 + bool(bars) + bool(views)) + [5.2]
    made = Figure(figsize=(13, sum(heights)), layout="constrained")
    parts = iter(made.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    for name in dict.fromkeys(row["part"] for row in maps):
        _draw_distances(next(parts), [row for row in maps if row["part"] == name])
    if bars:
        _draw_accuracies(next(parts), bars)
    if views:
        _draw_views(next(parts), views)
    _draw_published(next(parts))
    return made


def _draw_distances(part: "SubFigure", rows: Rows) -> None:
    """Draw distances without a step on the target, after some, and who is alike in truth."""
    grid = part.subplots(1, len(rows) + 1)
    for axes, row in zip(grid, rows, strict=False):
        steps = "without a step on the target" if row["steps"] == 0 else f"after {row['steps']} steps"
        _map(part, axes, np.asarray(row["distance"]), row["names"], steps, "bit")
    truth = np.asarray(rows[0]["truth"])
    _map(part, grid[-1], (truth[:, None] != truth[None]).astype(float), rows[0]["names"], "truth: 0 is alike", "")
    part.suptitle(f"Distances of {rows[0]['part']}, by transfer")


def _draw_views(part: "SubFigure", rows: Rows) -> None:
    for axes, row in zip(part.subplots(1, len(rows)), rows, strict=True):
        _map(part, axes, np.asarray(row["distances"]), row["names"], row["of"], "bit")
    part.suptitle("Distances of the data, by transfer")


def _draw_published(part: "SubFigure") -> None:
    grid = part.subplots(1, 2)
    _map(part, grid[0], published.distances_of_modalities(), published.MODALITIES, "modalities", "unit not stated")
    _map(
        part, grid[1], published.distances_of_interactions(), published.INTERACTIONS, "interactions", "unit not stated"
    )
    part.suptitle("Published distances, not reproducible here (Liang et al. 2023, Figure 5)")


def _map(part: "SubFigure", axes: "Axes", d: Any, names: Sequence[str], title: str, unit: str) -> None:
    image = axes.imshow(d, cmap="cividis", vmin=0)
    short = [name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…" for name in names]
    axes.set_xticks(range(len(d)), short, rotation=60, ha="right", fontsize=7)
    axes.set_yticks(range(len(d)), short, fontsize=7)
    axes.set_title(title, fontsize=10)
    part.colorbar(image, ax=axes, shrink=0.8, label=unit)


def _draw_accuracies(part: "SubFigure", rows: Rows) -> None:
    """Draw the accuracy of each plan, and of one modality after the other."""
    titles = {
        "sharing": "plans",
        "homogeneous": "plans, all modalities alike",
        "growth": "one modality after the other",
        "pairs": "pairs to fuse",
        "views": "plans of the data",
    }
    drawn = [name for name in titles if any(row["part"] == name for row in rows)]
    grid = part.subplots(1, len(drawn), squeeze=False)[0]
    for axes, name in zip(grid, drawn, strict=True):
        chosen = [row for row in rows if row["part"] == name]
        _bars(axes, chosen, {"growth": "label", "pairs": "selection"}.get(name, "plan"))
        axes.set_title(titles[name], fontsize=10)
    part.suptitle("Test accuracy of all tasks (95 % interval over seeds)")


def _bars(axes: "Axes", rows: Sequence[Row], label: str) -> None:
    names = list(dict.fromkeys(row[label] for row in rows))
    intervals = [mean_interval([row["accuracy"] for row in rows if row[label] == name]) for name in names]
    place = np.arange(len(names))[::-1]
    means = np.array([one.mean for one in intervals])
    errors = np.nan_to_num([[one.mean - one.low, one.high - one.mean] for one in intervals]).T
    colours = [
        _ORANGE if "transfer" in name else _GREY if "random" in name or "noise" in name else _BLUE for name in names
    ]
    axes.errorbar(means, place, xerr=errors, fmt="none", ecolor="#444444", capsize=3)
    axes.scatter(means, place, c=colours, zorder=3)
    words = [name if len(name) <= 2 * _LONGEST else f"… {name[-2 * _LONGEST :]}" for name in names]
    axes.set_yticks(place, words, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
