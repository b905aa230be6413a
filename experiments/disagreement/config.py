"""Experiments, disagreement: the configuration."""

import dataclasses

from experiments.disagreement.objectives import OBJECTIVES
from experiments.disagreement.trial import NUM_SEGMENTS, UNTRAINED
from experiments.disagreement.worlds import WORLDS
from experiments.harness import Launch, LaunchOptions, check_counts, check_names, check_numbers

NAMES = (UNTRAINED, *OBJECTIVES)


@dataclasses.dataclass(frozen=True)
class Config:
    """What to pre-train, and on what."""

    worlds: tuple[str, ...] = ("vectors",)
    """vectors: bent mixtures of factors; images: shapes with textures and colours."""
    objectives: tuple[str, ...] = NAMES
    """What pre-training minimises; untrained makes no step."""
    rates: tuple[float, ...] = (3e-3,)
    """Learning rates of Adam, to choose from by the mean error of probes on validation pairs."""
    num_samples: int = 4096
    """Pairs to pre-train on."""
    num_labelled: int = 1024
    """Of them, with labels, to fit probes to."""
    num_steps: int = 500
    """Of pre-training, in five segments, of which the best is kept."""
    batch_size: int = 128
    """Pairs of a step, among which each is recognised."""
    width: int = 32
    """Of the latents of a modality."""
    num_seeds: int = 2
    """Repetitions; each draws its own pairs and parameters."""
    seed: int = 0
    """Of all of them."""
    launch: LaunchOptions = dataclasses.field(default_factory=Launch)
    """Where runs run."""

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        check_counts(self, batch_size=2, num_labelled=2, num_steps=NUM_SEGMENTS, width=4, num_seeds=1, seed=0)
        for name in ("batch_size", "num_labelled"):
            if getattr(self, name) > self.num_samples:
                raise ValueError(f"{name} must be at most num_samples; got {getattr(self, name)}, {self.num_samples}")
        if self.num_steps % NUM_SEGMENTS:
            raise ValueError(f"num_steps must be a multiple of {NUM_SEGMENTS}; got {self.num_steps}")
        check_numbers("rates", self.rates)
        check_names("worlds", self.worlds, WORLDS)
        check_names("objectives", self.objectives, NAMES)
