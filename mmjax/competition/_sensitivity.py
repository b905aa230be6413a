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
from mmjax.competition._multi_loss import total
from mmjax.competition._perturbations import Perturbation, Rearrangement, Replacement
from mmjax.competition._strategy import Forward, Model, Samples, Variables

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

    A head whose first layer is a sum of maps of single modalities makes them once: what they give is rearranged.

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
    if num_at_once is None:
        num_at_once = 1 if jax.default_backend() == "cpu" else draws.shape[0]
    drawn = jax.lax.map(jax.checkpoint(one), draws, batch_size=num_at_once)
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
    combine, pieces = _head(model, *share(model, made.variables, made.latents, game.base, subset), batch.masks)
    base = combine(pieces)
    shared = share(model, made.variables, made.latents, game.perturbed, subset)
    complete = functools.reduce(operator.and_, [batch.masks[name] for name in subset])
    weight = (batch.weight * complete.astype(batch.weight.dtype)).astype(base.dtype)

    def term(logits: Array, counts: Array) -> _Weighted:
        return _Weighted(jnp.sum(divergence(base, logits) * counts), jnp.sum(counts))

    if isinstance(perturbation, Rearrangement):
        rearranged = _rearranged(model, *shared, batch, subset)
        return lambda donors: term(rearranged(donors), weight * weight[donors])
    replaced = _replaced(model, *shared, batch, subset, perturbation, game.perturbed.own, encode_key)
    return lambda key: term(replaced(key), weight)


def _rearranged(
    model: Model, variables: Variables, latents: dict[str, Array], batch: Samples, subset: tuple[str, ...]
) -> Callable[[Array], Array]:
    """Return the logits as a function of the donors (n,) of the modalities in S."""
    combine, pieces = _head(model, variables, latents, batch.masks)
    return lambda donors: combine({name: x[donors] if name in subset else x for name, x in pieces.items()})


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
        combine, pieces = _head(model, variables, {**latents, **new}, batch.masks)
        return combine(pieces)

    return logits


def _head(
    model: Model, variables: Variables, latents: dict[str, Array], masks: Mapping[str, Array]
) -> tuple[Callable[[dict[str, Array]], Array], dict[str, Array]]:
    """Split a head into a map of what each modality brings to it, row by row, and that."""
    if model.partials is None or model.merge is None:
        return lambda pieces: model.fuse(variables, pieces, masks), latents
    merge = model.merge
    return lambda pieces: merge(variables, total(pieces.values())), model.partials(variables, latents)
