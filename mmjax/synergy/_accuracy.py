"""Room synergy: between which limits the accuracy of the best multimodal classifier lies (Bayes accuracy).

The Bayes classifier of Y from X = (X1,X2) is right with probability A = sum_x max_y r(x,y). Given H(Y|X), A
lies between the inverses of two sharp inequalities: Feder and Merhav's below, Fano's above. Given the three
pairwise marginals it also lies above both unimodal Bayes accuracies, and below the sum of the largest entries
they allow. `accuracy_range` gives the exact range of small tables; these bounds are for any size, in JAX.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.numerics import as_floats, divide_or_zero, in_base, is_table, log_or_zero, nan_unless, xlogx
from mmjax.synergy._frechet import frechet_box

_ROUNDINGS = 16


class AccuracyBounds(NamedTuple):
    """Limits of the accuracy of the Bayes classifier that sees all modalities."""

    lower: Array
    """A scalar in [1/ny, 1]: what the best classifier reaches at least."""
    upper: Array
    """A scalar in [1/ny, 1]: what no classifier exceeds."""


@functools.partial(jax.jit, static_argnames=("num_classes", "base"))
def accuracy_lower_bound(conditional_entropy: Array, num_classes: int, *, base: float = 2.0) -> Array:
    """Return the accuracy that a Bayes classifier reaches at least, given H(Y|X) or an upper bound on it.

    Between H = log i and log(i+1) the error is at most (i-1)/i + (H - log i) / (i (i+1) log((i+1)/i)), linear
    in H (Feder & Merhav 1994): posteriors uniform on i or i+1 classes attain it. The accuracy so bounded is
    at least exp(-H), and equal to it at H = log i.

    Args:
      conditional_entropy: scalar, H(Y|X) in units of log `base`.
      num_classes: number of classes, static.
      base: unit of information; 2 for bits, e for the bounds in nats of `conditional_entropy_bound`.

    Returns:
      a scalar in [1/num_classes, 1], rounded down by a few roundings; NaN for NaN. H below 0 counts as 0, above
      log num_classes as that.

    Raises:
      ValueError: if `num_classes` is below 1, or `base` not greater than 1.

    Differentiable between the corners H = log i; one-sided there.
    """
    nats = _in_nats(conditional_entropy, num_classes, base)
    classes = jnp.arange(1, num_classes + 1, dtype=nats.dtype)
    error = jnp.interp(nats + _rounding(nats, num_classes), jnp.log(classes), (classes - 1) / classes)
    return jnp.maximum(1 - error - _rounding(nats, 1), 1 / num_classes)


@functools.partial(jax.jit, static_argnames=("num_classes", "base"))
def accuracy_upper_bound(conditional_entropy: Array, num_classes: int, *, base: float = 2.0) -> Array:
    """Return the accuracy that no classifier exceeds, given H(Y|X) or a lower bound on it.

    The error e >= 0 solves Fano's inequality H(Y|X) <= h(e) + e log(num_classes - 1) with equality (Fano
    1961), h the binary entropy; the left end of a bisection is returned, where the inequality holds.

    Args:
      conditional_entropy: scalar, H(Y|X) in units of log `base`.
      num_classes: number of classes, static.
      base: unit of information; 2 for bits.

    Returns:
      a scalar in [1/num_classes, 1], rounded up by a few roundings; near H = log num_classes, where the error
      has an infinite slope, by their square root; NaN for NaN. H below 0 counts as 0, above log num_classes as that.

    Raises:
      ValueError: if `num_classes` is below 1, or `base` not greater than 1.

    Differentiable twice; the infinite slope at H = log num_classes is taken as 0.
    """
    nats = _in_nats(conditional_entropy, num_classes, base)
    error = _fano_error(num_classes, nats - _rounding(nats, num_classes))
    return nan_unless(nats == nats, jnp.minimum(1 - error + _rounding(nats, 1), 1))


@functools.partial(jax.jit, static_argnames="base")
def accuracy_from_conditional_entropy(
    entropy_lower: Array, entropy_upper: Array, p12: Array, p1y: Array, p2y: Array, *, base: float = 2.0
) -> AccuracyBounds:
    """Return limits of the Bayes accuracy from limits of H(Y|X1,X2) and the three pairwise marginals.

    Args:
      entropy_lower: scalar, lower bound on H(Y|X1,X2) in units of log `base`.
      entropy_upper: scalar, upper bound on it.
      p12: probability table with axes (x1, x2).
      p1y: probability table with axes (x1, y).
      p2y: probability table with axes (x2, y).
      base: unit of the two bounds; 2 for bits.

    Returns:
      the limits, which hold for every joint table with these marginals; NaN unless all three are tables.

    Differentiable where no two classes tie; at ties a derivative between the one-sided ones.
    """
    num_classes = p1y.shape[1]
    unimodal = jnp.maximum(jnp.sum(jnp.max(p1y, axis=1)), jnp.sum(jnp.max(p2y, axis=1)))
    lower = jnp.maximum(accuracy_lower_bound(entropy_upper, num_classes, base=base), unimodal - _rounding(unimodal, 1))
    upper = jnp.minimum(accuracy_upper_bound(entropy_lower, num_classes, base=base), _largest_entries(p12, p1y, p2y))
    valid = is_table(p12) & is_table(p1y) & is_table(p2y)
    return AccuracyBounds(nan_unless(valid, lower), nan_unless(valid, jnp.maximum(upper, lower)))


def _largest_entries(p12: Array, p1y: Array, p2y: Array) -> Array:
    """Sum over cells of the largest mass that the marginals leave to one class, at most 1."""
    _, upper = frechet_box(p12, p1y, p2y)
    total = jnp.sum(jnp.minimum(jnp.max(upper, axis=2), p12))
    return jnp.minimum(total + _rounding(total, 1), 1)


def _in_nats(conditional_entropy: Array, num_classes: int, base: float) -> Array:
    if num_classes < 1:
        raise ValueError(f"num_classes must be at least 1; got {num_classes}")
    (information,) = as_floats(conditional_entropy)
    return information / in_base(jnp.ones((), information.dtype), base)


def _rounding(like: Array, num_classes: int) -> Array:
    """A few roundings of a quantity of size up to 1 + log num_classes."""
    return _ROUNDINGS * jnp.finfo(like.dtype).eps * (1 + jnp.log(jnp.asarray(num_classes, like.dtype)))


def _fano_limit(error: Array, num_classes: int) -> Array:
    """Fano's limit of H(Y|X) for an error probability in [0, 1 - 1/num_classes], in nats; it increases."""
    return -xlogx(error) - xlogx(1 - error) + error * log_or_zero(jnp.asarray(num_classes - 1, error.dtype))


def _fano_error(num_classes: int, nats: Array) -> Array:
    """The smallest error probability that Fano's inequality allows."""

    @jax.custom_jvp
    def error(nats: Array) -> Array:
        def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            left, right = ends
            middle = (left + right) / 2
            below = _fano_limit(middle, num_classes) <= nats
            return jnp.where(below, middle, left), jnp.where(below, right, middle)

        right = jnp.full_like(nats, 1 - 1 / num_classes)
        steps = jnp.finfo(nats.dtype).nmant + 4
        return jax.lax.fori_loop(0, steps, halve, (jnp.zeros_like(nats), right))[0]

    @error.defjvp
    def error_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        e = error(*primals)
        slope = log_or_zero(divide_or_zero((1 - e) * (num_classes - 1), e))
        steep = slope > jnp.sqrt(jnp.finfo(e.dtype).eps)
        return e, jnp.where(steep, divide_or_zero(tangents[0], jnp.where(steep, slope, 1)), 0)

    return error(nats)
