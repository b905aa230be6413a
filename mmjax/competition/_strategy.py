"""Room competition: the interface of training strategies, and what they ask of a model.

A strategy is a few pure functions that any training loop can call. It sees a model as functions of latents and
logits, never as a network, and a batch as arrays, so that the same strategy serves every encoder and every loop.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array

Tree = Any
"""A pytree of arrays."""
Variables = dict[str, Tree]
"""Collection to tree of arrays: "params", and perhaps running statistics."""


class Model(Protocol):
    """A multimodal model as pure functions, as `mmjax.models.functional` makes them."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Their names, sorted."""

    @property
    def init(self) -> Callable[[Array], Variables]:
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
    def pieces(self) -> Callable[..., dict[str, Tree]]:
        """`(variables, latents)` to what each modality brings to the fusion head by itself, arrays (n, ...)."""

    @property
    def combine(self) -> Callable[..., Array]:
        """`(variables, pieces, masks, *, key, train)` to logits (n, num_outputs), those of `fuse`."""

    @property
    def linear(self) -> bool:
        """Whether pieces are linear in the latents, and the logits are their sum, but for a bias."""

    @property
    def labels(self) -> Callable[[Tree], Tree]:
        """From parameters, or a tree like them, to whose each is.

        "encoder:<modality>", "head:<modality>" for what in the heads sees that modality alone, "strategy" for what a
        strategy has added, "head" for the rest.
        """


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
    signals: Tree = ()
    """What the strategy's own `update` reads: coefficients, measurements of this batch."""


def without_state(key: Array, model: Model, params: Tree) -> tuple[Tree, Tree]:
    """Add no parameters and remember nothing: the `init` of strategies that need neither."""
    return params, ()


def _unchanged(model: Model, gradients: Tree, state: Tree, aux: Auxiliary) -> tuple[Tree, Tree]:
    return gradients, state


def _carried_on(model: Model, variables: Variables, state: Tree, train: Samples, valid: Samples) -> tuple[Tree, Tree]:
    return variables["params"], state


def _all_one(model: Model, params: Tree, state: Tree) -> None:
    return None


def _fused(model: Model, variables: Variables, latents: dict[str, Array], masks: Mapping[str, Array]) -> Array:
    return model.fuse(variables, latents, masks)


def _always(state: Tree) -> Array:
    return jnp.asarray(True)


class Strategy(NamedTuple):
    """A way to train a multimodal model, as pure functions; what a strategy leaves out does nothing.

    The step of a training loop, made `steps_per_batch` times with each batch:

        losses, aux = loss(model, params, statistics, state, batch, key)    # and the gradients of losses by params
        gradients, state = update(model, gradients, state, aux)
        updates, optimizer_state = optimizer.update(
            gradients, optimizer_state, params, rates=rates(model, params, state))

    with `optimizer = with_rates(...)`. Where `losses` is a vector, `gradients` has one more axis in front: one
    gradient a loss. A segment is a number of steps after which the loop evaluates the model: an epoch, say.
    """

    init: Callable[[Array, Model, Tree], tuple[Tree, Tree]]
    """`init(key, model, params)`: the parameters, with those of the strategy's own under "strategy", and its state."""
    loss: Callable[[Model, Tree, dict[str, Tree], Tree, Samples, Array], tuple[Array, Auxiliary]]
    """`loss(model, params, statistics, state, batch, key)`: a scalar or a vector of losses, to be minimised."""
    update: Callable[[Model, Tree, Tree, Auxiliary], tuple[Tree, Tree]] = _unchanged
    """`update(model, gradients, state, aux)`: the gradients that the optimiser gets, and the new state."""
    on_segment: Callable[[Model, Variables, Tree, Samples, Samples], tuple[Tree, Tree]] = _carried_on
    """`on_segment(model, variables, state, train, valid)`, after a segment, with all samples to train on and to
    validate with: the parameters and the state to go on with."""
    rates: Callable[[Model, Tree, Tree], Tree | None] = _all_one
    """`rates(model, params, state)`: a tree like `params` of factors of the learning rate, scalars, 0 where a
    parameter and the optimiser's memory of it stay as they are; or None where all are 1."""
    predict: Callable[[Model, Variables, dict[str, Array], Mapping[str, Array]], Array] = _fused
    """`predict(model, variables, latents, masks)`: the logits (n, num_outputs) to judge the model by."""
    selectable: Callable[[Tree], Array] = _always
    """From the state to whether the model as it is may be the run's result; False in preparatory segments."""
    steps_per_batch: int = 1
    """Steps made with each batch."""


class Forward(NamedTuple):
    """A model run on a batch."""

    variables: Variables
    """The parameters and the statistics before the batch."""
    latents: dict[str, Array]
    """Modality to (n, width)."""
    logits: Array
    """(n, num_outputs)."""
    statistics: dict[str, Tree]
    """Running statistics after the batch."""


def forward(model: Model, params: Tree, statistics: dict[str, Tree], batch: Samples, key: Array) -> Forward:
    """Run a model on a batch as training does, with noise and batch statistics.

    Args:
      model: the model.
      params: its parameters.
      statistics: its running statistics.
      batch: n samples.
      key: PRNG key of dropout.

    Returns:
      latents, logits and new statistics.
    """
    encode_key, fuse_key = jax.random.split(key)
    variables = {"params": params, **statistics}
    latents, statistics = model.encode(variables, batch.modalities, batch.masks, key=encode_key, train=True)
    logits = model.fuse(variables, latents, batch.masks, key=fuse_key, train=True)
    return Forward(variables, latents, logits, statistics)


def weighted_mean(values: Array, weight: Array) -> Array:
    """Average per-sample values (n,) by weights (n,); 0 where all weights are 0."""
    total = jnp.sum(weight)
    return jnp.sum(values * weight) / jnp.where(total > 0, total, 1)
