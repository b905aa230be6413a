"""Experiments, starvation: the data: one bit of label, plain in the first modality and hidden in the second."""

import functools

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.data import CompetitionAccuracy, CompetitionTask, Splits, competition_accuracy, competition_data, cut

MODALITIES = ("x1", "x2")
"""The fast one and, unless its depth is 0, the slow one."""
DIMS = (32, 8)
SIGNAL_TO_NOISE = (1.645, 3.5)
NUM_VALID = 1000
NUM_TEST = 2000


@functools.partial(jax.jit, static_argnames=("size", "depth"))
def draw(keys: Array, *, size: int, depth: int) -> Splits:
    """Draw a data set a key, each with hiding maps of its own.

    Args:
      keys: PRNG keys (num_seeds,).
      size: samples to train on.
      depth: signs that hide the bit of the second modality.

    Returns:
      the parts, whose arrays have the seeds as first axis.
    """
    return jax.vmap(lambda key: _splits(key, size, depth))(keys)


def best_possible() -> CompetitionAccuracy:
    """Return the accuracy of the best classifiers, which depth does not change."""
    return competition_accuracy(_task(0), jnp.array(SIGNAL_TO_NOISE))


def _splits(key: Array, size: int, depth: int) -> Splits:
    """Cut one sample in three, as its rotations are drawn once."""
    sizes = (size, NUM_VALID, NUM_TEST)
    everything = competition_data(key, _task(depth), jnp.array(SIGNAL_TO_NOISE), num_samples=sum(sizes))
    return cut(everything, sizes)


def _task(depth: int) -> CompetitionTask:
    return CompetitionTask(num_shared=1, num_unique=(0, 0), dims=DIMS, depths=(0, depth))
