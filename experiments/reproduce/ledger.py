"""Experiments, reproduce: all papers of the ledger."""

from experiments.reproduce import common_individual, competition, coupling, estimators, highmmt, interactions, later
from experiments.reproduce import synergy as synergy_bounds
from experiments.reproduce.entry import Paper

PAPERS: tuple[Paper, ...] = (
    synergy_bounds.PAPER,
    interactions.DECOMPOSITION,
    interactions.HUMANS,
    coupling.PAPER,
    common_individual.SCORES,
    common_individual.IDENTIFIED,
    highmmt.PAPER,
    competition.PAPER,
    estimators.PAPER,
    later.PAPER,
)
