"""Experiments, reproduce: the ledger of estimators of mutual information."""

from experiments.reproduce.entry import NO_NUMBER, UNREAD, Entry, Found, Paper, Reading, Shown
from experiments.reproduce.runs import Results, Source
from mmjax.data import INFORMATION_TASKS

_FIELDS = ("num_samples", "separable", "width", "num_segments", "steps_per_segment", "batch_size", "learning_rate")
_PUBLISHED = 40
_OURS = tuple(INFORMATION_TASKS)
SUITE = Source("estimators", ("paper", "full"), among={"parts": ("suite",), "tasks": _OURS}, fields=_FIELDS)


def estimates(results: Results) -> Found:
    """Return how many distributions InfoNCE and nearest neighbours estimate within 0.1 nat."""
    frame = results.table("Mutual information of known distributions")
    frame = frame[frame["distribution"].isin(_OURS)]
    shown = []
    for name in ("InfoNCE", "KSG"):
        close = [abs(float(str(x).split(" ")[0]) - t) <= 0.1 for x, t in zip(frame[name], frame["truth"], strict=True)]
        shown.append(f"{name} in {sum(close)}")
    return Found(f"within 0.1 nat: {', '.join(shown)} of {len(frame)} distributions")


def catalogue() -> Found:
    """Return how many of the published distributions are there, with their informations."""
    known = [task.information for task in (INFORMATION_TASKS[name] for name in _OURS)]
    return Found(f"{len(known)} distributions, {min(known):.2f} to {max(known):.2f} nat", len(known) == _PUBLISHED)


PAPER = Paper(
    "estimators",
    "Estimators",
    "Estimators of mutual information",
    (
        Entry(
            "2306.11078, distributions",
            "40 distributions of known mutual information",
            "reproduced",
            "40 distributions",
            "code",
            Shown("tests/outside/test_information_tasks.py::test_information", catalogue),
            "The test compares with the published package, to which it needs access (pytest -m outside).",
        ),
        Entry(
            "2306.11078, figure of estimates",
            "estimates by ten estimators and more on these",
            "analogue",
            UNREAD,
            "paper",
            Reading(SUITE, estimates),
            "Own critics and budgets; the published numbers are a figure, which was not to be read.",
        ),
        Entry(
            "2310.10240, distributions",
            "mixtures X, AI, Waves, Galaxy",
            "reproduced",
            NO_NUMBER,
            "code",
            Shown("tests/data/test_mixture_tasks.py"),
            "Samples and informations against the published definitions.",
        ),
        Entry(
            "2510.20644",
            "lower bound on information from the Jensen-Shannon objective",
            "reproduced",
            "a bound",
            "abstract",
            Shown("tests/estimators/test_jensen_shannon.py::test_no_pair_of_tables_is_below_the_map"),
            "In expectation; of one batch it is none.",
        ),
        Entry(
            "CLUB, variational",
            "upper bound by a learned conditional",
            "wrong: proof",
            "a bound",
            "secondary",
            Shown("tests/estimators/test_upper_bounds.py::test_a_wrong_conditional_is_no_bound"),
            "It is one with the true conditional.",
        ),
    ),
)
