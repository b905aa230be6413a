"""Room coupling: the entropy of the greedy coupling and its derivative, by dual potentials (ours)."""

import functools

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.coupling._greedy import greedy_cells
from mmjax.coupling._marginals import by_marginals, normalised
from mmjax.lanes import batch_native
from mmjax.numerics import attach_gradient, in_base, nan_unless, xlogx


@functools.partial(jax.jit, static_argnames="base")
def entropy_upper_bound(marginals: Array, *, base: float = 2.0) -> Array:
    """Return the entropy of the greedy coupling, an upper bound on the least entropy of a coupling.

    At most log2(e)/e = 0.531 bits above the least entropy for two marginals, and at most log2 e = 1.443 bits
    above the entropy of `majorization_meet` for any number (Compton et al. 2023, arXiv 2302.11838; Compton
    2022, arXiv 2203.05108).

    Args:
      marginals: (k, n), one distribution a row, shorter ones padded with zeros; each row is divided by its sum.
      base: unit of information; 2 for bits.

    Returns:
      a scalar >= 0 in units of log `base`; the entropy of the row if k = 1; NaN if a row is no distribution.

    Differentiable once, in forward and reverse mode, also in batches: while the same atoms are coupled the
    masses m are linear in the marginals, and the derivative is dual potentials u with
    sum_t u[t, i_t] = -(log m + 1) in every cell i, found by one sweep from the last cell to the first (ours).
    Where atoms tie the function has a kink. The slope of a cell whose mass is 0 to rounding, -infinity, counts
    as 0.
    """
    chex.assert_rank(marginals, 2)
    value, gradient = _greedy_entropy(jax.lax.stop_gradient(marginals))
    return in_base(attach_gradient(value, marginals, gradient), base)


@batch_native(ranks=(2,), cpu_chunk=128, chunk=16384)
def _greedy_entropy(marginals: Array) -> tuple[Array, Array]:
    """Entropy in nats of the greedy coupling of (k, n, lanes), and its derivative, which is left out if unused."""
    p, sums, valid = normalised(marginals)
    indices, masses, exhausted = greedy_cells(p)
    gradient = _potentials(p, indices, masses, exhausted)
    return nan_unless(valid, 0 - jnp.sum(xlogx(masses), axis=0)), by_marginals(gradient, p, sums, valid)


def _potentials(p: Array, indices: Array, masses: Array, exhausted: Array) -> Array:
    """Potentials of the cells' slopes.

    In the order of the cells every atom is used up by its last cell. So from the last to the first, each cell
    determines the potential of the atom it uses up from those of the others, which are known or free.

    Args:
      p: (k, n, lanes), for its shape.
      indices: (K, k, lanes).
      masses: (K, lanes).
      exhausted: (K, lanes).

    Returns:
      (k, n, lanes), the derivative of the entropy in nats up to a constant for each marginal.
    """
    num_marginals, num_atoms, num_lanes = p.shape
    marginal = jnp.arange(num_marginals, dtype=jnp.int32)[:, None]
    row = marginal * (num_atoms * num_lanes) + jnp.arange(num_lanes, dtype=jnp.int32)
    real = masses > 4 * jnp.finfo(p.dtype).eps
    slopes = -(jnp.log(jnp.where(real, masses, 1)) + 1)

    def step(flat: Array, cell: tuple[Array, Array, Array, Array]) -> tuple[Array, None]:
        indices, slope, real, exhausted = cell
        places = row + indices * num_lanes
        known = flat.at[places].get(mode="promise_in_bounds", wrap_negative_indices=False)
        used_up = marginal == exhausted
        others = jnp.sum(jnp.where(used_up, 0, known), axis=0)
        before = jnp.sum(jnp.where(used_up, known, 0), axis=0)
        place = jnp.sum(jnp.where(used_up, places, 0), axis=0)
        potential = jnp.where(real, slope - others, before)
        return flat.at[place].set(
            potential, mode="promise_in_bounds", unique_indices=True, wrap_negative_indices=False
        ), None

    cells = indices, slopes, real, exhausted
    potentials, _ = jax.lax.scan(step, jnp.zeros_like(p).reshape(-1), cells, reverse=True)
    return potentials.reshape(p.shape)
