"""Room competition: how far a model's prediction moves when modalities are perturbed, with the gradients of a game."""

import functools
import itertools
import operator
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._game import Game, share
from mmjax.competition._gradient_scale import gradient_scale
from mmjax.competition._perturbations import Perturbation, Rearrangement, Replacement
from mmjax.competition._strategy import Forward, Model, Samples, Tree, Variables

Subsets = Callable[[tuple[str, ...]], tuple[tuple[str, ...], ...]]
"""From the modalities to the subsets that are perturbed together."""


class _Weighted(NamedTuple):
    """Divergences of one draw of a perturbation, added up over samples."""

    sum: Array
    weight: Array


def singletons(modalities: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return each modality alone."""
    return tuple((name,) for name in modalities)


def proper_subsets(modalities: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return all subsets but the empty one and, of two modalities or more, all of them: 2^M - 2."""
    sizes = range(1, max(len(modalities), 2))
    return tuple(itertools.chain.from_iterable(itertools.combinations(modalities, size) for size in sizes))


def sensitivities(
    key: Array,
    model: Model,
    made: Forward,
    batch: Samples,
    *,
    divergence: Callable[[Array, Array], Array],
    perturbation: Perturbation,
    subsets: Subsets,
    game: Game,
    encode_key: Array,
    num_at_once: int | None = None,
) -> dict[str, Array]:
    """Return the mean divergence J_S of a model's predictions with and without modalities S perturbed.

    J_S = mean over draws p and samples b of D(y[b], y_S^(p)[b]), y_S the logits with the latents of S perturbed and the
    others as they are. The samples of all modalities in S move together. The latents are those of the training step,
    dropout included; dropout of the fusion head is off for both predictions, so that a perturbation that changes
    nothing gives 0.

    Of a rearranged modality, a sample b and its donor d count by weight[b] * weight[d], and not at all where one of
    them lacks a modality of S; without a pair that counts, J_S and its gradient are 0.

    What a rearranged modality brings to the head by itself (`Model.pieces`) is made once, and rearranged. Of S and all
    other modalities, one is rearranged by a draw and the other by its inverse permutation: that gives the same logits,
    which are computed once (ours).

    Args:
      key: PRNG key of the perturbation.
      model: the model.
      made: what it has made of the batch.
      batch: n samples.
      divergence: of two arrays of logits (n, num_outputs): (n,).
      perturbation: what is done to the modalities.
      subsets: from the modalities to the subsets S.
      game: in which shares the gradients flow back; the values do not depend on it.
      encode_key: PRNG key with which the batch was encoded.
      num_at_once: draws that are computed together, and again in the backward pass: the fewer, the less memory. None:
        one on a CPU, where that is fastest, and all of them on other devices.

    Returns:
      the modalities of S, joined by "+", to J_S.
    """
    terms = {
        "+".join(subset): _term(model, made, batch, divergence, perturbation, game, subset, encode_key)
        for subset in subsets(model.modalities)
    }

    def one(draw: Array) -> dict[str, _Weighted]:
        return {name: term(draw) for name, term in terms.items()}

    draws = _draws(key, perturbation, batch.weight.shape[0])
    if num_at_once is None and jax.default_backend() != "cpu":
        num_at_once = draws.shape[0]
    drawn = jax.lax.map(jax.checkpoint(one, prevent_cse=False), draws, batch_size=num_at_once)
    sums = jax.tree.map(lambda x: jnp.sum(x, axis=0), drawn)
    return {name: of.sum / jnp.where(of.weight > 0, of.weight, 1) for name, of in sums.items()}


def _draws(key: Array, perturbation: Perturbation, num_samples: int) -> Array:
    if isinstance(perturbation, Rearrangement):
        return perturbation.donors(key, num_samples)
    return jax.random.split(key, perturbation.num_draws)


def _term(
    model: Model,
    made: Forward,
    batch: Samples,
    divergence: Callable[[Array, Array], Array],
    perturbation: Perturbation,
    game: Game,
    subset: tuple[str, ...],
    encode_key: Array,
) -> Callable[[Array], _Weighted]:
    """Return J_S as a function of one draw of the perturbation."""
    base = model.fuse(*share(model, made.variables, made.latents, game.base, subset), batch.masks)
    shared = share(model, made.variables, made.latents, game.perturbed, subset)
    complete = functools.reduce(operator.and_, [batch.masks[name] for name in subset])
    weight = (batch.weight * complete.astype(batch.weight.dtype)).astype(base.dtype)

    def term(base: Array, logits: Array, counts: Array) -> _Weighted:
        return _Weighted(jnp.sum(divergence(base, logits) * counts), jnp.sum(counts))

    if isinstance(perturbation, Rearrangement):
        moved = _smaller_side(model.modalities, subset)
        rearranged = _rearranged(model, *shared, batch, moved)
        return lambda donors: term(
            base if moved == subset else base[donors], rearranged(donors), weight * weight[donors]
        )
    replaced = _replaced(model, *shared, batch, subset, perturbation, game.perturbed.own, encode_key)
    return lambda key: term(base, replaced(key), weight)


def _smaller_side(modalities: tuple[str, ...], subset: tuple[str, ...]) -> tuple[str, ...]:
    """Return which modalities to move: those of S, or all the others.

    Moving the others by the inverse of a permutation makes the same pairs, in the order of the donors. Both sides of
    one division of the modalities move the same, so XLA computes the logits of both once.
    """
    others = tuple(name for name in modalities if name not in subset)
    return min(subset, others, key=lambda names: (len(names), names))


def _rearranged(
    model: Model, variables: Variables, latents: dict[str, Array], batch: Samples, moved: tuple[str, ...]
) -> Callable[[Array], Array]:
    """Return the logits as a function of the donors (n,) of the modalities moved."""
    pieces = model.pieces(variables, latents)

    def logits(donors: Array) -> Array:
        def moving(arrays: Mapping[str, Tree]) -> dict[str, Tree]:
            return {name: jax.tree.map(lambda x: x[donors], of) if name in moved else of for name, of in arrays.items()}

        return model.combine(variables, moving(pieces), moving(batch.masks))

    return logits


def _replaced(
    model: Model,
    variables: Variables,
    latents: dict[str, Array],
    batch: Samples,
    subset: tuple[str, ...],
    replacement: Replacement,
    own: ArrayLike,
    encode_key: Array,
) -> Callable[[Array], Array]:
    """Return the logits as a function of the key with which the modalities in S are replaced."""
    counts = {name: batch.weight * batch.masks[name].astype(batch.weight.dtype) for name in subset}

    def replace(key: Array, values: Mapping[str, Array]) -> dict[str, Array]:
        keys = zip(subset, jax.random.split(key, len(subset)), strict=True)
        return {name: replacement.replace(key, values[name], counts[name]) for name, key in keys}

    def encoded(key: Array) -> dict[str, Array]:
        inputs = {**batch.modalities, **replace(key, batch.modalities)}
        again, _ = model.encode(variables, inputs, batch.masks, key=encode_key, train=True)
        return {name: gradient_scale(again[name], own) for name in subset}

    def logits(key: Array) -> Array:
        new = encoded(key) if replacement.inputs else replace(key, latents)
        return model.fuse(variables, {**latents, **new}, batch.masks)

    return logits
