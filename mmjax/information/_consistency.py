"""Room information: do three pairwise tables, estimated from different samples, agree where they overlap?

Tables p(x1,x2), p(x1,y), p(x2,y) from separate data sets disagree by sampling noise on the variables they
share. Whatever is computed from all three needs them to agree: `project_marginals` makes them. Agreement on
the shared variables is necessary, not sufficient, for a joint distribution to exist: three fair bits with
X1 = X2, X1 = Y and X2 != Y agree and have no joint. `check_joint_exists` decides that, by a linear programme.
"""

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.numerics import as_floats, divide_or_zero, is_table, nan_unless


class ConsistentMarginals(NamedTuple):
    """Three pairwise tables that agree on the variables they share."""

    p12: Array
    """(n1, n2)."""
    p1y: Array
    """(n1, ny)."""
    p2y: Array
    """(n2, ny)."""
    distance: Array
    """Largest total-variation distance, of the three, between a table and its projection."""


def marginals_agree(p12: Array, p1y: Array, p2y: Array) -> Array:
    """Say whether three arrays are tables that agree about the variables they share, to rounding.

    Args:
      p12: (n1, n2).
      p1y: (n1, ny).
      p2y: (n2, ny).

    Returns:
      a boolean scalar: all are tables, and `marginal_disagreement` is at most the square root of the rounding unit.

    Raises:
      AssertionError: if the shapes do not fit each other.
    """
    return marginal_disagreement(p12, p1y, p2y) <= jnp.finfo(p12.dtype).eps ** 0.5


@jax.jit
def marginal_disagreement(p12: Array, p1y: Array, p2y: Array) -> Array:
    """Return by how much three pairwise tables disagree about the variables they share.

    max over v in (x1, x2, y) of 1/2 sum_v |p(v) - p'(v)|, p(v) and p'(v) from the two tables that hold v.

    Args:
      p12: probability table with axes (x1, x2).
      p1y: probability table with axes (x1, y).
      p2y: probability table with axes (x2, y).

    Returns:
      a scalar in [0, 1]; NaN unless all three are tables. What sampling noise alone gives is
      `sampling_disagreement`.

    Differentiable where no two shared marginals are equal.
    """
    shared = _shared_marginals(p12, p1y, p2y)
    largest = jnp.max(jnp.stack([_total_variation(one, other) for one, other in shared]))
    return nan_unless(_are_tables(p12, p1y, p2y), largest)


@jax.jit
def sampling_disagreement(p12: Array, p1y: Array, p2y: Array, num_samples: Array) -> Array:
    """Return the disagreement to be expected of three samples of one population.

    E |f - f'| of two empirical frequencies of an outcome of probability p, from n and n' samples, is about
    sqrt(2/pi p (1-p) (1/n + 1/n')) (normal approximation); half the sum over outcomes is the expected
    total-variation distance, and the largest of the three variables is returned. A `marginal_disagreement`
    several times larger says that the data sets are not of one population.

    Args:
      p12: probability table with axes (x1, x2).
      p1y: probability table with axes (x1, y).
      p2y: probability table with axes (x2, y).
      num_samples: (3,), the numbers of samples behind `p12`, `p1y` and `p2y`.

    Returns:
      a scalar >= 0; NaN unless all three are tables. Meant to be read, not differentiated.
    """
    p12, p1y, p2y = as_floats(p12, p1y, p2y)
    variances = 1 / jnp.asarray(num_samples, p12.dtype)
    chex.assert_shape(variances, (3,))
    pairs = ((0, 1), (0, 2), (1, 2))
    distances = []
    for (one, other), (n, m) in zip(_shared_marginals(p12, p1y, p2y), pairs, strict=True):
        p = (one + other) / 2
        spread = jnp.clip(p * (1 - p), 0) * (variances[n] + variances[m])
        distances.append(jnp.sum(jnp.sqrt(2 / jnp.pi * spread)) / 2)
    return nan_unless(_are_tables(p12, p1y, p2y), jnp.max(jnp.stack(distances)))


@functools.partial(jax.jit, static_argnames="num_sweeps")
def project_marginals(
    p12: Array,
    p1y: Array,
    p2y: Array,
    *,
    weights: Array | tuple[float, float, float] = (1.0, 1.0, 1.0),
    num_sweeps: int = 100,
) -> ConsistentMarginals:
    """Move three pairwise tables to agree about the variables they share.

    Each shared variable gets the average of its two estimates, weighted by `weights`: with sample sizes as
    weights, its frequencies in the two samples taken together. Each table is then I-projected onto its two
    new marginals by iterative proportional fitting (Deming & Stephan 1940; Csiszar 1975), which keeps its
    odds ratios and empty cells. A row or column without samples whose target is not 0 starts from the
    independent product. What fitting leaves (slow for nearly deterministic tables; never ending where the
    empty cells contradict the targets) is added as an independent product (Altschuler, Weed & Rigollet
    2017, arXiv 1705.09634, algorithm 2), so that the result always agrees to rounding.

    Bounds computed from the projection are rigorous for the projected tables only: compare `distance` with
    their width. A joint distribution need not exist (`check_joint_exists`).

    Args:
      p12: probability table with axes (x1, x2).
      p1y: probability table with axes (x1, y).
      p2y: probability table with axes (x2, y).
      weights: how far to trust each table, nonnegative, at most one of them 0; best the numbers of samples.
      num_sweeps: sweeps of fitting over rows and columns, static.

    Returns:
      the three tables and the largest total-variation distance moved; NaN unless all three are tables.

    Raises:
      ValueError: if `num_sweeps` is negative.

    Differentiable through the sweeps, once, in both modes.
    """
    if num_sweeps < 0:
        raise ValueError(f"num_sweeps must be 0 or more; got {num_sweeps}")
    p12, p1y, p2y = as_floats(p12, p1y, p2y)
    tables = [table / jnp.sum(table) for table in (p12, p1y, p2y)]
    trust = jnp.asarray(weights, p12.dtype)
    chex.assert_shape(trust, (3,))
    p1, p2, py = (
        (trust[n] * one + trust[m] * other) / (trust[n] + trust[m])
        for (one, other), (n, m) in zip(_shared_marginals(*tables), ((0, 1), (0, 2), (1, 2)), strict=True)
    )
    fitted = [
        _fit(table, rows, columns, num_sweeps)
        for table, (rows, columns) in zip(tables, ((p1, p2), (p1, py), (p2, py)), strict=True)
    ]
    moved = jnp.max(jnp.stack([_total_variation(*pair) for pair in zip(fitted, tables, strict=True)]))
    valid = _are_tables(p12, p1y, p2y) & jnp.all(trust >= 0)
    return ConsistentMarginals(*(nan_unless(valid, x) for x in (*fitted, moved)))


def _shared_marginals(p12: Array, p1y: Array, p2y: Array) -> tuple[tuple[Array, Array], ...]:
    """The two estimates of p(x1), of p(x2) and of p(y)."""
    chex.assert_rank([p12, p1y, p2y], 2)
    chex.assert_shape(p1y, (p12.shape[0], None))
    chex.assert_shape(p2y, (p12.shape[1], p1y.shape[1]))
    return (
        (jnp.sum(p12, axis=1), jnp.sum(p1y, axis=1)),
        (jnp.sum(p12, axis=0), jnp.sum(p2y, axis=1)),
        (jnp.sum(p1y, axis=0), jnp.sum(p2y, axis=0)),
    )


def _are_tables(p12: Array, p1y: Array, p2y: Array) -> Array:
    return is_table(p12) & is_table(p1y) & is_table(p2y)


def _total_variation(p: Array, q: Array) -> Array:
    return jnp.sum(jnp.abs(p - q)) / 2


def _fit(table: Array, rows: Array, columns: Array, num_sweeps: int) -> Array:
    """Scale a table to its targets, then round it onto them."""
    empty = (jnp.sum(table, axis=1) == 0)[:, None] | (jnp.sum(table, axis=0) == 0)[None, :]
    start = jnp.where(empty, rows[:, None] * columns[None, :], table)

    def sweep(table: Array, _: None) -> tuple[Array, None]:
        table = table * divide_or_zero(rows, jnp.sum(table, axis=1))[:, None]
        return table * divide_or_zero(columns, jnp.sum(table, axis=0))[None, :], None

    return _round(jax.lax.scan(sweep, start, length=num_sweeps)[0], rows, columns)


def _round(table: Array, rows: Array, columns: Array) -> Array:
    """Shrink what exceeds its target and hand out what is missing as an independent product."""
    table = table * jnp.minimum(divide_or_zero(rows, jnp.sum(table, axis=1)), 1)[:, None]
    table = table * jnp.minimum(divide_or_zero(columns, jnp.sum(table, axis=0)), 1)[None, :]
    missing_rows = jnp.maximum(rows - jnp.sum(table, axis=1), 0)
    missing_columns = jnp.maximum(columns - jnp.sum(table, axis=0), 0)
    share = divide_or_zero(missing_columns, jnp.sum(missing_columns))
    return table + missing_rows[:, None] * share[None, :]
