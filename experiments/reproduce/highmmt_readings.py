"""Experiments, reproduce: where the experiment highmmt has the numbers of the ledger."""

import math
from collections.abc import Callable

import pandas as pd

from experiments.reproduce.entry import Found, Reading
from experiments.reproduce.runs import Results, Source

_FIELDS = (
    "num_samples",
    "num_pair_samples",
    "num_steps",
    "num_pair_steps",
    "num_transfer_steps",
    "width",
    "num_latents",
    "learning_rate",
    "rates",
    "budget",
    "batch_size",
)


def part(part: str, of: Callable[[Results], Found], *, presets: tuple[str, ...] = ("full", "quick")) -> Reading:
    """Return the reading of a part, which says on how many modalities and seeds its number rests."""

    def read_with_setting(results: Results) -> Found:
        found, setting = of(results), results.configuration
        world = "10 modalities" if setting["large"] else "6 sequences"
        return found._replace(text=f"{found.text} ({world}, seeds: {setting['num_seeds']})")

    return Reading(Source("highmmt", presets, among={"parts": (part,)}, fields=_FIELDS), read_with_setting)


def groups_by_transfer(results: Results) -> Found:
    """Return the accuracy of groups by transfer, and by how much it is above sharing all."""
    row = _plans(results).loc["groups by transfer"]
    return Found(f"{_accuracy(row)}, {int(row['encoders'])}+{int(row['crossmodal'])} groups; {_over(row, 'share all')}")


def plans(results: Results) -> Found:
    """Return the accuracies of the plans of Table 5."""
    frame = _plans(results)
    names = ("groups by transfer", "share none", "share all", "random groups", "groups by features")
    shown = [f"{100 * frame.loc[name, 'accuracy']:.1f}" for name in names[1:]]
    return Found(f"{_accuracy(frame.loc[names[0]])}; {', '.join(shown)} %")


def pre_training(results: Results) -> Found:
    """Return the accuracy of groups by transfer with and without pre-training."""
    frame = _plans(results)
    with_it, without = (frame.loc[name] for name in ("groups by transfer, pre-trained", "groups by transfer"))
    return Found(f"{_accuracy(with_it)} against {_accuracy(without)}")


def transfer(results: Results) -> Found:
    """Return accuracies by number of source tasks, and the gain of the most."""
    frame = results.table("Transfer to a new task")
    shown = ", ".join(f"{100 * x:.1f}" for x in frame["accuracy"])
    return Found(f"{shown} %; gain {frame['gain'].iloc[-1]} points")


def few_samples(results: Results) -> Found:
    """Return the gain by other tasks, by share of samples."""
    frame = results.table("Few samples of a task")
    shown = [
        f"{100 * share:.0f} %: {gain}" for share, gain in zip(frame["share of samples"], frame["gain"], strict=True)
    ]
    return Found(f"gain of {'; '.join(shown)} points")


def involvement(results: Results) -> Found:
    """Return the shares of parameters by number of tasks, where there are four or more: 1, 2, 3, and more."""
    frame = results.table("Involvement of parameters, by number of tasks").set_index("parameters of")
    shown = []
    for name, row in frame.iterrows():
        shares = [100 * float(x) for x in row.dropna()]
        shown.append(f"{name} {', '.join(f'{x:.1f}' for x in [*shares[:3], sum(shares[3:])])}")
    return Found(f"{'; '.join(shown)} % (last: 4 or more)")


def interference(results: Results) -> Found:
    """Return what wrong labels cost the task itself and others, where all is shared and where groups are."""
    frame = results.table("Interference of one task with the others")
    frame = frame[frame["trained"] == "all"].set_index("plan")
    shown = [
        f"{plan}: itself {float(row['the task itself']):+.1f}, others {float(row['other tasks']):+.1f}"
        for plan, row in frame.iterrows()
    ]
    return Found(f"{'; '.join(shown)} points")


def distances(part: str) -> Callable[[Results], Found]:
    """Return the reading of how far clusters of measured distances are the true ones."""

    def read(results: Results) -> Found:
        frame = results.table("Distances of modalities and interactions")
        row = frame[frame["of"] == part].sort_values("steps on the target").iloc[0]
        apart = f"alike {row['alike, bits']:.2f}, apart {row['apart, bits']:.2f} bit"
        return Found(
            f"{int(row['nodes'])} nodes: {apart}; Rand index {row['Rand index']:.2f} (least {row['least']:.2f})"
        )

    return read


def growth(results: Results) -> Found:
    """Return the gain of each modality."""
    frame = results.table("One modality after the other")
    return Found(f"gains {'; '.join(str(gain) for gain in frame['gain'].iloc[1:])} points, the last of noise")


def pairs(results: Results) -> Found:
    """Return what the selected third of pairs is worth of all."""
    frame = results.table("Which pairs to fuse").set_index("fused")
    row, random = frame.loc["selected third"], frame.loc["random third"]
    return Found(f"selected third: {row['of all pairs']} of all pairs; random {random['of all pairs']}")


def stand_ins(results: Results) -> Found:
    """Return how gradients rank distances, and what they cost, beside measuring."""
    frame = results.table("Stand-ins for distances of modalities").set_index("by")
    (row,) = (frame.loc[name] for name in frame.index if "gradient" in str(name))
    ranks, costs = (
        next(row[name] for name in frame.columns if name.startswith(start)) for start in ("ranks after", "seconds, of")
    )
    return Found(f"rank correlation {ranks:.2f} at {100 * costs:.0f} % of the time")


def _plans(results: Results) -> pd.DataFrame:
    return results.table("Sharing plans").set_index("plan")


def _accuracy(row: pd.Series) -> str:
    mean, low, high = (100 * float(row.get(name, math.nan)) for name in ("accuracy", "low", "high"))
    return f"{mean:.1f} %" if math.isnan(low) else f"{mean:.1f} [{low:.1f}, {high:.1f}] %"


def _over(row: pd.Series, other: str) -> str:
    return f"minus {other} {row[f'minus {other}']} points"
