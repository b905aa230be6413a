"""Room pid: the certified optimum of the BROJA problem for one table or a million.

Chains the alternating scheme, the interior point and the certificate, lanes last. Tables that are done stop
paying for the others: after every few iterations the unfinished lanes are gathered into chunks of their own.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.lanes import batch_native, fitting_chunk, map_chunks, total
from mmjax.numerics import divide_or_zero
from mmjax.pid import _interior_point
from mmjax.pid._alternating import alternate
from mmjax.pid._certificate import Marginals, Potentials, extend_potentials, lower_end, upper_end
from mmjax.pid._interior_point import Iterate

NUM_ALTERNATING = 100
"""Steps of the alternating scheme before the interior point."""
SORTED_AFTER = (2, 4, 7, 11, 16)
"""Interior-point iterations after which the unfinished lanes are gathered."""


class Optimum(NamedTuple):
    """Both certified ends of min -H(Y|X1,X2) in nats, and the potentials that prove the lower one."""

    lower: Array
    upper: Array
    potentials: Potentials
    iterations: Array


class _State(NamedTuple):
    marginals: tuple[Array, Array]
    point: Iterate
    best: Optimum
    tolerance: Array
    limit: Array


@batch_native((2, 2, 0, 0), cpu_chunk=16384, chunk=2**20)
def optimum(first: Array, second: Array, tolerance: Array, limit: Array) -> Optimum:
    """Minimise -H(Y|X1,X2) over the joints with p(x1,y) = first (n1, ny) and p(x2,y) = second (n2, ny).

    Stops at the certified gap `tolerance` (nats) or after `limit` interior-point iterations. NaN for marginals
    that are not finite. Shapes are those of one problem; the kernel itself has lanes last.
    """
    if first.shape[0] < second.shape[0]:  # the larger alphabet is the cheaper one to eliminate
        swapped = _optimum_of_lanes(second, first, tolerance, limit)
        return swapped._replace(potentials=Potentials(*swapped.potentials[::-1]))
    return _optimum_of_lanes(first, second, tolerance, limit)


def _optimum_of_lanes(first: Array, second: Array, tolerance: Array, limit: Array) -> Optimum:
    size1, length, num_lanes = first.shape
    chunk = fitting_chunk(4 * size1 * second.shape[0] * length * length)  # a handful of such arrays live at once
    state = map_chunks(_warm_start, [first, second, tolerance, limit], chunk)
    if num_lanes <= chunk:
        return _iterate(state, limit).best

    def phase(state: _State, until: Array) -> tuple[_State, None]:
        finished = _finished(state, jnp.minimum(until, state.limit))
        order = jnp.pad(jnp.argsort(finished), (0, -num_lanes % chunk), mode="edge")

        def advance(k: Array, state: _State) -> _State:
            lanes = jax.lax.dynamic_slice_in_dim(order, k * chunk, chunk)
            new = _iterate(jax.tree.map(lambda x: jnp.take(x, lanes, axis=-1), state), until)
            moved = jax.tree.map(lambda x, y: x.at[..., lanes].set(y), (state.point, state.best), (new.point, new.best))
            return state._replace(point=moved[0], best=moved[1])

        num_chunks = -(-jnp.sum(~finished) // chunk)
        return jax.lax.fori_loop(0, num_chunks, advance, state), None

    ends = jnp.array([*SORTED_AFTER, jnp.iinfo(limit.dtype).max], limit.dtype)
    return jax.lax.scan(phase, state, ends)[0].best


def _solved(first: Array, second: Array) -> Marginals:
    """Leave out entries that rounding cannot tell from 0, label by label; the certificate counts them again."""
    negligible = 4 * jnp.finfo(first.dtype).eps
    label = total(first, 0)

    def cut(x: Array) -> Array:
        kept = jnp.where((x > negligible) & (label > 2 * negligible), x, 0)
        return kept * divide_or_zero(label, total(kept, 0))

    return Marginals.of(cut(first), cut(second))


def _certify(point: Iterate, q: Array, solved: Marginals, marginals: Marginals) -> Optimum:
    lower, potentials = lower_end(extend_potentials(point.potentials, solved, marginals), marginals)
    return Optimum(lower, upper_end(q, marginals), potentials, jnp.zeros_like(lower, dtype=jnp.int32))


def _warm_start(first: Array, second: Array, tolerance: Array, limit: Array) -> _State:
    second = second * divide_or_zero(total(first, 0), total(second, 0))
    marginals, solved = Marginals.of(first, second), _solved(first, second)
    r, potentials = alternate(solved, NUM_ALTERNATING)
    point = _interior_point.start(r, potentials, solved)
    q = jnp.where(solved.support, r[:, :, None] * jnp.exp(potentials.first[:, None] + potentials.second[None]), 0)
    return _State((first, second), point, _certify(point, q, solved, marginals), tolerance, limit)


def _finished(state: _State, until: Array) -> Array:
    gap = state.best.upper - state.best.lower
    hopeless = ~jnp.isfinite(gap) | (state.point.ridge > 0.1)
    return hopeless | (gap <= state.tolerance) | (state.best.iterations >= until)


def _iterate(state: _State, until: Array) -> _State:
    marginals = Marginals.of(*state.marginals)
    solved = _solved(*state.marginals)
    until = jnp.minimum(until, state.limit)

    def body(state: _State) -> _State:
        active = ~_finished(state, until)
        point = _interior_point.select(active, _interior_point.improve(state.point, solved), state.point)
        q = _interior_point.joint(point, solved)
        return state._replace(point=point, best=_better(state.best, _certify(point, q, solved, marginals), active))

    return jax.lax.while_loop(lambda state: jnp.any(~_finished(state, until)), body, state)


def _better(best: Optimum, new: Optimum, active: Array) -> Optimum:
    higher = active & (new.lower > best.lower)
    return Optimum(
        jnp.where(higher, new.lower, best.lower),
        jnp.where(active & (new.upper < best.upper), new.upper, best.upper),
        Potentials(*(jnp.where(higher, x, z) for x, z in zip(new.potentials, best.potentials, strict=True))),
        best.iterations + active.astype(jnp.int32),
    )
