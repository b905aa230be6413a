"""Experiments, reproduce: the ledger of common and individual representations (arXiv 2305.03125, 2106.07115)."""

from experiments.reproduce.entry import NO_NUMBER, Entry, Found, Paper, Reading, Shown
from experiments.reproduce.runs import Results, Source

PRESETS = ("quick", "full")
DEMANDED = Source(
    "common_individual",
    PRESETS,
    among={"settings": ("weak common", "strong common", "three views", "nonlinear", "images")},
)
IMAGES = Source("common_individual", PRESETS, among={"settings": ("images",)})
NONLINEAR = Source("common_individual", PRESETS, among={"settings": ("nonlinear",)})


def demanded(results: Results) -> Found:
    """Return how much of what was demanded of the systems is met."""
    frame = results.table("What was demanded")
    met, seeds = int((frame["met"] == "yes").sum()), results.configuration["num_seeds"]
    return Found(f"{met} of {len(frame)} demands met, worst of {seeds} seed{'s' if seeds > 1 else ''}")


def regions(results: Results) -> Found:
    """Return how much of the gradients of scores is where the views share a glyph."""
    row = results.table("Where in images scores come from").set_index("system").loc["heads"]
    shares = [100 * row[f"{score} in region"] for score in ("common", "individual")]
    return Found(f"in the shared box (12 % of the image): common {shares[0]:.0f} %, individual {shares[1]:.0f} %")


def nonlinear(results: Results) -> Found:
    """Return what is read off variates of nonlinear views."""
    frame = results.table("Common and individual variates of known factors")
    row = frame[frame["data"] == "nonlinear"].set_index("system").loc["heads, adversary"]
    shared, left = row["C to z, cosines"], row["I to z, cosines"]
    return Found(f"shared factors read off common variates {shared:.3f}, off individual ones {left:.3f}")


SCORES = Paper(
    "2305.03125",
    "MUC2M",
    "Multimodal Understanding Through Correlation Maximization and Minimization",
    (
        Entry(
            "all tables and figures",
            "experiments of the paper",
            "impossible: not described",
            NO_NUMBER,
            "abstract",
            why="Of the paper the abstract alone was to be read: no formulae, data sets or numbers.",
        ),
        Entry(
            "representations",
            "common and individual parts of any pre-trained features",
            "analogue",
            NO_NUMBER,
            "abstract",
            Reading(DEMANDED, demanded),
            "Objectives and data are ours.",
        ),
        Entry(
            "gradients of scores",
            "where in the input common and individual scores come from",
            "analogue",
            NO_NUMBER,
            "abstract",
            Reading(IMAGES, regions),
            "Scores and images are ours.",
        ),
        Entry(
            "linear theory of gradients",
            "what the gradients are where everything is linear",
            "analogue",
            NO_NUMBER,
            "abstract",
            Shown("tests/correlation/test_common_individual.py"),
            "The theorems are ours; closed forms against automatic derivatives.",
        ),
    ),
)
IDENTIFIED = Paper(
    "2106.07115",
    "Shared and private",
    "Understanding Latent Correlation-Based Multiview Learning and Self-Supervision",
    (
        Entry(
            "theorem, shared and private parts",
            "correlation finds what is shared, independence what is private",
            "analogue",
            NO_NUMBER,
            "abstract",
            Reading(NONLINEAR, nonlinear),
            "Network and adversary are ours.",
        ),
    ),
)
