"""Room information: how several variables depend on each other, as one number.

Each measure is a sum of conditional mutual informations (chain rules), so that none is a difference of large
entropies. Derivatives are as in `mutual_information`: right, twice, where p > 0, and finite at empty cells.
"""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.information._mutual_information import information
from mmjax.information._tables import marginal
from mmjax.numerics import in_base, is_table, nan_unless


@functools.partial(jax.jit, static_argnames="base")
def total_correlation(p: Array, *, base: float = 2.0) -> Array:
    """Return the total correlation of all variables of a table.

    TC = sum_i H(Xi) - H(X1,...,Xm) = sum_i I(Xi; X1..Xi-1) (Watanabe 1960).

    Args:
      p: probability table, one axis a variable.
      base: unit of information; 2 for bits.

    Returns:
      a scalar >= 0 in units of log `base`, 0 only for independent variables; NaN for a table that is none.

    Differentiable as `mutual_information`.
    """
    return in_base(nan_unless(is_table(p), _total_correlation(p)), base)


@functools.partial(jax.jit, static_argnames="base")
def dual_total_correlation(p: Array, *, base: float = 2.0) -> Array:
    """Return the dual total correlation (binding information) of all variables of a table.

    DTC = H(X1,...,Xm) - sum_i H(Xi | all others) = sum_i I(Xi; Xi+1..Xm | X1..Xi-1) (Han 1975).

    Args:
      p: probability table, one axis a variable.
      base: unit of information; 2 for bits.

    Returns:
      a scalar >= 0 in units of log `base`, 0 only for independent variables; NaN for a table that is none.

    Differentiable as `mutual_information`.
    """
    return in_base(nan_unless(is_table(p), _dual_total_correlation(p)), base)


@functools.partial(jax.jit, static_argnames="base")
def o_information(p: Array, *, base: float = 2.0) -> Array:
    """Return the O-information of all variables of a table.

    Omega = TC - DTC (Rosas et al. 2019, arXiv 1902.11239): positive where redundancy dominates, negative
    where synergy does (+1 bit for three copies of a fair bit, -1 bit for the exclusive or). For three
    variables Omega = I(X1;X2) - I(X1;X2|X3) = -`interaction_information`.

    Args:
      p: probability table, one axis a variable.
      base: unit of information; 2 for bits.

    Returns:
      a scalar of either sign in units of log `base`; NaN for a table that is none.

    Differentiable as `mutual_information`.
    """
    return in_base(nan_unless(is_table(p), _total_correlation(p) - _dual_total_correlation(p)), base)


@functools.partial(jax.jit, static_argnames="base")
def interaction_information(p: Array, *, base: float = 2.0) -> Array:
    """Return the interaction information of all variables of a table.

    I(X1;...;Xm) = I(X1;...;Xm-1 | Xm) - I(X1;...;Xm-1), and I(X1;X2) is the mutual information: McGill's
    sign (McGill 1954). For three variables it is positive for synergy: +1 bit for two fair bits and their
    exclusive or, -1 bit for three copies of one. The co-information (Bell 2003) is (-1)^m times it.

    Args:
      p: probability table, one axis a variable, m >= 2 axes. The cost grows as 2^m.
      base: unit of information; 2 for bits.

    Returns:
      a scalar of either sign in units of log `base`; NaN for a table that is none.

    Raises:
      ValueError: if `p` has fewer than two axes.

    Differentiable as `mutual_information`.
    """
    if p.ndim < 2:
        raise ValueError(f"interaction information needs at least two variables, one axis each; got {p.ndim}")
    return in_base(nan_unless(is_table(p), _interaction_information(p)), base)


def _interaction_information(p: Array) -> Array:
    """Sum over conditions T of (-1)^(m - |T|) I(X1;X2|X_T), T any of the variables 3..m."""
    total = jnp.zeros((), p.dtype)
    for size in range(p.ndim - 1):
        for condition in itertools.combinations(range(2, p.ndim), size):
            pair = marginal(p, (0, 1, *condition)).reshape(*p.shape[:2], -1)
            total = total + (-1) ** (p.ndim - size) * information(pair)
    return total


def _total_correlation(p: Array) -> Array:
    total = jnp.zeros((), p.dtype)
    for axis in range(1, p.ndim):
        past = marginal(p, range(axis + 1)).reshape(-1, p.shape[axis])
        total = total + information(past[:, :, None])
    return total


def _dual_total_correlation(p: Array) -> Array:
    total = jnp.zeros((), p.dtype)
    for axis in range(p.ndim - 1):
        past = math.prod(p.shape[:axis])
        total = total + information(jnp.moveaxis(p.reshape(past, p.shape[axis], -1), 0, 2))
    return total
