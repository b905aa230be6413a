"""Experiments, reproduce: where experiments have the numbers of the ledger of arXiv 2306.04539."""

from collections.abc import Callable

from experiments.reproduce.entry import Found
from experiments.reproduce.runs import Results, Source

BOUNDS = ("quick", "full", "paper")
RANDOM = Source("synergy_bounds", BOUNDS, among={"parts": ("random",)})
REAL = Source("synergy_bounds", BOUNDS, among={"parts": ("real",)}, fields=("recipe",))
FUSION = Source(
    "fusion_value",
    ("quick", "full"),
    among={"kinds": ("gates", "random tables", "generative", "views")},
    fields=("heads", "rates", "num_cells", "num_samples", "num_steps"),
)
PRETRAINED = Source(
    "disagreement",
    ("full", "quick"),
    among={"worlds": ("vectors",), "objectives": ("untrained", "agreement", "disagreement", "both")},
    fields=("num_samples", "num_labelled", "rates", "num_steps", "batch_size", "width"),
)


def widths(results: Results) -> Found:
    """Return mean synergy and bounds of random 2x2x2 tables."""
    row = results.table("Random tables: how much the marginals leave open").set_index("shape").loc["2x2x2"]
    ends = [f"[{row[f'{whose} lower']:.4f}, {row[f'{whose} upper']:.4f}]" for whose in ("published", "mmjax")]
    return Found(f"mean S {row['synergy']:.4f} in {ends[0]}, ours {ends[1]} bit; {int(row['tables'])} tables")


def validity(formula: str, *, bound: bool) -> Callable[[Results], Found]:
    """Return the reading of how often a formula misses the synergy of random 2x2x2 tables, if it is a bound or none."""

    def read(results: Results) -> Found:
        frame = results.table("Random tables: which formula is a bound")
        row = frame[frame["shape"] == "2x2x2"].set_index("formula").loc[f"published, {formula}"]
        number = results.table("Random tables: how much the marginals leave open").set_index("shape")["tables"]["2x2x2"]
        missed = int(row["violated"])
        by = f", by up to {row['largest violation']:.3f} bit" if missed else ""
        return Found(f"violated in {missed} of {int(number)} tables{by}", (missed == 0) == bound)

    return read


def real(results: Results) -> Found:
    """Return synergy and bounds of halves of digits."""
    rows = {row["pair"]: row for row in results.rows if row["kind"] == "real"}
    row = rows["digits top, bottom"]
    s = f"{row['synergy']:.3f} [{row['synergy_from']:.3f}, {row['synergy_to']:.3f}]"
    null = f"[{row['synergy_null_from']:.3f}, {row['synergy_null_to']:.3f}]"
    return Found(f"digits: S {s}, null {null}, bounds [{row['lower']:.3f}, {row['upper']:.3f}] bit")


def holding(results: Results) -> Found:
    """Return how many accuracy ranges hold."""
    frame = results.table("Ranges that hold").set_index("range")
    exact, published = frame.loc["exact"], frame.loc["published"]
    share = f"{100 * exact['share']:.0f} % [{100 * exact['low']:.0f}, {100 * exact['high']:.0f}]"
    sets = int(exact["data sets"])
    return Found(f"exact range in {int(exact['hold'])} of {sets} ({share}), published in {int(published['hold'])}")


def labelling(results: Results) -> Found:
    """Return how much labelled pairs narrow the range of an exclusive or."""
    frame = results.table("What labelled pairs buy")
    frame = frame[frame["set"] == "xor, 10% noise"]
    shown = [
        f"{width:.2f} by {int(number)}" for number, width in zip(frame["labelled pairs"], frame["width"], strict=True)
    ]
    return Found(f"noisy xor: width {', '.join(shown)} pairs")


def pretrained(results: Results) -> Found:
    """Return how much better synergy is read off latents that may disagree than off those that must agree, or any."""
    frame = results.table("Probes of vectors").set_index("objective")
    shown = [
        f"{name} {frame.loc[name, 'synergy over agreement']}, over none {frame.loc[name, 'synergy over untrained']}"
        for name in ("disagreement", "both")
    ]
    return Found(f"synergy read off, over agreement: {'; '.join(shown)} points")
