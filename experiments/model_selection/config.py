"""Experiments, model selection: the configuration."""

import dataclasses
from pathlib import Path

from experiments.harness import Launch, LaunchOptions, check_counts, check_modalities, check_names, check_numbers
from experiments.model_selection.methods import METHODS
from experiments.model_selection.selection import NUM_SUGGESTED
from mmjax.data import GENERATIVE_RATIOS


@dataclasses.dataclass(frozen=True)
class Config:
    """Which data sets and methods, and how closely to look."""

    known: tuple[str, ...] = tuple(GENERATIVE_RATIOS)
    """Data sets of arXiv 2302.12247 on which all methods are known."""
    num_new: int = 5
    """New data sets, generated alike with ratios drawn uniformly; none with a file."""
    data: Path | None = None
    """Your npz file, whose pairs of modalities are the new data sets."""
    modalities: tuple[str, ...] = ()
    """Those of the file to take; none: all of them."""
    methods: tuple[str, ...] = tuple(METHODS)
    """Ways of fusing two modalities to choose from."""
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    """Learning rates of Adam, to choose from by validation loss, for each method and data set."""
    num_seeds: int = 5
    """Repetitions, with other initial parameters and orders of the samples."""
    num_cells: int = 10
    """Cells of a modality that is continuous."""
    num_samples: int = 8000
    """Generated samples to train on; as many to test on, and half as many for validation."""
    transform_dim: int = 100
    """Numbers that a latent is mapped to; a modality has twice as many."""
    num_steps: int = 600
    """Optimiser steps of a run."""
    seed: int = 0
    """Seed of data, splits and runs."""
    launch: LaunchOptions = dataclasses.field(default_factory=Launch)
    """Where runs run."""

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        check_counts(self, num_new=1, num_seeds=1, num_cells=2, num_samples=64, transform_dim=1, num_steps=1, seed=0)
        check_modalities(self)
        check_numbers("rates", self.rates)
        check_names("methods", self.methods, METHODS, least=NUM_SUGGESTED + 1)
        check_names("known", self.known, GENERATIVE_RATIOS, least=2)
