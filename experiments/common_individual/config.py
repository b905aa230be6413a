"""Experiments, common and individual: the configuration."""

import dataclasses
from pathlib import Path
from typing import Literal, get_args

from experiments.harness import check_counts, check_modalities, check_names

Setting = Literal["weak common", "strong common", "three views", "nonlinear", "images", "digits"]


LEVEL = 0.05
"""Of the permutation test."""


@dataclasses.dataclass(frozen=True)
class Config:
    """What to split, and how often."""

    settings: tuple[Setting, ...] = get_args(Setting)
    """Generated data and digits; see above."""
    data: Path | None = None
    """A data file of two views or more, in the place of the settings."""
    modalities: tuple[str, ...] = ()
    """Of the data file; none: all of them."""
    num_seeds: int = 1
    """Repetitions of generated data, each drawn anew."""
    thorough: bool = False
    """Also two-stage training, all samples a step, and all penalties of what is left nonlinearly."""
    num_common: int | None = None
    """Common components of digits and files; None: as many as the permutation test finds in every pair of views, at
    least 1, at most 10."""
    num_individual: int = 5
    """Individual components of digits and files, at most: fewer where a view has fewer."""
    num_permutations: int = 999
    """Of the test; the smallest p-value is 1 / (permutations + 1)."""
    seed: int = 0
    """Seed of data and training."""

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        check_counts(self, num_seeds=1, num_individual=1, num_common=1, seed=0)
        if self.num_permutations < 1 / LEVEL - 1:
            raise ValueError(
                f"num_permutations must be at least 19 for p-values of {LEVEL}; got {self.num_permutations}"
            )
        check_modalities(self)
        if len(set(self.modalities)) == 1 or len(set(self.modalities)) < len(self.modalities):
            raise ValueError(f"modalities must be two or more, each once; got {' '.join(self.modalities)}")
        check_names("settings", self.settings, get_args(Setting))
