"""Room coupling: the majorize-profile bound on the entropy of every coupling, with its derivative."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.coupling._keys import largest_in_rows
from mmjax.coupling._marginals import by_marginals, normalised
from mmjax.lanes import batch_native
from mmjax.numerics import attach_gradient, in_base, log_or_zero, nan_unless, xlogx

_AT_ONCE = 16  # atoms that one pass over an array is compared with


@functools.partial(jax.jit, static_argnames="base")
def entropy_lower_bound(marginals: Array, *, base: float = 2.0) -> Array:
    """Return the strongest lower bound known to be quick on the entropy of every coupling.

    Lay the atoms of each marginal side by side from small to large, and let phi(x) be the least, over the
    marginals, of the sizes of the atoms that cover x in [0, 1]. The bound is the entropy of the most
    concentrated distribution that lies below phi: from c = 1 down to 0 its next atom is the largest
    s = min(phi(x), c - x) over x < c, and c falls by s (majorize-profile; Compton, Katz, Qi, Greenewald,
    Kocaoglu 2023, arXiv 2302.11838). It is at least `meet_entropy` and `profile_bound`.

    Args:
      marginals: (k, n), one distribution a row, shorter ones padded with zeros; each row is divided by its sum.
      base: unit of information; 2 for bits.

    Returns:
      a scalar >= 0 in units of log `base`; the entropy of the row if k = 1; NaN if a row is no distribution.

    Differentiable once, in forward and reverse mode, also in batches: every s is the mass of an atom or c less
    a sum of atoms, so the derivative is a linear recursion along the s (ours). Where atoms or their sums
    coincide the function has a kink.
    """
    chex.assert_rank(marginals, 2)
    value, gradient = _concentrated_entropy(jax.lax.stop_gradient(marginals))
    return in_base(attach_gradient(value, marginals, gradient), base)


@batch_native(ranks=(2,), cpu_chunk=128, chunk=16384)
def _concentrated_entropy(marginals: Array) -> tuple[Array, Array]:
    """Find the entropy in nats of the most concentrated distribution below the least profile, and its derivative.

    Atoms are compared with each other, not sorted: XLA sorts slowly on a CPU.

    Args:
      marginals: (k, n, lanes).

    Returns:
      the entropy (lanes,) and its derivative (k, n, lanes), which is left out if unused.
    """
    num_atoms, num_lanes = marginals.shape[1:]
    p, sums, valid = normalised(marginals)
    if num_atoms > _AT_ONCE:
        p = jnp.pad(p, ((0, 0), (0, -num_atoms % _AT_ONCE), (0, 0)))
    edges = _sums_of_smaller(p)
    heights, atoms = _least_profile(p, edges)
    descent = _concentrate(edges.reshape(-1, num_lanes), heights.reshape(-1, num_lanes))
    by_edges, by_heights = (x.reshape(p.shape) for x in _sweep_back(descent, p.size // num_lanes))
    gradient = _sums_of_larger(p, by_edges) + _sums_by_atom(atoms, by_heights)
    return nan_unless(valid, descent.entropy), by_marginals(gradient, p, sums, valid)[:, :num_atoms]


class _Descent(NamedTuple):
    """The way of c from 1 to 0."""

    num_steps: Array
    rest: Array  # (lanes,), c
    entropy: Array  # (lanes,)
    atoms: Array  # (steps, lanes), s
    places: Array  # (steps, lanes), the piece of x where s = c - x, or their number plus the piece where s = phi(x)


def _concentrate(edges: Array, heights: Array) -> _Descent:
    """Take the atoms of the most concentrated distribution below a profile from c.

    Args:
      edges: (pieces, lanes), left edges of the pieces.
      heights: (pieces, lanes).

    Returns:
      the steps of all lanes; each reaches the next lower edge, to rounding, so two for each piece are enough.
    """
    num_pieces, num_lanes = edges.shape
    piece = jnp.arange(num_pieces, dtype=jnp.int32)[:, None]
    nothing = 8 * jnp.finfo(edges.dtype).eps

    def step(now: _Descent) -> _Descent:
        room = jnp.where(edges < now.rest, jnp.minimum(heights, now.rest - edges), 0)
        atom = jnp.where(now.rest > nothing, largest_in_rows(room[None])[0], 0)
        place = jnp.min(
            jnp.where(room == atom, piece + jnp.where(heights == atom, num_pieces, 0), 2 * num_pieces), axis=0
        )
        return _Descent(
            num_steps=now.num_steps + 1,
            rest=jnp.where(atom > 0, now.rest - atom, 0),
            entropy=now.entropy - xlogx(atom),
            atoms=jax.lax.dynamic_update_index_in_dim(now.atoms, atom, now.num_steps, 0),
            places=jax.lax.dynamic_update_index_in_dim(now.places, place, now.num_steps, 0),
        )

    def unfinished(now: _Descent) -> Array:
        return (now.num_steps < 2 * num_pieces) & jnp.any(now.rest > nothing)

    steps = jnp.zeros((2 * num_pieces, num_lanes), edges.dtype)
    one = jnp.ones(num_lanes, edges.dtype)
    return jax.lax.while_loop(unfinished, step, _Descent(jnp.int32(0), one, 0 * one, steps, steps.astype(jnp.int32)))


def _sweep_back(descent: _Descent, num_pieces: int) -> tuple[Array, Array]:
    """Find the entropy's derivatives by edges and heights, (pieces, lanes).

    With h(s) = -s log s and V(c) the entropy of all atoms from c on: an atom s = phi(x) gives
    dV = h'(s) dphi + V'(c - s) (dc - dphi), an atom s = c - x gives dV = h'(s) (dc - dx) + V'(x) dx.
    """
    num_lanes = descent.rest.shape[0]
    lane = jnp.arange(num_lanes, dtype=jnp.int32)

    def back(done: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        derivative, by_rest = carry
        atom, place = (x[descent.num_steps - 1 - done] for x in (descent.atoms, descent.places))
        slope = -(log_or_zero(atom) + 1)
        is_height = place >= num_pieces
        change = jnp.where(atom > 0, jnp.where(is_height, 1, -1) * (slope - by_rest), 0)
        derivative = derivative.at[place * num_lanes + lane].add(
            change, mode="promise_in_bounds", unique_indices=True, wrap_negative_indices=False
        )
        return derivative, jnp.where(is_height | (atom == 0), by_rest, slope)

    start = jnp.zeros(2 * num_pieces * num_lanes, descent.atoms.dtype), jnp.zeros_like(descent.rest)
    derivative, _ = jax.lax.fori_loop(0, descent.num_steps, back, start)
    by_edges, by_heights = derivative.reshape(2, num_pieces, num_lanes)
    return by_edges, by_heights


def _least_profile(p: Array, edges: Array) -> tuple[Array, Array]:
    """Least profile at the edges (k, n, lanes), and the number in (k n) of the atom whose mass it is."""
    num_marginals, num_atoms, _ = p.shape
    number = jnp.arange(num_marginals * num_atoms, dtype=jnp.int32).reshape(num_marginals, num_atoms, 1)
    number = jnp.broadcast_to(number, p.shape)

    def cover(covering: tuple[Array, Array], size: Array, edge: Array, number: Array) -> tuple[Array, Array]:
        larger = (edge <= edges) & (size > covering[0])
        return jnp.where(larger, size, covering[0]), jnp.where(larger, number, covering[1])

    def compare(state: tuple[list[Array], Array, Array], _: None) -> tuple[tuple[list[Array], Array, Array], None]:
        others, heights, atoms = state
        others = [jnp.roll(x, 1, axis=0) for x in others]
        covering, atom = _for_each_atom(cover, (jnp.zeros_like(p), number), *others)
        lower = covering < heights
        return (others, jnp.where(lower, covering, heights), jnp.where(lower, atom, atoms)), None

    (_, heights, atoms), _ = jax.lax.scan(compare, ([p, edges, number], p, number), length=num_marginals - 1)
    return heights, atoms


def _sums_of_smaller(p: Array) -> Array:
    """Sum, for each atom, the smaller ones of its marginal: where it starts; equal atoms start at one place."""

    def add(sums: Array, size: Array) -> Array:
        return sums + jnp.where(size < p, size, 0)

    return _for_each_atom(add, jnp.zeros_like(p), p)


def _sums_of_larger(p: Array, x: Array) -> Array:
    """Sum, for each atom, the x of the larger atoms of its marginal."""

    def add(sums: Array, size: Array, x: Array) -> Array:
        return sums + jnp.where(size > p, x, 0)

    return _for_each_atom(add, jnp.zeros_like(p), p, x)


def _sums_by_atom(atoms: Array, x: Array) -> Array:
    """Sum x over the places (k, n, lanes) that show the same atom, for each atom."""
    lane = jnp.arange(x.shape[2], dtype=jnp.int32)
    return jnp.zeros(x.size, x.dtype).at[atoms * x.shape[2] + lane].add(x).reshape(x.shape)


def _for_each_atom(function: Callable[..., Any], start: Any, *arrays: Array) -> Any:
    """Fold `function(carry, *columns)` over the second axis of arrays (k, n, lanes)."""
    num_atoms = arrays[0].shape[1]
    at_once = min(num_atoms, _AT_ONCE)

    def fold(carry: Any, first: Array) -> tuple[Any, None]:
        blocks = [jax.lax.dynamic_slice_in_dim(x, first, at_once, axis=1) for x in arrays]
        for place in range(at_once):
            carry = function(carry, *(block[:, place, None] for block in blocks))
        return carry, None

    return jax.lax.scan(fold, start, jnp.arange(0, num_atoms, at_once, dtype=jnp.int32))[0]
