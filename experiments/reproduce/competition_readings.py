"""Experiments, reproduce: where the experiments competition and starvation have the numbers of the ledger."""

import numpy as np
import pandas as pd

from experiments.reproduce.entry import Found
from experiments.reproduce.runs import Results

_SET = "asymmetric, head late linear"
_SHARES = ("0.1", "0.3", "0.5", "0.7")


def accuracies(results: Results) -> Found:
    """Return the accuracies of MCR, joint training and the ensemble, and MCR's differences from both."""
    frame = _methods(results)
    shown = ", ".join(f"{100 * frame.loc[name, 'accuracy']:.1f}" for name in ("MCR", "joint", "ensemble"))
    row = frame.loc["MCR"]
    return Found(f"{shown} %; MCR minus joint {row['minus joint']}, minus ensemble {row['minus ensemble']}")


def ablation(results: Results) -> Found:
    """Return the accuracies of MCR, without its game, and without its contrastive term."""
    frame = _methods(results)
    names = ("MCR", "MCR without game", "MCR without contrast")
    return Found(f"{'; '.join(f'{name} {_accuracy(frame.loc[name])}' for name in names)} %")


def cost(results: Results) -> Found:
    """Return the time of MCR over that of joint training."""
    return Found(f"{_methods(results).loc['MCR', 'cost']:.1f} times joint training")


def groups(results: Results) -> Found:
    """Return accuracies of MCR and joint training where just one twin is right."""
    frame = results.table(f"{_SET}: a closer look").set_index("method")
    columns = [name for name in frame.columns if name.startswith("right: ")]
    shown = [
        f"{column.removeprefix('right: ')} {_first(frame.loc['MCR', column])} ({_first(frame.loc['joint', column])})"
        for column in columns
    ]
    return Found(f"MCR (joint) where right: {', '.join(shown)}")


def sweep(results: Results) -> Found:
    """Return the differences of MCR and joint training along the shares of unique information."""
    frames = [_methods(results, f"mixed-{share}, head late linear") for share in _SHARES]
    falls = [f"{100 * frame.loc['joint', 'accuracy']:.1f}" for frame in frames]
    gains = [str(frame.loc["MCR", "minus joint"]) for frame in frames]
    return Found(f"joint {' to '.join((falls[0], falls[-1]))} %; MCR minus joint {', '.join(gains)}")


def starvation(results: Results) -> Found:
    """Return by how much the ensemble is right more often, by number of samples, under the first penalty."""
    frame = results.table("Accuracy of the systems")
    frame = frame[(frame["depth"] == frame["depth"].max()) & frame["system"].str.startswith("ensemble")]
    shown = [
        f"{100 * row['minus joint']:+.1f} [{100 * row['minus joint low']:+.1f}, {100 * row['minus joint high']:+.1f}]"
        for _, row in frame.iterrows()
    ]
    sizes = ", ".join(str(int(size)) for size in frame["samples"])
    return Found(f"ensemble minus joint {', '.join(shown)} points ({sizes} samples)")


def parity(results: Results) -> Found:
    """Return the accuracies of SynIB, joint training and the ensemble on a parity across modalities."""
    frame = _methods(results, "xor, head concatenation")
    return Found(f"{', '.join(f'{name} {_accuracy(frame.loc[name])}' for name in ('SynIB', 'joint', 'ensemble'))} %")


def _methods(results: Results, name: str = _SET) -> pd.DataFrame:
    return results.table(name).set_index("method")


def _accuracy(row: pd.Series) -> str:
    low, high = 100 * float(row.get("low", np.nan)), 100 * float(row.get("high", np.nan))
    interval = f" [{low:.1f}, {high:.1f}]" if np.isfinite(low) else ""
    return f"{100 * row['accuracy']:.1f}{interval}"


def _first(cell: object) -> str:
    """Return the number before the brackets."""
    return str(cell).split(" ")[0]
