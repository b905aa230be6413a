"""Room competition: the interface of training strategies, and what they ask of a model.

A strategy is four pure functions that any training loop can call. It sees a model as functions of latents and
logits, never as a network, and a batch as arrays, so that the same strategy serves every encoder and every loop.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
from jax import Array

Tree = Any
"""A pytree of arrays."""


class Model(Protocol):
    """A multimodal model as pure functions; `variables` holds "params" and perhaps running statistics."""

    @property
    def init(self) -> Callable[[Array], dict[str, Tree]]:
        """From a key to variables."""

    @property
    def encode(self) -> Callable[..., tuple[dict[str, Array], dict[str, Tree]]]:
        """`(variables, modalities, masks, *, key, train)` to latents by modality, and the new statistics."""

    @property
    def fuse(self) -> Callable[..., Array]:
        """`(variables, latents, masks, *, key, train)` to logits (n, num_outputs)."""

    @property
    def unimodal(self) -> Callable[..., dict[str, Array]]:
        """`(variables, latents)` to logits by modality."""

    @property
    def labels(self) -> Callable[[Tree], Tree]:
        """Parameters, or a tree like them, to the part that each belongs to: "encoder:<modality>", "head", ..."""


class Samples(Protocol):
    """A batch of n samples."""

    @property
    def modalities(self) -> Mapping[str, Array]:
        """Modality to array (n, ...)."""

    @property
    def label(self) -> Array:
        """Classes (n,), or targets (n, num_targets)."""

    @property
    def masks(self) -> Mapping[str, Array]:
        """Modality to (n,), False where it is absent."""

    @property
    def weight(self) -> Array:
        """(n,), 0 for samples that do not count."""


class Auxiliary(NamedTuple):
    """What a loss has computed on its way."""

    logits: Array
    """(n, num_outputs) of the fused model."""
    statistics: dict[str, Tree]
    """Running statistics after this batch."""


class Strategy(NamedTuple):
    """A way to train a multimodal model.

    The step of a training loop: `losses, aux = loss(model, params, statistics, state, batch, key)`, the gradients of
    `losses` by `params`, `gradients, state = update(model, gradients, state, aux)`, and an optimiser's step. Where
    `losses` is a vector, `gradients` has one more axis in front: one gradient a loss.
    """

    init: Callable[[Model, Tree], Tree]
    """From parameters to the state of the strategy."""
    loss: Callable[[Model, Tree, dict[str, Tree], Tree, Samples, Array], tuple[Array, Auxiliary]]
    """A scalar or a vector of losses, to be minimised."""
    update: Callable[[Model, Tree, Tree, Auxiliary], tuple[Tree, Tree]]
    """From the losses' gradients to those the optimiser gets, and the new state."""
    on_segment: Callable[[Model, Tree, Tree, Tree], tuple[Tree, Tree]]
    """From parameters, state and the metrics of an evaluation to new parameters and state."""


def weighted_mean(values: Array, weight: Array) -> Array:
    """Average per-sample values (n,) by weights (n,); 0 where all weights are 0."""
    total = jnp.sum(weight)
    return jnp.sum(values * weight) / jnp.where(total > 0, total, 1)
