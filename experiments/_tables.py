"""Experiments, tables: a run's tables as Markdown for people and as CSV for programs."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd


class Table(NamedTuple):
    """A table with its heading and what a reader must know to read it rightly."""

    name: str
    """The heading; also the value of the column `table` in the CSV of several tables."""
    frame: pd.DataFrame
    """Columns are printed, the index is not."""
    note: str = ""
    """Sources, units, what is not reproducible and why."""


def to_markdown(tables: Sequence[Table]) -> str:
    """Return the tables as sections, with numbers rounded for reading and columns aligned."""
    return "\n".join(_section(table) for table in tables)


def to_csv(tables: Sequence[Table]) -> str:
    """Return the tables in full precision; several are stacked, with their names in the column `table`."""
    if len(tables) == 1:
        return str(tables[0].frame.to_csv(index=False))
    frames = [table.frame.assign(table=table.name) for table in tables]
    stacked = pd.concat(frames, ignore_index=True)
    return str(stacked[["table", *stacked.columns.drop("table")]].to_csv(index=False))


def format_cell(value: Any) -> str:
    """Write a value as a person reads it: four decimals, or three digits where these would say nothing."""
    if value is None or value is pd.NA:
        return ""
    if isinstance(value, float):
        if not math.isfinite(value) or value == int(value):
            return f"{value:.0f}"
        return f"{value:.4f}" if 1e-3 <= abs(value) < 1e5 else f"{value:.3g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def _section(table: Table) -> str:
    columns = [str(name) for name in table.frame.columns]
    cells = [[format_cell(value) for value in row] for row in table.frame.itertuples(index=False)]
    is_number = [pd.api.types.is_numeric_dtype(dtype) for dtype in table.frame.dtypes]
    widths = [max([3, *map(len, column)]) for column in zip(columns, *cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, is_number, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * (width - 1) + (":" if right else "-") for width, right in zip(widths, is_number, strict=True)]
    body = [line(columns), line(rule), *map(line, cells)]
    note = ["", table.note] if table.note else []
    return "\n".join([f"## {table.name}", "", *body, *note, ""])
