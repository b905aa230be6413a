"""Experiments, HighMMT: the configuration."""

import dataclasses
import math
from pathlib import Path
from typing import Literal, get_args

from experiments.harness import check_counts, check_names, check_numbers

Part = Literal[
    "modalities",
    "interactions",
    "sharing",
    "homogeneous",
    "growth",
    "pairs",
    "views",
    "adaptation",
    "surrogates",
]


@dataclasses.dataclass(frozen=True)
class Config:
    """What to measure, and how often."""

    parts: tuple[Part, ...] = get_args(Part)
    """Distances of modalities and of interactions; sharing plans on heterogeneous and on homogeneous modalities; tasks
    that get one modality after the other; which pairs of modalities to fuse; views of digits and tumours, whose truth
    is not known; what tasks do for each other; and what could stand in for distances of modalities."""
    data: Path | None = None
    """Your npz file of two modalities or more, instead of the parts."""
    modalities: tuple[str, ...] = ()
    """Those of the file to take; none: all of them."""
    large: bool = False
    """Whether modalities, plans and growth are those of 10 modalities and 15 tasks; otherwise of 6 sequences."""
    num_seeds: int = 1
    """Repetitions; each draws its own world, samples and parameters."""
    num_samples: int = 512
    """Training samples of a task."""
    num_pair_samples: int = 2048
    """Training samples of a task of a pair with a rule, and of one that two exclusive ors make."""
    num_steps: int = 300
    """Steps of a model of all tasks, and of one modality."""
    num_pair_steps: int = 1000
    """Steps of a model of one pair; exclusive or takes that many."""
    num_transfer_steps: int = 20
    """Steps from one node's model to another node's; 0 steps are measured too."""
    width: int = 16
    """Of latents."""
    num_latents: int = 4
    """Of a modality."""
    learning_rate: float = 3e-3
    """Of Adam, for single nodes."""
    rates: tuple[float, ...] = (3e-3,)
    """Learning rates of Adam for all tasks together, to choose from."""
    budget: float = 0.3
    """Parameters of groups by transfer: share of those of encoders and crossmodal stacks where none is shared."""
    batch_size: int = 32
    """Samples of a step, of each task."""
    seed: int = 0
    """Seed of the first repetition."""

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        check_counts(self, num_seeds=1, num_samples=1, num_pair_samples=1, num_steps=1, num_pair_steps=1)
        check_counts(self, num_transfer_steps=1, width=1, num_latents=1, batch_size=1, seed=0)
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be positive; got {self.learning_rate}")
        check_numbers("rates", self.rates)
        if not 0 < self.budget <= 1:
            raise ValueError(f"budget must be in (0, 1]; got {self.budget}")
        check_names("parts", self.parts, get_args(Part))
