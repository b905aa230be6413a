"""Experiments, common and individual: systems that split views into common and individual variates."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from experiments.common_individual.heads import Heads, representations, train, untrained
from mmjax import correlation

Variates = Callable[[Sequence[Array]], tuple[tuple[Array, ...], tuple[Array, ...]]]
"""From features of all views to common and individual variates, (n, num_common) and (n, num_individual) each."""


class Fitted(NamedTuple):
    """A system, fitted to training data."""

    variates: Variates
    correlations: Array
    """Of the common variates (num_common,), for `common_energy`; of three views of the kind that the system has."""


System = Callable[[Array, tuple[Array, ...]], Fitted]
"""From a key and features of all views to a fitted system."""


def closed_form(num_common: int, num_individual: int | Sequence[int]) -> System:
    """Return the closed form of linear heads."""

    def fit(key: Array, features: tuple[Array, ...]) -> Fitted:
        found = correlation.fit_common_individual(features, num_common, num_individual)
        return Fitted(
            lambda z: (correlation.common_variates(found, z), correlation.individual_variates(found, z)),
            found.correlations,
        )

    return fit


def trained(heads: Heads) -> System:
    """Return trained heads."""
    return lambda key, features: _in_canonical_form(heads, train(key, heads, features), features)


def random_heads(heads: Heads) -> System:
    """Return heads as they are before training: a control."""

    def fit(key: Array, features: tuple[Array, ...]) -> Fitted:
        return _in_canonical_form(heads, untrained(key, heads, [z.shape[1] for z in features]), features)

    return fit


def ajive(num_common: int, num_individual: int) -> System:
    """Return AJIVE of known ranks; its scores of new samples are least-squares predictions from each view."""

    def fit(key: Array, features: tuple[Array, ...]) -> Fitted:
        ranks = [num_common + num_individual] * len(features)
        found = correlation.ajive(features, ranks, key=key, joint_rank=num_common)
        commons = [found.joint[:, :num_common]] * len(features)
        individuals = [scores[:, :num_individual] for scores in found.individual]
        return _linear(features, commons, individuals)

    return fit


def principal_components(num_common: int, num_individual: int) -> System:
    """Return the largest principal components of each view as common, the next as individual: a control."""

    def fit(key: Array, features: tuple[Array, ...]) -> Fitted:
        scores = [jnp.linalg.svd(z - jnp.mean(z, axis=0, keepdims=True), full_matrices=False)[0] for z in features]
        end = num_common + num_individual
        return _linear(features, [u[:, :num_common] for u in scores], [u[:, num_common:end] for u in scores])

    return fit


def _linear(features: Sequence[Array], commons: Sequence[Array], individuals: Sequence[Array]) -> Fitted:
    """Predict scores of training samples linearly from each view."""
    means = [jnp.mean(z, axis=0, keepdims=True) for z in features]

    def maps(scores: Sequence[Array]) -> list[Array]:
        return [jnp.linalg.lstsq(z - mean, s)[0] for z, mean, s in zip(features, means, scores, strict=True)]

    to_common, to_individual = maps(commons), maps(individuals)
    scale = jnp.sqrt(features[0].shape[0] - 1.0)

    def variates(z: Sequence[Array]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        centred = [x - mean for x, mean in zip(z, means, strict=True)]
        return (
            tuple(scale * x @ w for x, w in zip(centred, to_common, strict=True)),
            tuple(scale * x @ w for x, w in zip(centred, to_individual, strict=True)),
        )

    return Fitted(variates, correlation.variate_correlations(variates(features)[0]))


def _in_canonical_form(heads: Heads, params: object, features: tuple[Array, ...]) -> Fitted:
    made = representations(heads, params, [z.shape[1] for z in features])
    common, individual = jax.jit(made)(features)
    fit = correlation.canonical_heads(common, individual, features)

    def variates(z: Sequence[Array]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        both = [jnp.concatenate(pair, axis=1) for pair in zip(*made(z), strict=True)]
        return correlation.common_variates(fit, both), correlation.individual_variates(fit, both)

    return Fitted(variates, fit.correlations)
