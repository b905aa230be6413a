"""Room coupling: lower bounds on the entropy of every coupling that need no loop: the meet and the profile."""

import functools

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.coupling._marginals import normalised
from mmjax.numerics import in_base, log_or_zero, nan_unless, xlogx


@jax.jit
def majorization_meet(marginals: Array) -> Array:
    """Return the greatest distribution that all marginals majorize.

    Its largest j atoms sum to the least, over the marginals, of the sums of their largest j atoms. Every
    coupling of the marginals is majorized by each of them, so by it (Cicalese, Gargano, Vaccaro 2019, IEEE
    Transactions on Information Theory 65(6)).

    Args:
      marginals: (k, n), one distribution a row, shorter ones padded with zeros; each row is divided by its sum.

    Returns:
      (n,), the atoms from large to small; NaN if a row is no distribution.

    Differentiable where no two atoms and no two partial sums coincide; finite elsewhere.
    """
    chex.assert_rank(marginals, 2)
    p, _, valid = normalised(marginals)
    return nan_unless(valid, _meet(jnp.sort(p, axis=1)))


@functools.partial(jax.jit, static_argnames="base")
def meet_entropy(marginals: Array, *, base: float = 2.0) -> Array:
    """Return the entropy of `majorization_meet`, a lower bound on the entropy of every coupling.

    At most 1 bit below the least entropy for two marginals, log2 k bits for k (Cicalese, Gargano, Vaccaro 2019).

    Args:
      marginals: (k, n), one distribution a row, shorter ones padded with zeros; each row is divided by its sum.
      base: unit of information; 2 for bits.

    Returns:
      a scalar >= 0 in units of log `base`; NaN if a row is no distribution.

    Differentiable where no two atoms and no two partial sums coincide; finite elsewhere.
    """
    chex.assert_rank(marginals, 2)
    p, _, valid = normalised(marginals)
    return in_base(nan_unless(valid, _entropy(_meet(jnp.sort(p, axis=1)))), base)


@functools.partial(jax.jit, static_argnames="base")
def profile_bound(marginals: Array, *, base: float = 2.0) -> Array:
    """Return the profile bound on the entropy of every coupling.

    The integral over x in [0, 1] of log(1 / phi(x)), where phi(x) is the least, over the marginals, of the
    size of the atom that covers x when the atoms lie side by side from small to large (Compton, Katz, Qi,
    Greenewald, Kocaoglu 2023, arXiv 2302.11838).

    Args:
      marginals: (k, n), one distribution a row, shorter ones padded with zeros; each row is divided by its sum.
      base: unit of information; 2 for bits.

    Returns:
      a scalar >= 0 in units of log `base`; NaN if a row is no distribution.

    Differentiable where no two atoms and no two partial sums coincide; finite elsewhere.
    """
    chex.assert_rank(marginals, 2)
    p, _, valid = normalised(marginals)
    return in_base(nan_unless(valid, _profile_integral(jnp.sort(p, axis=1))), base)


def _entropy(p: Array) -> Array:
    return 0 - jnp.sum(xlogx(p))


def _meet(ascending: Array) -> Array:
    sums = jnp.min(jnp.cumsum(ascending[:, ::-1], axis=1), axis=0)
    atoms = jnp.diff(sums, prepend=jnp.zeros((1,), sums.dtype))
    return jnp.where(atoms > 0, atoms, 0)


def _profile_integral(ascending: Array) -> Array:
    """Integrate log(1 / phi) of sorted marginals (k, n)."""
    starts = (jnp.cumsum(ascending, axis=1) - ascending).at[:, 0].set(0)
    edges = jnp.sort(jnp.minimum(starts, 1), axis=None)
    ends = jnp.append(edges[1:], jnp.ones((), edges.dtype))
    middle, rows = jax.lax.stop_gradient(((edges + ends) / 2, starts))
    covering = jax.vmap(lambda row: jnp.searchsorted(row, middle, side="right") - 1)(rows)
    heights = jnp.min(jnp.take_along_axis(ascending, covering, axis=1), axis=0)
    return 0 - jnp.sum((ends - edges) * log_or_zero(heights))
