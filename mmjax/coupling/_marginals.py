"""Room coupling: what a coupling is, and the marginals that it couples."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from mmjax.information import check_table
from mmjax.numerics import TABLE_TOLERANCE


class Coupling(NamedTuple):
    """A joint distribution of k variables, by its cells."""

    indices: Array
    """(K, k) int32: the atom of each marginal that a cell couples."""
    masses: Array
    """(K,): probabilities of the cells, 0 for those that are not needed."""


def dense(coupling: Coupling, shape: tuple[int, ...]) -> Array:
    """Return a coupling as a table, one axis a marginal.

    Args:
      coupling: the cells; atoms outside `shape` are dropped, which have mass 0 if they pad a shorter marginal.
      shape: numbers of atoms (n_1, ..., n_k).

    Returns:
      the probability table; it has the product of `shape` entries.

    Raises:
      ValueError: if `shape` has not one length a marginal.

    Linear in the masses, and differentiable so.
    """
    num_marginals = coupling.indices.shape[1]
    if len(shape) != num_marginals:
        raise ValueError(f"shape must have one length a marginal, {num_marginals}; got {shape}")
    table = jnp.zeros(shape, coupling.masses.dtype)
    return table.at[tuple(coupling.indices.T)].add(coupling.masses, mode="drop")


def check_marginals(marginals: ArrayLike) -> None:
    """Check that every row is a probability distribution.

    Args:
      marginals: (k, n), one distribution a row, shorter ones padded with zeros.

    Raises:
      ValueError: if the array is not of that form, or a row has a NaN or a negative entry or does not sum to 1
        within `numerics.TABLE_TOLERANCE`, which rows of zeros and rows of unequal sums do not.
    """
    rows = np.asarray(marginals, np.float64)
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(f"marginals must have shape (k, n), one distribution a row; got {rows.shape}")
    for number, row in enumerate(rows):
        check_table(row, name=f"marginals[{number}]")


def normalised(marginals: Array) -> tuple[Array, Array, Array]:
    """Divide each row by its sum, so that all rows have the same one to rounding.

    Args:
      marginals: (k, n), or (k, n, lanes).

    Returns:
      rows that sum to 1; the sums, (k, 1) or (k, 1, lanes); and whether the problem's rows were all
      distributions: where not, the rows are uniform.
    """
    sums = jnp.sum(marginals, axis=1, keepdims=True)
    valid = jnp.all(marginals >= 0, axis=(0, 1)) & jnp.all(abs(sums - 1) <= TABLE_TOLERANCE, axis=(0, 1))
    sums = jnp.where(valid, sums, marginals.shape[1])
    return jnp.where(valid, marginals, 1) / sums, sums, valid


def by_marginals(gradient: Array, p: Array, sums: Array, valid: Array) -> Array:
    """Turn a gradient by rows that `normalised` made into one by the rows it was given."""
    return jnp.where(valid, (gradient - jnp.sum(gradient * p, axis=1, keepdims=True)) / sums, 0)


def number_of_cells(num_marginals: int, num_atoms: int) -> int:
    """Return how many cells are enough: each uses up an atom, the last one of every marginal."""
    return num_marginals * (num_atoms - 1) + 1
