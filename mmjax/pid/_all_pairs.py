"""Room pid: the decomposition of every pair of many modalities, as one program."""

import itertools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmjax.numerics import as_floats, is_table, nan_unless
from mmjax.pid._broja import MAX_ITERATIONS, PID, broja


class AllPairs(NamedTuple):
    """The decompositions of all pairs of modalities."""

    pairs: Array
    """(num_pairs, 2): the modalities m < k of each, counted from 0, in lexicographic order."""
    pid: PID
    """Of (xm, xk) about y, arrays (num_pairs,) in units of the base asked for."""


def all_pairs(
    p: Array, *, tol: float | None = None, max_iterations: int = MAX_ITERATIONS, base: float = 2.0
) -> AllPairs:
    """Decompose what every pair of modalities tells about y.

    `broja` of the marginals p(xm, xk, y) of a table of M modalities. All pairs run as one batch, filled up with
    symbols of mass 0, which change no value beyond the certified gap. Pairs say nothing of what only three
    modalities together tell: the XOR of three has all parts 0 in every pair.

    Differentiable as `broja` is.

    Args:
      p: table of p(x1,...,xM, y), M >= 2; the last axis is y.
      tol: as in `broja`.
      max_iterations: as in `broja`.
      base: of the logarithm; 2 for bits.

    Returns:
      the pairs and their decompositions; NaN where `p` is no probability table.

    Raises:
      ValueError: if `p` has less than three axes, or `tol` is smaller than its dtype can certify.
    """
    (p,) = as_floats(p)
    num = p.ndim - 1
    if num < 2:
        raise ValueError(f"expected a table of at least two modalities and y; got {p.ndim} axes")
    p = nan_unless(is_table(p), p)
    pairs = list(itertools.combinations(range(num), 2))
    tables = [jnp.sum(p, axis=tuple(m for m in range(num) if m not in pair)) for pair in pairs]
    largest = np.max([table.shape for table in tables], axis=0)
    padded = [
        jnp.pad(table, [(0, most - size) for size, most in zip(table.shape, largest, strict=True)]) for table in tables
    ]
    chex.assert_equal_shape(padded)
    decompose = jax.vmap(lambda table: broja(table, tol=tol, max_iterations=max_iterations, base=base))
    return AllPairs(jnp.array(pairs), decompose(jnp.stack(padded)))
