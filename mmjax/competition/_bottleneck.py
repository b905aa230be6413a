"""Room competition: the conditional entropy bottleneck, which holds latents close to what the label says of them."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.competition._classes import check_classes
from mmjax.competition._strategy import Model, Samples, Tree

BottleneckInput = Callable[[Array, Array], Array]
"""From fused logits (n, num_outputs) and labels to what the latents are predicted from, (n, num_outputs)."""


def fused_logits(logits: Array, label: Array) -> Array:
    """Return the logits, as the code published with MCR does; gradients do not flow back."""
    return jax.lax.stop_gradient(logits)


def fused_probabilities(logits: Array, label: Array) -> Array:
    """Return the probabilities of the classes; gradients do not flow back.

    Raises:
      ValueError: if labels are no classes.
    """
    check_classes("fused_probabilities", label)
    return jax.lax.stop_gradient(jax.nn.softmax(logits))


def one_hot_label(logits: Array, label: Array) -> Array:
    """Return the classes (n,) as zeros and ones.

    Raises:
      ValueError: if labels are no classes.
    """
    check_classes("one_hot_label", label)
    return jax.nn.one_hot(label, logits.shape[1], dtype=logits.dtype)


def bottleneck_params(key: Array, model: Model, params: Tree) -> dict[str, Array]:
    """Make the parameters of h(y) = relu(y A) B, which predicts all latents at once.

    Args:
      key: PRNG key.
      model: the model.
      params: its parameters. The width of a modality's latent is the first axis of the matrices labelled
        "head:<modality>", as those of its unimodal head are.

    Returns:
      "hidden", A (num_outputs, d) with d the largest width, and "output", B (d, sum of the widths).

    Raises:
      ValueError: if there is no such matrix, or they do not agree.
    """
    widths = [_width(model, params, name) for name in model.modalities]
    shapes = {name: jax.ShapeDtypeStruct((1, d), jnp.float32) for name, d in zip(model.modalities, widths, strict=True)}
    logits = jax.eval_shape(model.unimodal, {"params": params}, shapes)[model.modalities[0]]
    hidden_key, output_key = jax.random.split(key)
    init = jax.nn.initializers.lecun_normal()
    return {
        "hidden": init(hidden_key, (logits.shape[1], max(widths)), jnp.float32),
        "output": init(output_key, (max(widths), sum(widths)), jnp.float32),
    }


def bottleneck_loss(params: Mapping[str, Array], y: Array, latents: Mapping[str, Array], batch: Samples) -> Array:
    """Return the mean squared error of h(y) as a prediction of the latents, over samples and features.

    Equation 11 of Kontras et al. (2024, arXiv 2411.07335). Up to a factor and a constant it is the bound on I(Z; X | Y)
    of the conditional entropy bottleneck (Fischer 2020) for Gaussians of unit variance around h(y).

    Args:
      params: of h, as `bottleneck_params` makes them.
      y: (n, num_outputs).
      latents: modality to (n, width).
      batch: whose weights and masks say which latents count.

    Returns:
      a scalar; its gradient flows to the latents and to h.
    """
    predicted = jax.nn.relu(y @ params["hidden"]) @ params["output"]
    names = sorted(latents)
    z = jnp.concatenate([latents[name] for name in names], axis=1)
    weights = {name: batch.weight * batch.masks[name].astype(batch.weight.dtype) for name in names}
    counts = jnp.concatenate(
        [jnp.broadcast_to(weight[:, None], latents[name].shape) for name, weight in sorted(weights.items())], axis=1
    ).astype(z.dtype)
    sum_ = jnp.sum(counts)
    return jnp.sum(counts * (z - predicted) ** 2) / jnp.where(sum_ > 0, sum_, 1)


def _width(model: Model, params: Tree, modality: str) -> int:
    labels, leaves = jax.tree.leaves(model.labels(params)), jax.tree.leaves(params)
    of_modality = [x for label, x in zip(labels, leaves, strict=True) if label == f"head:{modality}" and x.ndim == 2]
    widths = sorted({x.shape[0] for x in of_modality})
    if len(widths) != 1:
        raise ValueError(f"the latent's width is the first axis of matrices 'head:{modality}'; got widths {widths}")
    return int(widths[0])
