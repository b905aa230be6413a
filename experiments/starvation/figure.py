"""Experiments, starvation: the picture: accuracies and probes against samples, and the difference against penalty."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from experiments.harness import Rows
from experiments.starvation.tables import best_possible_of, ensemble_minus_joint
from mmjax.training import Interval, mean_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREEN, _GREY = "#1f5fa8", "#e08a1e", "#2f8f5b", "#8a8a8a"
_SIZES = ("#c9a0dc", "#8e4fb0", "#4b1d6b", "black")
"""Of lines that differ by samples, from few to many."""


def draw(by_size: Rows, by_penalty: Rows) -> "Figure":
    """Draw accuracies and probes of the slow encoder by size, and ensemble minus joint training by penalty.

    Args:
      by_size: the rows of one penalty.
      by_penalty: those of all penalties.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14.5, 4.4), layout="constrained")
    accuracies, probes, penalties = figure.subplots(1, 3)
    _accuracy_panel(accuracies, by_size)
    _probe_panel(probes, by_size)
    _penalty_panel(penalties, by_penalty)
    for axes in (accuracies, probes, penalties):
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False, ncols=2)
    return figure


def _accuracy_panel(axes: "Axes", rows: Rows) -> None:
    best = best_possible_of()
    axes.axhline(best["joint"], color="black", linewidth=0.9, linestyle=":", label="best possible")
    axes.axhline(best["x1"], color=_GREY, linewidth=0.9, linestyle=":", label="best possible, modality 1")
    _lines(axes, rows, "accuracy_ensemble", color=_GREEN, label="ensemble of the two alone")
    _lines(axes, rows, "accuracy_x2", color=_ORANGE, label="modality 2 alone")
    _lines(axes, rows, "accuracy_joint", color=_BLUE, label="joint training")
    _lines(axes, rows, "accuracy_x1", color=_GREY, label="modality 1 alone", linestyle="--")
    _size_axis(axes, rows)
    axes.set_title(f"Accuracy (penalty {rows[0]['decay']:g})")
    axes.set_ylabel("test accuracy")


def _probe_panel(axes: "Axes", rows: Rows) -> None:
    axes.axhline(0.5, color="black", linewidth=0.9, linestyle=":", label="chance")
    _lines(axes, rows, "probe_twin_x2", color=_ORANGE, label="trained alone")
    _lines(axes, rows, "probe_joint_x2", color=_BLUE, label="trained jointly")
    _lines(axes, rows, "probe_untrained_x2", color=_GREY, label="untrained", linestyle="--")
    _size_axis(axes, rows)
    axes.set_title(f"What encoder 2 learned (penalty {rows[0]['decay']:g})")
    axes.set_ylabel("accuracy of its linear probe")
    axes.set_ylim(0.48, 1.01)


def _penalty_panel(axes: "Axes", rows: Rows) -> None:
    axes.axhline(0, color="black", linewidth=0.9, linestyle=":")
    sizes = sorted({row["size"] for row in rows})
    for k, size in enumerate(sizes):
        line = sorted((row for row in rows if row["size"] == size), key=lambda row: row["decay"])
        intervals = [ensemble_minus_joint(row) for row in line]
        _band(axes, [row["decay"] for row in line], intervals, color=_SIZES[k % len(_SIZES)], label=f"{size} samples")
    axes.set_title("What joint training loses (any penalty)")
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("L2 penalty of all systems")
    axes.set_ylabel("accuracy of ensemble minus joint")


def _lines(axes: "Axes", rows: Rows, name: str, **style: Any) -> None:
    _band(axes, [row["size"] for row in rows], [mean_interval(row[name]) for row in rows], **style)


def _band(axes: "Axes", x: Sequence[float], intervals: Sequence[Interval], *, color: str, **style: Any) -> None:
    axes.plot(x, [interval.mean for interval in intervals], "o", color=color, markersize=4)
    axes.plot(x, [interval.mean for interval in intervals], color=color, linewidth=1.6, **style)
    low, high = [interval.low for interval in intervals], [interval.high for interval in intervals]
    axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)


def _size_axis(axes: "Axes", rows: Rows) -> None:
    sizes = [row["size"] for row in rows]
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("samples to train on")
