"""Room coupling: the greedy coupling of marginals (Kocaoglu, Dimakis, Vishwanath, Hassibi 2017, arXiv 1701.08254)."""

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.coupling._keys import cells_by_keys
from mmjax.coupling._marginals import Coupling, normalised, number_of_cells
from mmjax.lanes import batch_native
from mmjax.numerics import nan_unless


@jax.jit
def greedy(marginals: Array) -> Coupling:
    """Couple marginals greedily, which makes a coupling of nearly the least entropy.

    Repeat: take the largest remaining atom of each marginal and couple them with the mass of the smallest
    (Kocaoglu et al. 2017, arXiv 1701.08254, algorithm 1). Of equal atoms the lowest index is taken. The
    entropy exceeds the least possible one by at most log2(e)/e = 0.531 bits for two marginals and
    (1 + log2 e)/2 = 1.22 bits for any number (Compton, Katz, Qi, Greenewald, Kocaoglu 2023, arXiv 2302.11838).

    Args:
      marginals: (k, n), one distribution a row, shorter ones padded with zeros; each row is divided by its sum.

    Returns:
      a coupling of K = k (n-1) + 1 cells in the order they were made, so with masses that do not increase;
      after the marginals are used up they are 0. The masses reproduce the marginals to 1e-12 in float64 and
      to 1e-6 in float32. They are NaN if a row is no distribution.

    Not differentiable: the masses count as constants; `entropy_upper_bound` is. A batch by `vmap` runs many
    problems in every vector operation.
    """
    chex.assert_rank(marginals, 2)
    return _greedy(jax.lax.stop_gradient(marginals))


@batch_native(ranks=(2,), cpu_chunk=64, chunk=16384)
def _greedy(marginals: Array) -> Coupling:
    p, _, valid = normalised(marginals)
    indices, masses, _ = greedy_cells(p)
    return Coupling(indices, nan_unless(valid, masses))


def greedy_cells(p: Array) -> tuple[Array, Array, Array]:
    """Make the cells of the greedy coupling, and tell which marginal's atom each uses up.

    Args:
      p: (k, n, lanes), rows that sum to 1.

    Returns:
      indices (K, k, lanes), masses (K, lanes), exhausted marginals (K, lanes).
    """
    num_cells = number_of_cells(*p.shape[:2])
    return (cells_by_keys if p.dtype == jnp.float64 else _cells_by_index)(p, num_cells)


def _cells_by_index(p: Array, num_cells: int) -> tuple[Array, Array, Array]:
    """Make the cells in a precision whose numbers are too short to hold an index too."""
    atom = jnp.arange(p.shape[1], dtype=jnp.int32)[:, None]

    def step(left: Array, _: None) -> tuple[Array, tuple[Array, Array, Array]]:
        heads = jnp.max(left, axis=1)
        indices = jnp.min(jnp.where(left == heads[:, None], atom, p.shape[1]), axis=1)
        mass, exhausted = jnp.min(heads, axis=0), jnp.argmin(heads, axis=0).astype(jnp.int32)
        left = jnp.where(atom == indices[:, None], left - mass, left)
        return left, (indices, mass, exhausted)

    return jax.lax.scan(step, p, length=num_cells)[1]
