"""Room heterogeneity: which pairs of modalities to fuse, where there are too many to fuse all."""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.numerics import as_floats, nan_unless

ROUNDINGS = 8
"""Values of F that differ by so many eps, relative to the sum of gains, are equal."""


class PairSelection(NamedTuple):
    """Selected pairs, best first."""

    indices: Array
    """(k,) int32, distinct, in the order of selection: the first ones are the selection of fewer."""
    value: Array
    """F of all of them, in the units of the gains."""


def select_pairs(
    gains: ArrayLike, distances: ArrayLike, k: int, *, temperature: ArrayLike | None = None
) -> PairSelection:
    """Select pairs whose interactions gain much and stand for those of other pairs (ours).

    Greedy maximisation of the facility-location value

      F(S) = sum over pairs p of max(g_p, 0) max over q in S of s(p, q),  s(p, q) = exp(-d(p, q) / temperature),

    each step adding the pair that raises F most, of equals the one of the lowest index. F grows with S by less and less
    (submodular), so greedy reaches at least 1 - 1/e of the best F (Nemhauser, Wolsey, Fisher 1978, Mathematical
    Programming 14). That is a guarantee for F only. It holds neither for the accuracy of a model that fuses these pairs
    nor for their information: under synergy, a pair may be worth more beside others than alone (supermodular).

    Args:
      gains: (n,) what fusing each pair gains (`interaction_gains`); negative ones count as 0, such pairs are selected
        last or where they stand for others.
      distances: (n, n) between the interactions of pairs, >= 0.
      k: how many, in [1, n]; static.
      temperature: > 0, the distance at which a pair stands for another at 1/e; None is the median of the distances
        above 0, so that units do not matter.

    Returns:
      the selection; its value is NaN where a gain or distance is, and the indices then mean nothing. It may be jitted
      and vmapped; the value differentiates in gains and distances, and in a temperature that is given.

    Raises:
      ValueError: if `k` is out of range.
    """
    gains, distances = as_floats(gains, distances)
    chex.assert_rank([gains, distances], [1, 2])
    num_pairs = len(gains)
    chex.assert_shape(distances, (num_pairs, num_pairs))
    if not 1 <= k <= num_pairs:
        raise ValueError(f"k must be in [1, {num_pairs}] for {num_pairs} pairs; got {k}")
    scale = _typical(distances) if temperature is None else jnp.asarray(temperature, distances.dtype)
    similarity = jnp.exp(-distances.T / scale)  # (q, p): a step then reads along rows
    weight = jax.nn.relu(gains)
    rounding = ROUNDINGS * jnp.finfo(weight.dtype).eps * jnp.sum(weight)

    def add(state: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        covered, free = state
        more = jax.nn.relu(similarity - covered[None])
        raises = jnp.matmul(more, weight, precision=jax.lax.Precision.HIGHEST)
        # Sums of the same terms in another order are equals: the first of them is chosen.
        chosen = jnp.argmax(free & (raises >= jnp.max(raises, where=free, initial=0) - rounding)).astype(jnp.int32)
        return (jnp.maximum(covered, similarity[chosen]), free.at[chosen].set(False)), chosen

    nothing = jnp.zeros_like(gains), jnp.ones(num_pairs, bool)
    (covered, _), indices = jax.lax.scan(add, nothing, length=k)
    return PairSelection(indices, nan_unless(~jnp.any(jnp.isnan(similarity)), jnp.sum(weight * covered)))


def interaction_gains(unimodal_losses: ArrayLike, pair_losses: ArrayLike, pairs: ArrayLike) -> Array:
    """Return what fusing each pair gains over the better of its modalities: min(L_i, L_j) - L_ij.

    Args:
      unimodal_losses: (m,) validation losses of models of one modality.
      pair_losses: (n,) of models of two modalities, in the same units.
      pairs: (n, 2) integers in [0, m), the modalities of each pair.

    Returns:
      (n,), in the units of the losses; negative where fusing hurts; NaN for modalities out of range. Differentiable.
    """
    single, both = as_floats(unimodal_losses, pair_losses)
    which = jnp.asarray(pairs)
    chex.assert_rank([single, both], 1)
    chex.assert_shape(which, (len(both), 2))
    return jnp.min(single.at[which].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False), axis=1) - both


def _typical(distances: Array) -> Array:
    """Return the median of the distances above 0; 1 where there is none, and any would do."""
    median = jnp.nanmedian(jnp.where(distances > 0, distances, jnp.nan))
    return jax.lax.stop_gradient(jnp.where(jnp.isnan(median), 1, median))
