"""Experiments, starvation: the row of a data set: all systems trained on it and measured, seed by seed."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from experiments.harness import Row
from experiments.starvation.data import MODALITIES, draw
from experiments.starvation.probes import probe
from experiments.starvation.training import fit, log_probabilities, model_of
from mmjax.data import Splits, only
from mmjax.training import TrainConfig

TRAINED = {"x1": MODALITIES[:1], "x2": MODALITIES[1:], "joint": MODALITIES}
"""System to the modalities that it sees; the ensemble is made of the first two."""
SYSTEMS = (*TRAINED, "ensemble")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """What all systems and data sets have in common."""

    rates: tuple[float, ...]
    num_seeds: int
    num_segments: int
    steps_per_segment: int
    width: int
    seed: int

    def train_config(self) -> TrainConfig:
        """Return what is static of the runs."""
        return TrainConfig(num_segments=self.num_segments, steps_per_segment=self.steps_per_segment)


def measure(protocol: Protocol, size: int, decay: float, depth: int) -> Row:
    """Train and measure all systems.

    Keys depend on the seed alone, so that penalties are compared on the same data and initial parameters.

    Args:
      protocol: what is the same for all.
      size: samples to train on.
      decay: L2 penalty.
      depth: signs that hide the bit of the second modality.

    Returns:
      `size`, `decay`, `depth`, and lists over seeds: `accuracy_<system>` on test data, `rate_<system>`, the learning
      rate chosen, and for each modality `probe_joint_<modality>`, `probe_twin_...` and `probe_untrained_...`.
    """
    keys = jax.random.split(jax.random.key(protocol.seed), protocol.num_seeds)
    data_keys, run_keys = jax.vmap(jax.random.split, out_axes=1)(keys)
    data = draw(data_keys, size=size, depth=depth)
    row: Row = {"size": size, "decay": decay, "depth": depth}
    tested: dict[str, NDArray[Any]] = {}
    for system, names in TRAINED.items():
        seen = Splits(*(only(batch, names) for batch in data))
        tested[system], measured = _measure_system(protocol, run_keys, decay, seen, system)
        row |= measured
    tested["ensemble"] = (tested["x1"] + tested["x2"]) / 2
    label = np.asarray(data.test.label)
    return row | {f"accuracy_{system}": np.mean(tested[system].argmax(-1) == label, axis=1) for system in SYSTEMS}


def _measure_system(
    protocol: Protocol, keys: Array, decay: float, data: Splits, system: str
) -> tuple[NDArray[Any], Row]:
    """Return log-probabilities of the test samples, and the part of the row that is the system's own."""
    model, config = model_of(data.train, protocol.width), protocol.train_config()
    fits = fit(keys, jnp.array(protocol.rates), jnp.asarray(decay, float), data, config=config, model=model)
    probed = {"joint": fits.variables} if system == "joint" else {"twin": fits.variables, "untrained": fits.initial}
    row: Row = {f"rate_{system}": [protocol.rates[i] for i in np.asarray(fits.chosen)]}
    for kind, variables in probed.items():
        row |= {f"probe_{kind}_{name}": x for name, x in probe(variables, data, model=model).items()}
    return np.asarray(log_probabilities(fits.variables, data.test, config=config, model=model)), row
