"""Room pid: samples of posteriors, merged into a few cells with a rigorous account of what merging loses.

The union information I_Q depends on a modality only through the distribution of its posteriors, and merging rows,
as any garbling X -> K does, can only lower it: a joint feasible for X is mapped to one feasible for K, whose
information is less by data processing. The other side (ours): from a joint of the cells K, L draw x1 given K and y,
and x2 given L and y. That is feasible for the rows, and H(X1|K,L) <= H(X1|K) and H(X2|K,L,X1) <= H(X2|L) give
  I_Q(cells)  <=  I_Q(rows)  <=  I_Q(cells) + [I(X1;Y) - I(K;Y)] + [I(X2;Y) - I(L;Y)].
Rows with equal posteriors lose nothing; cells of diameter d lose O(d^2).
"""

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.numerics import divide_or_zero

NUM_REFINEMENTS = 10
"""Steps that move rows between cells."""
ROWS_TOGETHER = 4096
"""Rows compared with all cells at once."""
FORBIDDEN = -1e30
"""Log of 0 in products with posteriors, which may be 0 themselves."""


def merge(posterior: Array, weights: Array, num_cells: int) -> Array:
    """Merge rows (n, ny) of weights (n,) into a table (min(n, num_cells), ny) of p(cell, y), losing little.

    Cells start at rows far apart (farthest-first in the Hellinger distance, so that up to `num_cells` different
    rows keep cells of their own) and are refined as k-means are, in the Kullback-Leibler divergence that the lost
    information is the mean of (Banerjee, Merugu, Dhillon, Ghosh 2005, Bregman clustering).
    """
    num_rows, num_labels = posterior.shape
    if num_rows <= num_cells:
        return weights[:, None] * posterior
    roots = jnp.where((weights > 0)[:, None], jnp.sqrt(posterior), 0)

    def add(k: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        distance, cell = state
        centre = roots[jnp.argmax(distance)]
        new = jnp.where(weights > 0, jnp.sum((roots - centre[None]) ** 2, axis=1), 0)
        closer = new < distance
        return jnp.where(closer, new, distance), jnp.where(closer, k, cell)

    start = (jnp.where(weights > 0, jnp.inf, 0).astype(posterior.dtype), jnp.zeros(num_rows, jnp.int32))
    _, cell = jax.lax.fori_loop(0, num_cells, add, start)

    def table(cell: Array) -> Array:
        return jnp.zeros((num_cells, num_labels), posterior.dtype).at[cell].add(weights[:, None] * posterior)

    def refine(_: int, cell: Array) -> Array:
        masses = table(cell)
        shares = jnp.sum(masses, axis=1, keepdims=True)
        posteriors = divide_or_zero(masses, jnp.broadcast_to(shares, masses.shape))
        return best_cell(posterior, logs_or_forbidden(posteriors)).astype(cell.dtype)

    return table(jax.lax.fori_loop(0, NUM_REFINEMENTS, refine, cell))


def best_cell(posterior: Array, logs: Array) -> Array:
    """Return for each row (n, ny) the cell k with the largest sum_y posterior(y) logs(k, y)."""
    return jax.lax.map(lambda row: jnp.argmax(logs @ row), posterior, batch_size=ROWS_TOGETHER)


def logs_or_forbidden(x: Array) -> Array:
    """Return log x, and for 0 a number so low that only labels of probability 0 can afford it."""
    return jnp.where(x > 0, jnp.log(jnp.where(x > 0, x, 1)), FORBIDDEN)
