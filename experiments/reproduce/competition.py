"""Experiments, reproduce: the ledger of MCR (Kontras et al., arXiv 2411.07335v3)."""

from collections.abc import Callable, Iterator

from experiments.competition.published import COLUMNS, published_table
from experiments.reproduce import competition_claims as claims
from experiments.reproduce import competition_readings as read
from experiments.reproduce.entry import DIRECT, NO_NUMBER, UNREAD, Entry, Paper, Reading, Shown
from experiments.reproduce.runs import Source

BUDGET = ("rates", "decays", "num_samples", "num_segments", "steps_per_segment", "batch_size", "width", "column")
_BASIC = ("joint", "ensemble", "MCR")
_LATE = ("late linear",)
SOME = Source(
    "competition",
    ("quick", "full"),
    among={"sets": ("asymmetric",), "methods": _BASIC, "heads": _LATE},
    fields=BUDGET,
)
ALL = Source(
    "competition",
    ("full",),
    among={
        "sets": ("asymmetric",),
        "methods": (*_BASIC, "MCR without game", "MCR without contrast"),
        "heads": _LATE,
    },
    fields=BUDGET,
)
MIXED = Source(
    "competition",
    ("paper",),
    among={"sets": ("mixed-0.1", "mixed-0.3", "mixed-0.5", "mixed-0.7"), "methods": _BASIC, "heads": _LATE},
    fields=BUDGET,
)
STARVED = Source(
    "starvation",
    ("quick", "full"),
    fields=("depth", "rates", "num_segments", "steps_per_segment", "width"),
)
_APPENDIX = "The appendix was not to be read."


def _is_highest(accuracies: dict[str, float]) -> bool:
    return max(accuracies, key=accuracies.__getitem__) == "MCR"


def _is_below_ensemble(accuracies: dict[str, float]) -> bool:
    return accuracies["joint"] < accuracies["ensemble"]


def _num_columns(holds: Callable[[dict[str, float]], bool]) -> int:
    """Count the columns of Table 1, methods to accuracies, of which something holds."""
    printed = published_table().frame.set_index("method")
    numbers = [{name: float(x.split("±")[0]) for name, x in printed[of].items() if "±" in x} for of in COLUMNS]
    return sum(map(holds, numbers))


def _columns() -> Iterator[Entry]:
    """Return an entry a column of Table 1, numbers as the experiment competition quotes them."""
    printed = published_table().frame.set_index("method")
    for column in COLUMNS:
        mcr, joint, ensemble = (printed.loc[name, column] for name in ("MCR", "joint", "ensemble"))
        preset = column.lower().replace(" ", "-")
        yield Entry(
            f"Table 1, {column}",
            "accuracy of MCR, joint training, ensemble; 11 more methods",
            "impossible: data",
            f"{mcr}, {joint}, {ensemble} %",
            "paper",
            why=f"Not available here; experiments.competition --preset {preset} --data FILE.npz takes yours.",
        )


PAPER = Paper(
    "2411.07335",
    "MCR",
    "Multimodal Fusion Balancing Through Game-Theoretic Regularization",
    (
        *_columns(),
        Entry(
            "Table 1, its question",
            "accuracy of MCR, joint training, ensemble",
            "analogue",
            f"MCR highest in {_num_columns(_is_highest)} of {len(COLUMNS)} columns",
            "paper",
            Reading(SOME, read.accuracies),
            "One generator, made so that joint training starves a modality.",
        ),
        Entry(
            "Table 1, premise",
            "joint training is below the ensemble",
            "analogue",
            f"in {_num_columns(_is_below_ensemble)} of {len(COLUMNS)} columns",
            "paper",
            Reading(STARVED, read.starvation),
            "Generated data; not so with much data and a weak penalty.",
        ),
        Entry(
            "Figure 1, information",
            "I(X1,X2;Y) as a sum of unique and shared parts (eq. 4)",
            "reproduced",
            "an identity",
            "paper",
            Shown(DIRECT, claims.identity),
            "Printed with I(X1;X2;Y) on the left, which is another quantity.",
        ),
        Entry(
            "Figure 1, sweep",
            "accuracy against the share of unique information",
            "analogue",
            "a figure: MCR highest, joint training falls fastest",
            "paper",
            Reading(MIXED, read.sweep),
            "Own generator after the main text, which lacks sizes; the ranking does not show there.",
        ),
        Entry(
            "Figure 4",
            "accuracy by which unimodal models are right",
            "analogue",
            "a figure: MCR gains where one is right",
            "paper",
            Reading(SOME, read.groups),
            "On the generated data of Table 1's question.",
        ),
        Entry(
            "equation 6",
            "MIPD <= I(X1;Y|X2), in its Jensen-Shannon form",
            "wrong: proof",
            "a lower bound",
            "paper",
            Shown("tests/competition/test_sensitivity.py::test_what_it_bounds_and_what_not", claims.sensitivity),
            "With the log-ratio of eq. 7 it is an upper bound, of the best predictor.",
        ),
        Entry(
            "equation 10",
            "contrastive lower bound on shared information",
            "impossible: not described",
            "log N - L is a lower bound",
            "paper",
            why=f"{_APPENDIX} It has the proof (B) and what N is.",
        ),
        Entry(
            "equations 12 and 13",
            "gradients of encoders in the game",
            "reproduced",
            "a definition",
            "paper",
            Shown("tests/competition/test_sensitivity.py::test_one_backward_pass_gives_each_part_its_own_gradient"),
            "In one backward pass. The code's independent and collaborative games differ from the equations.",
        ),
        Entry(
            "Appendix A.7",
            "the game of more than two modalities",
            "impossible: not described",
            UNREAD,
            "code",
            why=f"{_APPENDIX} Ours is as the public code has it.",
        ),
        Entry(
            "Appendix A.8",
            "strategies of the game compared",
            "impossible: not described",
            UNREAD,
            "paper",
            why=f"{_APPENDIX} All three are in mmjax.competition.mcr.",
        ),
        Entry(
            "Appendix A.9",
            "parts of the loss taken away",
            "analogue",
            UNREAD,
            "paper",
            Reading(ALL, read.ablation),
            f"{_APPENDIX} On the generated data of Table 1's question.",
        ),
        Entry(
            "Appendix A.10",
            "kinds of perturbation compared",
            "impossible: not described",
            UNREAD,
            "paper",
            why=f"{_APPENDIX} Permutations, noise and zeros are in mmjax.competition.",
        ),
        Entry(
            "Appendix A.14",
            "cost of a step",
            "analogue",
            NO_NUMBER,
            "paper",
            Reading(SOME, read.cost),
            f"{_APPENDIX} Small encoders, where 32 permutations are dear.",
        ),
    ),
)
