"""Room information: mutual information, conditional, joint and pointwise (Shannon 1948; Fano 1961).

All are one sum, I(A;B|C) = sum p(a,b,c) log r with r = p(a,b,c) p(c) / (p(a,c) p(b,c)), in the form that
keeps the digits of small values (`_divergence.divergence_terms`). Without a condition, p(c) is the table's
sum.
"""

import functools

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.information._divergence import divergence_terms
from mmjax.numerics import divide_or_zero, in_base, is_table, log_or_zero, nan_unless


@functools.partial(jax.jit, static_argnames="base")
def mutual_information(pxy: Array, *, base: float = 2.0) -> Array:
    """Return the mutual information of two variables.

    I(X;Y) = sum p(x,y) log(p(x,y) / (p(x) p(y))) (Shannon 1948).

    Args:
      pxy: probability table with axes (x, y).
      base: unit of information; 2 for bits.

    Returns:
      a scalar >= 0 in units of log `base`; NaN for a table that is none. Nearly independent variables keep
      their digits: an information of 1e-7 bit is right to three digits in float32.

    Differentiable twice where p > 0; the derivative is the pointwise mutual information, and is taken as 0 in
    an empty cell. (The derivative of H(X) + H(Y) - H(X,Y) differs by a constant, which is none on tables.)
    """
    chex.assert_rank(pxy, 2)
    return in_base(nan_unless(is_table(pxy), information(pxy[:, :, None])), base)


@functools.partial(jax.jit, static_argnames="base")
def conditional_mutual_information(pxyz: Array, *, base: float = 2.0) -> Array:
    """Return the mutual information of X and Y when Z is known.

    I(X;Y|Z) = sum p(x,y,z) log(p(x,y,z) p(z) / (p(x,z) p(y,z))).

    Args:
      pxyz: probability table with axes (x, y, z); the condition is the last.
      base: unit of information; 2 for bits.

    Returns:
      a scalar >= 0 in units of log `base`; NaN for a table that is none.

    Differentiable twice where p > 0; the derivative in an empty cell is taken as 0.
    """
    chex.assert_rank(pxyz, 3)
    return in_base(nan_unless(is_table(pxyz), information(pxyz)), base)


@functools.partial(jax.jit, static_argnames="base")
def joint_mutual_information(p: Array, *, base: float = 2.0) -> Array:
    """Return what all variables but the last know together about the last.

    I(X1,...,Xm;Y), the mutual information of the tuple (X1,...,Xm) and Y.

    Args:
      p: probability table with axes (x1, ..., xm, y), m >= 1.
      base: unit of information; 2 for bits.

    Returns:
      a scalar >= 0 in units of log `base`; NaN for a table that is none.

    Differentiable as `mutual_information`.
    """
    return mutual_information(p.reshape(-1, p.shape[-1]), base=base)


@functools.partial(jax.jit, static_argnames="base")
def pointwise_mutual_information(pxy: Array, *, base: float = 2.0) -> Array:
    """Return the information that each pair of outcomes carries.

    i(x;y) = log(p(x,y) / (p(x) p(y))) (Fano 1961); its average under p is the mutual information.

    Args:
      pxy: probability table with axes (x, y).
      base: unit of information; 2 for bits.

    Returns:
      an array of the shape of `pxy` in units of log `base`, of either sign, with 0 in place of -infinity in
      empty cells, which no average sees; NaN for a table that is none.

    Differentiable where p > 0.
    """
    chex.assert_rank(pxy, 2)
    return in_base(nan_unless(is_table(pxy), _pointwise(pxy[:, :, None])[:, :, 0]), base)


@jax.custom_jvp
def information(p: Array) -> Array:
    """Return I(A;B|C) in nats of a nonnegative array with axes (a, b, c)."""
    pc, pac, pbc = _marginals(p)
    # Each quotient is at most 1 and their quotient at most 1/p(b|c): no product of small numbers is formed.
    ratio = divide_or_zero(divide_or_zero(p, pac), divide_or_zero(pbc, pc))
    return jnp.sum(divergence_terms(p, pac * divide_or_zero(pbc, pc), ratio))


@information.defjvp
def _information_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (p,), (dp,) = primals, tangents
    return information(p), jnp.sum(_pointwise(p) * dp)


def _pointwise(p: Array) -> Array:
    pc, pac, pbc = _marginals(p)
    log_ratio = (log_or_zero(p) - log_or_zero(pac)) - (log_or_zero(pbc) - log_or_zero(pc))
    return jnp.where(p == 0, 0, log_ratio)


def _marginals(p: Array) -> tuple[Array, Array, Array]:
    """p(c), p(a,c) and p(b,c) with all three axes kept."""
    pac = jnp.sum(p, axis=1, keepdims=True)
    return jnp.sum(pac, axis=0, keepdims=True), pac, jnp.sum(p, axis=0, keepdims=True)
