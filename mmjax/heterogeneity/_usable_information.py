"""Room heterogeneity: the information about labels that a family of models can use, sample by sample."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.numerics import as_floats, in_base, nan_unless


def pointwise_information(losses: ArrayLike, null_losses: ArrayLike, *, base: float = 2.0) -> Array:
    """Return the usable information that each sample has about its label (Ethayarajh et al. 2022, arXiv 2110.08420).

      PVI(x -> y) = -log p_null(y) + log p(y | x)

    for a model p of the family and one that sees no input; the mean over new samples estimates the usable, or V-,
    information (Xu et al. 2020, arXiv 2002.10689). For models learned directly and from another node, the mean of
    PVI_direct - PVI_transferred is their transfer T (`transfer_matrix`), in units of log `base`.

    Args:
      losses: (...,) -log p(y | x) of each sample, in nats.
      null_losses: (...,) -log p_null(y), in nats (`null_losses`).
      base: unit; 2 for bits.

    Returns:
      (...,) in units of log `base`; negative for samples that the model gets wrong. Differentiable.

    Raises:
      ValueError: if `base` is not greater than 1.
    """
    losses, null_losses = as_floats(losses, null_losses)
    return in_base(null_losses - losses, base)


def null_losses(labels: ArrayLike, train_labels: ArrayLike, num_classes: int) -> Array:
    """Return the losses of the best model that sees no input: -log of the label's frequency in training.

    In closed form, as a trained null model would be one more source of error.

    Args:
      labels: (n,) integers in [0, num_classes), of the samples to be judged.
      train_labels: (m,) integers of the samples of training; those that are negative are unlabelled and left out.
      num_classes: static.

    Returns:
      (n,) in nats; inf for a class that training never saw; NaN for a label out of range, or where training has none.
      Not differentiable.
    """
    labels, train_labels = jnp.asarray(labels), jnp.asarray(train_labels)
    counts = jnp.sum(jax.nn.one_hot(train_labels, num_classes), axis=0)
    losses = -jnp.log(counts / jnp.sum(counts))
    return nan_unless((labels >= 0) & (labels < num_classes), losses[jnp.clip(labels, 0, num_classes - 1)])
