"""Experiments, model selection: the methods to choose from: encoders, a fusion head, and a way to train them."""

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from experiments.sweep.task import HEADS
from mmjax import models
from mmjax.competition import (
    Auxiliary,
    Model,
    Samples,
    Strategy,
    classification,
    ensemble,
    forward,
    joint,
    multi_loss,
    nt_xent,
    same_sample,
    unimodal,
    weighted_mean,
)

NAMES = ("x1", "x2")
"""Of the modalities."""
WIDTH = 32
"""Of hidden layers and latents."""


class ProductFusion(models.FusionHead):
    """Fuse by the product of the latents: y = (z_1 * ... * z_M) V + b.

    After encoders whose last layer is affine, this is the low-rank tensor fusion of Liu et al. (2018, arXiv
    1806.00064), whose rank is the width, with learned weights of the sum over ranks.
    """

    def setup(self) -> None:
        """Make the output layer."""
        self.output = nn.Dense(self.num_outputs)

    def combine(
        self, pieces: Mapping[str, Any], masks: Mapping[str, Array] | None = None, *, train: bool = False
    ) -> Array:
        """Return the logits (batch, num_outputs) of the latents."""
        return self.output(functools.reduce(operator.mul, pieces.values()))


def aligned(weight: float) -> Strategy:
    """Train on the loss of the fused logits and a contrastive loss that makes the latents of a sample alike.

    Args:
      weight: of the contrastive loss (Chen et al. 2020, arXiv 2002.05709), not negative.

    Returns:
      the strategy; it has no state.
    """

    def loss(
        model: Model, params: Any, statistics: dict[str, Any], state: Any, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        made = forward(model, params, statistics, batch, key)
        fused = weighted_mean(classification.losses(made.logits, batch.label), batch.weight)
        apart = nt_xent(made.latents, same_sample(batch.label), batch.masks, batch.weight)
        return fused + weight * apart, Auxiliary(made.logits, made.statistics)

    return joint()._replace(loss=loss)


class Method(NamedTuple):
    """A way of fusing two modalities."""

    head: Callable[[int], nn.Module]
    """From the number of classes."""
    strategy: Strategy = joint()
    num_layers: int = 2
    """Of an encoder; one is linear."""


def _head(name: str) -> Callable[[int], nn.Module]:
    return lambda num_classes: HEADS[name](num_classes, WIDTH, NAMES[0])


ALONE = ("first alone", "second alone")
"""Methods that see one modality."""
_CONCATENATION = _head("concatenation")
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "additive": Method(_head("late linear")),
        "early fusion": Method(lambda num_classes: models.SumMLP(num_classes, (WIDTH, WIDTH), 0.0), num_layers=1),
        "concatenation": Method(_CONCATENATION),
        "FiLM": Method(_head("FiLM")),
        "gated": Method(_head("gated")),
        "low-rank tensor": Method(ProductFusion),
        "attention": Method(lambda num_classes: models.AttentionFusion(num_classes, WIDTH, num_layers=1, num_heads=2)),
        "multi-loss": Method(_CONCATENATION, multi_loss()),
        "alignment": Method(_CONCATENATION, aligned(0.1)),
        "ensemble": Method(_CONCATENATION, ensemble()),
        **{alone: Method(_CONCATENATION, unimodal(name)) for alone, name in zip(ALONE, NAMES, strict=True)},
    }
)
"""Seven networks trained jointly, one of them with further losses in two ways, the sum of two networks that are trained
apart, and each modality alone.

Of ensemble and of a modality alone the head has no say, only the unimodal heads.
"""


def model_of(method: Method, dims: Sequence[int], num_classes: int) -> models.Model:
    """Make the network of a method for modalities of so many numbers (dims of x1 and x2)."""
    module = models.Multimodal(
        encoders={name: models.MLP((WIDTH,) * method.num_layers) for name in NAMES},
        head=method.head(num_classes),
        num_outputs=num_classes,
    )
    shapes = {name: jax.ShapeDtypeStruct((1, dim), jnp.float32) for name, dim in zip(NAMES, dims, strict=True)}
    return models.functional(module, shapes)
