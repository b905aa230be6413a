"""Experiments, estimators: the picture: estimates against truth, bounds without labelled tuples, decompositions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.estimators.decomposition import PARTS
from experiments.estimators.sources import decomposition_of, information_of
from experiments.estimators.suite import catalogue
from experiments.estimators.tables import ESTIMATORS, of_kind, shown_name, suite_intervals
from experiments.harness import Rows
from mmjax.training import mean_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#1f5fa8", "#e08a1e", "#2f8f5b", "#8e4fb0")


def draw(rows: Rows) -> "Figure":
    """Draw a panel for each kind of rows there is: the suite above, the other two below it."""
    from matplotlib.figure import Figure

    suite = [row for row in rows if "source" not in row]
    unpaired = of_kind(of_kind(rows, "source"), "test/information")
    decomposed = of_kind(rows, "test/redundancy/value")
    above = [(_suite_panel, suite)] if suite else []
    below = [panel for panel in ((_unpaired_panel, unpaired), (_decomposition_panel, decomposed)) if panel[1]]
    num_tasks = len({task for task, _ in suite_intervals(suite)})
    num_sources = len({row["source"] for row in rows if "source" in row})
    heights = [2.2 + 0.25 * num_tasks] * bool(above) + [1.8 + 0.45 * num_sources] * bool(below)
    figure = Figure(figsize=(12, sum(heights)), layout="constrained")
    stories = np.asarray(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False))[:, 0]
    for story, panels in zip(stories, [panels for panels in (above, below) if panels], strict=True):
        for axes, (panel, some) in zip(np.atleast_1d(story.subplots(1, len(panels))), panels, strict=True):
            panel(axes, some)
            axes.spines[["top", "right"]].set_visible(False)
    return figure


def _suite_panel(axes: "Axes", rows: Rows) -> None:
    """Show estimate minus truth as a matrix, distributions by estimators."""
    found = suite_intervals(rows)
    tasks = list(dict.fromkeys(task for task, _ in found))
    names = [name for name in ESTIMATORS if any(name == estimator for _, estimator in found)]
    error = np.full((len(tasks), len(names)), np.nan)
    for (task, name), interval in found.items():
        error[tasks.index(task), names.index(name)] = interval.mean - catalogue()[task].information
    image = axes.imshow(error, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(error):
        text = "nan" if np.isnan(value) else f"{value:+.2f}" if abs(value) < 10 else f"{value:+.0f}"
        axes.text(j, i, text, ha="center", va="center", fontsize=7, color="white" if abs(value) > 0.6 else "black")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(tasks)), tasks, fontsize=8)
    axes.set_title("Estimate minus true information (nats)")
    axes.figure.colorbar(image, ax=axes, shrink=0.6, extend="both")


def _unpaired_panel(axes: "Axes", rows: Rows) -> None:
    sources = list(dict.fromkeys(row["source"] for row in rows))
    for place, source in enumerate(sources):
        values = [row["test/information"] for row in rows if row["source"] == source]
        axes.plot(values, np.full(len(values), place), "|", color=_COLOURS[0], alpha=0.5)
        axes.plot(information_of(source), place, "D", color="black", markersize=5)
    axes.plot([], [], "|", color=_COLOURS[0], label="bound, a repetition")
    axes.plot([], [], "D", color="black", markersize=5, label="truth")
    axes.set_xlabel("information of all modalities (nats)")
    axes.set_title("Without a labelled tuple")
    _name_lines(axes, sources)


def _decomposition_panel(axes: "Axes", rows: Rows) -> None:
    sources = list(dict.fromkeys(row["source"] for row in rows))
    for place, source in enumerate(sources):
        truth = decomposition_of(source)
        for k, part in enumerate(PARTS):
            height = place + 0.18 * (k - 1.5)
            interval = mean_interval([row[f"test/{part}/value"] for row in rows if row["source"] == source])
            error = 0 if np.isnan(interval.high) else interval.high - interval.mean
            label = part if place == 0 else None
            axes.errorbar(interval.mean, height, xerr=error, fmt="o", color=_COLOURS[k], markersize=4, label=label)
            if truth is not None:
                axes.plot(float(getattr(truth, part)), height, "|", color="black", markersize=9)
    axes.plot([], [], "|", color="black", markersize=9, label="truth")
    axes.set_xlabel("bits")
    axes.set_title("Decomposition by trained classifiers")
    _name_lines(axes, sources)


def _name_lines(axes: "Axes", sources: Sequence[str]) -> None:
    """Name the lines of a panel by their sources, the first one on top."""
    axes.set_yticks(range(len(sources)), [shown_name(source) for source in sources])
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
