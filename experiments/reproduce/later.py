"""Experiments, reproduce: the ledger of other work that mmjax takes up, as far as numbers of it are known."""

from experiments.reproduce import competition_readings, highmmt_readings
from experiments.reproduce.competition import BUDGET
from experiments.reproduce.entry import NO_NUMBER, Entry, Paper, Reading, Shown
from experiments.reproduce.highmmt_readings import part
from experiments.reproduce.runs import Source

_METHODS = ("joint", "ensemble", "SynIB")
PARITY = Source(
    "competition",
    arguments=("--sets", "xor", "--heads", "concatenation", "--methods", *_METHODS),
    among={"sets": ("xor",), "heads": ("concatenation",), "methods": _METHODS},
    fields=BUDGET,
)
PAPER = Paper(
    "later",
    "Other work",
    "Other work that mmjax takes up",
    (
        Entry(
            "SynIB, 2606.09853",
            "gain on samples that need synergy; of all",
            "analogue",
            "+7.8 %; +3.8 %",
            "abstract",
            Reading(PARITY, competition_readings.parity),
            "On a parity across the modalities; the data of the paper are not available here.",
        ),
        Entry(
            "Grad-TAG, 2409.06091",
            "affinities by gradients, error and cost beside measuring",
            "analogue",
            "within 2.7 % at 3 % of the operations",
            "abstract",
            part("surrogates", highmmt_readings.stand_ins),
            "Of modalities in the place of tasks.",
        ),
        Entry(
            "2307.10515, canonical Gaussian examples",
            "R, U1, U2, S of scalar and vector Gaussians",
            "reproduced",
            "in closed form",
            "code",
            Shown("tests/pid/test_gaussian.py"),
            "Closed forms, and values of the public code of its authors, to 2e-7 bit.",
        ),
        Entry(
            "Thin-PID, 2510.04417",
            "Gaussian decomposition, error and speed",
            "not attempted",
            "error below 1e-12, about 10 times faster",
            "secondary",
            why="Its tables were not to be read; pid.gaussian certifies its own error.",
        ),
        Entry(
            "2512.16662, theorem",
            "no decomposition has all of three properties",
            "not attempted",
            NO_NUMBER,
            "abstract",
            why="A proof; there is nothing to compute.",
        ),
    ),
)
