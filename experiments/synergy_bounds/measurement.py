"""Experiments, synergy_bounds: the decomposition of joint tables beside the bounds that their marginals alone give."""

import zlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from experiments.harness import Row, Rows
from mmjax import information, synergy
from mmjax.synergy import AccuracyBounds

CHUNK = 2500
"""2x2x2 tables that are measured together."""
TOLERANCE = 1e-8
"""Bits by which a bound may miss before it counts as violated: the certified error of the synergy, rounded up."""


class Measurement(NamedTuple):
    """A decomposition, which needs labelled pairs, and the bounds, which do not; bits and accuracies."""

    redundancy: Array
    unique1: Array
    unique2: Array
    synergy: Array
    gap: Array
    lower: Array
    upper: Array
    achievable: Array
    accuracy_lower: Array
    accuracy_upper: Array


@jax.jit
def measure(p: Array) -> Measurement:
    """Measure a joint table (n1, n2, ny)."""
    p12, p1y, p2y = information.pairwise_marginals(p)
    bounds = synergy.bounds(p12, p1y, p2y)
    accuracy = _accuracy(bounds, p12, p1y, p2y)
    union = bounds.redundancy + bounds.unique1 + bounds.unique2
    return Measurement(
        redundancy=bounds.redundancy,
        unique1=bounds.unique1,
        unique2=bounds.unique2,
        synergy=information.joint_mutual_information(p) - union,
        gap=bounds.gap,
        lower=bounds.lower,
        upper=bounds.upper,
        achievable=bounds.achievable,
        accuracy_lower=accuracy.lower,
        accuracy_upper=accuracy.upper,
    )


@jax.jit
def compare(tables: Array) -> dict[str, Array]:
    """Measure tables (k, n1, n2, ny), and compute the published bounds of each."""
    published = jax.vmap(synergy.published_bounds)(tables)
    return jax.vmap(measure)(tables)._asdict() | {f"published_{name}": x for name, x in published._asdict().items()}


def compared(tables: NDArray[np.floating], num_lanes: int) -> dict[str, NDArray[np.float64]]:
    """Compare tables (k, n1, n2, ny) as a batch of `num_lanes`: batches of one size share a compiled program."""
    fill = np.resize(tables, (num_lanes, *tables.shape[1:]))
    with jax.enable_x64(True):
        values = compare(jnp.asarray(fill, jnp.float64))
    return {name: np.asarray(value)[: len(tables)] for name, value in values.items()}


def measured(p: NDArray[np.floating]) -> Row:
    """Measure one joint table in double precision, as a row."""
    with jax.enable_x64(True):
        return {name: float(value) for name, value in measure(jnp.asarray(p, jnp.float64))._asdict().items()}


def padded(p: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.floating]:
    """Add cells without mass, which change no information: tables of one shape share a compiled program."""
    return np.pad(p, [(0, large - small) for large, small in zip(shape, p.shape, strict=True)])


def column(rows: Rows, field: str) -> list[Any]:
    """Return a field of all rows for a table, numbers rounded to what the solvers certify, without a negative zero."""
    values = [row[field] for row in rows]
    return [round(value, 9) + 0.0 if isinstance(value, float) else value for value in values]


def item_key(seed: int, name: str) -> Array:
    """Return an item's own PRNG key, whatever other items a run has."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))


def _accuracy(bounds: synergy.SynergyBounds, p12: Array, p1y: Array, p2y: Array) -> AccuracyBounds:
    label = information.entropy(jnp.sum(p1y, axis=0))
    return synergy.accuracy_from_conditional_entropy(
        label - bounds.information_upper, label - bounds.information_lower, p12, p1y, p2y
    )
