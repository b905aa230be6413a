"""Experiments, common and individual: the picture: where scores of images come from, and what can be read off."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.common_individual.config import LEVEL, Config
from experiments.common_individual.maps import NUM_IMAGES
from experiments.common_individual.tables import READ_OFF
from experiments.harness import Row, Rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_BLUE, _ORANGE, _GREY = "#1f5fa8", "#e08a1e", "#8a8a8a"
_COLOURS = (_BLUE, "#b9cfe8", "#f3d3a4", _ORANGE)
"""Of the four read-offs: what should be large is dark."""


def figure(config: Config, rows: Rows) -> "Figure":
    """Draw maps of images, read-offs of known factors, and spectra of real data, as far as they were run."""
    from matplotlib.figure import Figure

    with_maps = {row["system"]: row for row in rows if "maps" in row}
    of_factors = [row for row in rows if "C to z, cosines" in row]
    real = [row for row in rows if "p-values" in row]
    heights = [7.2] * bool(with_maps) + [4.6] * bool(of_factors) + [3.4] * bool(real)
    made = Figure(figsize=(13, sum(heights)), layout="constrained")
    parts = iter(made.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    if with_maps:
        _draw_maps(next(parts), with_maps["heads"], with_maps["heads, not trained"])
    if of_factors:
        _draw_read_off(next(parts), of_factors)
    if real:
        _draw_spectra(next(parts), real)
    return made


def _draw_maps(part: "SubFigure", trained: Row, control: Row) -> None:
    """Draw images of both views above where scores come from: of trained heads, and the common one of random heads."""
    regions = np.asarray(trained["maps"]["region"])
    count = len(trained["maps"]["views"][0]["image"])
    grid = part.subplots(4, 2 * (count + 1))
    lines = (("common", trained, ""), ("individual", trained, ""), ("common", control, ",\nnot trained"))
    for k, view in enumerate(trained["maps"]["views"]):
        block = grid[:, k * (count + 1) : (k + 1) * (count + 1)]
        _line(block[0], [*view["image"], None], f"view {k + 1}", regions[k], "gray")
        for axes, (score, row, said) in zip(block[1:], lines, strict=True):
            maps, share = row["maps"]["views"][k], row[f"{score} in region"][k]
            text = f"{score}{said}\n{share:.0%} in box"
            _line(axes, [*maps[score], maps[f"mean {score}"]], text, regions[k], "magma")
        swapped = trained["common in the other view's region"][k]
        _box(block[1, -1], regions[1 - k], linestyle=":")
        block[1, -1].set_title(f"mean of {NUM_IMAGES}; {swapped:.0%} in\nthe other view's box", fontsize=9)
    part.suptitle(
        "Squared gradients of common and individual scores (box: the glyph that both views share, 12 % of an image)"
    )


def _line(line: np.ndarray, pictures: Sequence[Any], text: str, region: np.ndarray, colours: str) -> None:
    line[0].set_ylabel(text, fontsize=10)
    for axes, pixels in zip(line, pictures, strict=True):
        _picture(axes, pixels, region, colours)


def _picture(axes: "Axes", pixels: Any, region: np.ndarray, colours: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    if pixels is None:
        axes.axis("off")
        return
    image = np.asarray(pixels)
    limits = {"vmin": -1, "vmax": 1} if colours == "gray" else {"vmin": 0, "vmax": float(np.quantile(image, 0.99))}
    axes.imshow(image, cmap=colours, **limits)
    _box(axes, region)


def _box(axes: "Axes", region: np.ndarray, linestyle: str = "-") -> None:
    from matplotlib.patches import Rectangle

    rows, columns = np.nonzero(region)
    corner, sizes = (columns.min() - 0.5, rows.min() - 0.5), (float(np.ptp(columns)) + 1, float(np.ptp(rows)) + 1)
    axes.add_patch(Rectangle(corner, *sizes, fill=False, edgecolor="#35c6e6", linewidth=1.2, linestyle=linestyle))


def _draw_read_off(part: "SubFigure", rows: Rows) -> None:
    """Draw what is read off common and individual variates, by random cosines, one axes a setting."""
    settings = list(dict.fromkeys(row["setting"] for row in rows))
    grid = part.subplots(1, len(settings), sharey=True, squeeze=False)[0]
    for axes, setting in zip(grid, settings, strict=True):
        chosen = [row for row in rows if row["setting"] == setting]
        systems = list(dict.fromkeys(row["system"] for row in chosen))
        for i, name in enumerate(READ_OFF):
            values = [
                np.mean([row[f"{name}, cosines"] for row in chosen if row["system"] == system]) for system in systems
            ]
            axes.bar(
                np.arange(len(systems)) + (i - 1.5) / 5, np.maximum(values, 0), 0.19, color=_COLOURS[i], label=name
            )
        axes.set_xticks(range(len(systems)), systems, rotation=40, ha="right", fontsize=8)
        axes.set_title(setting, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].set_ylabel("share of variance predicted")
    part.legend(*grid[0].get_legend_handles_labels(), frameon=False, loc="outside lower left", ncols=4)
    part.suptitle("Factors read off common (C) and individual (I) variates: z is shared, u is not")


def _draw_spectra(part: "SubFigure", rows: Rows) -> None:
    """Draw canonical correlations of pairs of views on the samples of the fit and on others; filled: beyond chance."""
    axes = part.subplots()
    for row in rows:
        numbers, correlations = np.arange(1, len(row["correlations"]) + 1), np.asarray(row["correlations"])
        (line,) = axes.plot(numbers, correlations, label=row["views"])
        real = np.asarray(row["p-values"]) <= LEVEL
        colour = line.get_color()
        axes.scatter(numbers, correlations, c=[colour if beyond else "white" for beyond in real], edgecolors=[colour])
        axes.plot(numbers, row["held out"], ":", color=colour)
    axes.set_xticks(range(1, 1 + max(len(row["correlations"]) for row in rows)))
    axes.set_xlabel("component")
    axes.set_ylabel("correlation")
    axes.set_title(
        f"Canonical correlations of {rows[0]['setting']} (filled: beyond chance; dotted: held out)", fontsize=10
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
