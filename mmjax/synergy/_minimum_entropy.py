"""Room synergy: bounds on the least entropy of a joint table with given pairwise marginals.

The least entropy, that of the most synergistic joint table, is the minimum of a concave function over a polytope:
NP-hard to find (Kovacevic, Stanojevic & Senk 2015, arXiv 1303.3235). Bounded here from below rigorously, and from
above by the entropy of a joint table that was found.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.information import marginals_agree
from mmjax.lanes import batch_native
from mmjax.numerics import attach_gradient, nan_unless, xlogx
from mmjax.synergy._box_program import polytope
from mmjax.synergy._cell_envelope import cell_envelope_bound
from mmjax.synergy._cell_polytope import num_vertices
from mmjax.synergy._chord import chord_bound
from mmjax.synergy._coupling_bounds import coupling_entropy_bound
from mmjax.synergy._local_search import vertex_entropy
from mmjax.synergy._two_by_two import least_entropy_2x2x2

LONGEST_LINE = 6
"""Lines of a table up to this length are enveloped."""

MAX_VERTICES = 20_000
"""Where all lines are longer, the shortest ones are enveloped if they have no more vertices than this together."""

_CPU_BYTES, _BYTES = 2**22, 2**33

Bounds = tuple[Array, tuple[Array, Array, Array], Array]
"""Lower bound, its gradients by the marginals, achievable entropy."""


class MinimumEntropy(NamedTuple):
    """The least entropy of a joint table, in nats, from both sides.

    Attributes:
      lower: rigorous lower bound.
      achievable: entropy of a joint table with these marginals; inf where none was found.
    """

    lower: Array
    achievable: Array


def minimum_entropy_bounds(p12: Array, p1y: Array, p2y: Array) -> MinimumEntropy:
    """Bound the least entropy over all joint tables with three given pairwise marginals.

    min H(r) over r >= 0 with sum_y r = p12, sum_x2 r = p1y, sum_x1 r = p2y. Exact for three binary variables and where
    a variable has one value. Otherwise `lower` is the best of the bounds of `_coupling_bounds` and of one linear
    program: envelopes of the entropies of lines of the table (`_cell_envelope`) along all axes up to `LONGEST_LINE`
    long, or along the shortest one within `MAX_VERTICES`; chords of single entries (`_chord`) beyond.

    Args:
      p12: (n1, n2), p(x1,x2).
      p1y: (n1, ny), p(x1,y).
      p2y: (n2, ny), p(x2,y).

    Returns:
      both sides, in nats. `lower` holds up to rounding (1e-9 in float64, 1e-5 in float32), whatever the solver reached;
      `achievable` belongs to a table whose marginals are right to 1e-9 (float32: 1e-4), inf where none was found. NaN
      unless the three are tables that agree (`information.marginals_agree`), and where they are seen to have no
      joint table; `information.check_joint_exists` decides that.

    `lower` is differentiable, once, where one bound is best and its solution unique; `achievable` has no derivative
    (zero) but where it is exact.
    """
    chex.assert_rank([p12, p1y, p2y], 2)
    chex.assert_shape(p1y, (p12.shape[0], None))
    chex.assert_shape(p2y, (p12.shape[1], p1y.shape[1]))
    shape = (*p12.shape, p1y.shape[1])
    if 1 in shape:
        lower = achievable = _entropy((p2y, p1y, p12)[shape.index(1)])
    elif shape == (2, 2, 2):
        lower = achievable = least_entropy_2x2x2(p12, p1y, p2y)
    else:
        lower, achievable = _bounds_of_larger(p12, p1y, p2y)
    exists = marginals_agree(p12, p1y, p2y) & (lower <= _largest_entropy(p12, p1y, p2y))
    return MinimumEntropy(nan_unless(exists, lower), nan_unless(exists, achievable))


def _bounds_of_larger(p12: Array, p1y: Array, p2y: Array) -> tuple[Array, Array]:
    marginals = _reordered(p12, p1y, p2y)
    kernel = _kernel((*marginals[0].shape, marginals[1].shape[1]))
    bound, gradients, achievable = kernel(*(jax.lax.stop_gradient(p) for p in marginals))
    linear = attach_gradient(bound, marginals, gradients)
    coupling = coupling_entropy_bound(p12, p1y, p2y)
    lower = jnp.where(linear > coupling, linear, coupling)
    return lower, jnp.maximum(achievable, jax.lax.stop_gradient(lower))


def _reordered(p12: Array, p1y: Array, p2y: Array) -> tuple[Array, Array, Array]:
    """Put last the longest axis that can be enveloped, else the shortest one; the others from long to short."""
    shape = (*p12.shape, p1y.shape[1])
    order = sorted(range(3), key=lambda axis: -shape[axis])
    short = [axis for axis in order if shape[axis] <= LONGEST_LINE]
    last = short[0] if short else order[-1]
    a, b = (axis for axis in order if axis != last)
    pairs = {(0, 1): p12, (0, 2): p1y, (1, 2): p2y}
    pairs.update({(j, i): p.T for (i, j), p in pairs.items()})
    return pairs[a, b], pairs[a, last], pairs[b, last]


def _kernel(shape: tuple[int, ...]) -> Callable[..., Bounds]:
    """Choose how many problems of this shape run together, from the numbers that an iteration writes."""
    enveloped = _enveloped_axes(shape)
    size = shape[0] * shape[1] * shape[2]
    rows = size if len(enveloped) > 1 else (shape[0] + shape[1]) * shape[2]
    columns = [size // shape[axis] * num_vertices(shape[axis]) * shape[axis] for axis in enveloped] or [2 * size]
    numbers = 4 * rows**2 + 8 * sum(columns)
    lanes = [max(1, min(most, limit // (8 * numbers))) for most, limit in ((64, _CPU_BYTES), (2**16, _BYTES))]
    return _batched(*lanes)


@functools.cache
def _batched(cpu_chunk: int, chunk: int) -> Callable[..., Bounds]:
    return batch_native((2, 2, 2), cpu_chunk=cpu_chunk, chunk=chunk)(_bounds_over_lanes)


def _bounds_over_lanes(p12: Array, p13: Array, p23: Array) -> Bounds:
    joint = polytope(p12, p13, p23)
    tolerance = _tolerance(p12)
    enveloped = _enveloped_axes((*p12.shape[:2], p13.shape[1]))
    if enveloped:
        linear = cell_envelope_bound(joint, axes=enveloped, tolerance=tolerance)
    else:
        linear = chord_bound(joint, tolerance=tolerance)
    achievable = vertex_entropy(joint, linear.table, tolerance=tolerance)
    empty = jnp.any(joint.lower > joint.upper + 2 * joint.doubt + tolerance, axis=(0, 1, 2))
    return jnp.where(empty, jnp.nan, linear.bound), linear.gradients, achievable


def _enveloped_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return which axes of reordered tables get envelopes, the last one first."""
    if shape[2] > LONGEST_LINE:
        return (2,) if shape[0] * shape[1] * num_vertices(shape[2]) <= MAX_VERTICES else ()
    return (2, *(axis for axis in (1, 0) if shape[axis] <= LONGEST_LINE))


def _largest_entropy(p12: Array, p1y: Array, p2y: Array) -> Array:
    """What the entropy of no joint table exceeds: a bound above it shows that none exists."""
    p1, p2, py = jnp.sum(p12, axis=1), jnp.sum(p12, axis=0), jnp.sum(p1y, axis=0)
    products = [_entropy(p12) + _entropy(py), _entropy(p1y) + _entropy(p2), _entropy(p2y) + _entropy(p1)]
    # A joint table that sums to T has one of T times the normalised table's, less T log T.
    return jnp.min(jnp.stack(products)) + xlogx(jnp.sum(p12)) + 10 * _tolerance(p12)


def _entropy(p: Array) -> Array:
    return -jnp.sum(xlogx(p))


def _tolerance(p: Array) -> float:
    return max(1e-10, 100 * float(jnp.finfo(p.dtype).eps))
