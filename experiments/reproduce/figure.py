"""Experiments, reproduce: the picture: statuses of the entries of each paper, as stacked bars."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from experiments.harness import Rows
from experiments.reproduce.entry import STATUSES, Paper
from experiments.reproduce.rows import UNCONFIRMED, of_papers
from experiments.reproduce.tables import counts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = dict(
    zip(
        (*STATUSES, UNCONFIRMED),
        ("#1f5fa8", "#c0392b", "#6fa8dc", "#bdbdbd", "#dedede", "#e08a1e", "#f3ead7", "#6b2d8b"),
        strict=True,
    )
)


def draw(papers: Mapping[str, Paper], rows: Rows) -> "Figure":
    """Draw a bar a paper, as long as it has entries."""
    from matplotlib.figure import Figure

    entries = of_papers(rows)
    chart = Figure(figsize=(10, 1.8 + 0.42 * len(entries)), layout="constrained")
    axes = chart.subplots()
    left = [0] * len(entries)
    counted = [counts(of) for of in entries.values()]
    for status, colour in _COLOURS.items():
        numbers = [of.get(status, 0) for of in counted]
        if not any(numbers):
            continue
        bars = axes.barh(range(len(entries)), numbers, left=left, color=colour, edgecolor="white", label=status)
        axes.bar_label(bars, [str(number) if number else "" for number in numbers], label_type="center", fontsize=8)
        left = [before + number for before, number in zip(left, numbers, strict=True)]
    axes.set_yticks(range(len(entries)), [papers[key].label for key in entries])
    axes.invert_yaxis()
    axes.set_xlabel("published tables, figures and numbered results")
    axes.spines[["top", "right"]].set_visible(False)
    chart.legend(loc="outside lower center", ncols=4, frameon=False)
    return chart
