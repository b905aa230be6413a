"""A small experiment for the harness's tests: squares, one row each, every computation noted in a file."""

import dataclasses
import os
import signal
import sys
import time
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.harness import Experiment, Table, input_errors, main
from mmjax.data import load_npz


@dataclasses.dataclass(frozen=True)
class Config:
    num_rows: int = 4
    """How many squares."""
    seed: int = 0
    """Seed of nothing."""
    pause: float = 0.0
    """Seconds an item sleeps."""
    kind: Literal["square", "cube"] = "square"
    """What to compute."""
    data: Path | None = None
    """An npz file."""

    def __post_init__(self) -> None:
        if self.num_rows < 1:
            raise ValueError(f"num_rows must be at least 1; got {self.num_rows}")


def items(config):
    if config.data:
        load_npz(config.data)
    with input_errors("seed"):
        if config.seed < 0:
            raise ValueError("must not be negative")

    def power(number):
        time.sleep(config.pause)
        if log := os.environ.get("TOY_LOG"):
            with open(log, "a") as stream:
                stream.write(f"{number}\n")
        value = np.float32(number) ** (2 if config.kind == "square" else 3)
        return {"number": number, "power": value, "curve": np.linspace(0, value, 3)}

    return {f"n={number}": (lambda number=number: power(number)) for number in range(config.num_rows)}


def tables(config, rows):
    frame = pd.DataFrame({"number": [row["number"] for row in rows], "power": [row["power"] for row in rows]})
    largest = pd.DataFrame({"largest": [frame["power"].max()]})
    return [Table("Powers", frame, f"of kind {config.kind}"), Table("Largest", largest)]


def figure(config, rows):
    chart = Figure()
    chart.subplots().plot([row["curve"] for row in rows])
    return chart


PRESETS = {"quick": Config(), "full": Config(num_rows=6)}
EXPERIMENT = Experiment("toy", "Powers of small numbers.", PRESETS, items, tables, figure)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background may have had it ignored
    sys.exit(main(EXPERIMENT))
