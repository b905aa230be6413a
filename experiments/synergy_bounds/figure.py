"""Experiments, synergy_bounds: the picture: bounds against the synergy of random tables, and intervals of data sets."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from experiments.harness import Row, Rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OURS, _PUBLISHED = "#1f5fa8", "#e08a1e"


def draw(rows: Rows) -> "Figure":
    """Draw what the rows have: random 2x2x2 tables on the left, intervals of data sets on the right."""
    from matplotlib.figure import Figure

    random = [row for row in rows if row["kind"] == "random" and row["shape"] == "2x2x2"]
    intervals = [row for row in rows if row["kind"] in ("generative", "real", "unpaired")]
    panels = [(panel, shown) for panel, shown in ((_random_panel, random), (_interval_panel, intervals)) if shown]
    figure = Figure(figsize=(5.4 * max(1, len(panels)), max(4.4, 2 + 0.27 * len(intervals))), layout="constrained")
    for i, (panel, shown) in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), i + 1)
        panel(axes, shown)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _random_panel(axes: "Axes", rows: Rows) -> None:
    synergy = _drawn(rows, "synergy")
    pairs = [
        ("published_lower_R", "published_upper", _PUBLISHED, "published bounds (arXiv 2306.04539)"),
        ("lower", "upper", _OURS, "bounds of mmjax"),
    ]
    for lower, upper, color, label in pairs:
        bounds = np.concatenate([np.maximum(_drawn(rows, lower), 0), _drawn(rows, upper)])
        axes.plot(np.tile(synergy, 2), bounds, ".", markersize=3, color=color, alpha=0.5)
        axes.plot([], [], "o", color=color, label=label)
    axes.axline((0, 0), slope=1, color="black", label="the synergy itself: upper above, lower below")
    axes.set_title(f"{len(synergy)} random 2x2x2 tables")
    axes.set_xlabel("true synergy, from the joint table (bits)")
    axes.set_ylabel("bound (bits)")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=-0.01)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)


def _interval_panel(axes: "Axes", rows: Rows) -> None:
    place = np.arange(len(rows))[::-1]
    low, high = np.array([[max(row["lower"], 0), row["upper"]] for row in rows]).T
    axes.barh(place, high - low, left=low, height=0.5, color=_OURS, alpha=0.4, label="bounds without labelled pairs")
    paired = [(y, row) for y, row in zip(place, rows, strict=True) if row["synergy"] is not None]
    if paired:
        at = [y for y, _ in paired]
        axes.plot([row["synergy"] for _, row in paired], at, "o", color="black", label="synergy of the labelled pairs")
    axes.set_title("Quantised data")
    axes.set_yticks(place, [_name(row) for row in rows])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlim(left=0)
    axes.set_xlabel("synergy (bits)")
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.16), frameon=False)


def _name(row: Row) -> str:
    return f"{row['kind']} {row['pair']}" if row["kind"] == "generative" else str(row["pair"])


def _drawn(rows: Rows, name: str) -> NDArray[np.float64]:
    return np.concatenate([row[f"drawn_{name}"] for row in rows])
