"""Room competition: a contrastive loss on the latents of all modalities, in which samples of one label are alike."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

Positives = Callable[[Array], Array]
"""From labels (n, ...) to which samples are alike, (n, n) of bools."""


def same_class(label: Array) -> Array:
    """Say which samples have the same class (n,); of targets (n, num_targets), each is like itself alone."""
    return label[:, None] == label[None] if label.ndim == 1 else same_sample(label)


def same_sample(label: Array) -> Array:
    """Say that each sample is like itself alone, whatever the labels (n, ...)."""
    return jnp.eye(label.shape[0], dtype=bool)


def nt_xent(
    latents: Mapping[str, Array],
    alike: Array,
    masks: Mapping[str, Array],
    weight: Array,
    *,
    temperature: ArrayLike = 0.5,
) -> Array:
    """Return the normalised, temperature-scaled cross-entropy over all pairs of latents that are alike.

    With Z the M n latents of all modalities, divided by their lengths, and s_ij = Z_i . Z_j / temperature, it is the
    mean over all ordered pairs a != p that are alike, within modalities and across, of

        -s_ap + log(exp(s_ap) + sum_{n not like a} exp(s_an)).

    It is the loss of Chen et al. (2020, arXiv 2002.05709) with the positives of Kontras et al. (2024, arXiv
    2411.07335). Each positive has a softmax of its own over itself and the negatives; other positives are not in it,
    unlike in supervised contrastive learning.

    Args:
      latents: modality to (n, d).
      alike: (n, n) of bools, symmetric and True on the diagonal.
      masks: modality to (n,), False where it is absent.
      weight: (n,), not negative: how often a sample counts. A pair counts by the product of its two weights.
      temperature: positive; may be traced.

    Returns:
      a scalar in nats, not negative; 0 where all samples are alike, or no two latents are. A latent of zeros is at a
      right angle to all, and gets no gradient.

    Raises:
      ValueError: if the latents have different widths.
    """
    widths = {name: z.shape[1] for name, z in latents.items()}
    if len(set(widths.values())) > 1:
        raise ValueError(f"the contrastive loss compares latents of one width; got {widths}")
    z = jnp.concatenate([_unit(latent) for latent in latents.values()])
    counts = jnp.concatenate([weight * masks[name].astype(weight.dtype) for name in latents]).astype(z.dtype)
    similarity = z @ z.T / jnp.asarray(temperature, z.dtype)
    same = jnp.tile(alike, (len(latents), len(latents)))
    pairs = jnp.where(same & ~jnp.eye(len(counts), dtype=bool), counts[:, None] * counts[None], 0)
    losses = _losses(similarity, same, counts)
    # Sums along the first axis come first: XLA makes those of the last one number by number on a CPU.
    sum_ = jnp.sum(jnp.sum(pairs, axis=0))
    return jnp.sum(jnp.sum(pairs * losses, axis=0)) / jnp.where(sum_ > 0, sum_, 1)


def _losses(similarity: Array, same: Array, counts: Array) -> Array:
    """Return the loss of each pair, as if it were alike, from symmetric similarities: (m, m), a column an anchor."""
    negative = ~same & (counts > 0)[:, None]
    hardest = jax.lax.stop_gradient(jnp.max(jnp.where(negative, similarity, -jnp.inf), axis=0, keepdims=True))
    any_ = jnp.any(negative, axis=0, keepdims=True)
    # Where a positive is so far above all negatives that its exponential might overflow, its loss is 0 in any case.
    largest = jnp.log(jnp.finfo(similarity.dtype).max) / 2
    margin = jnp.minimum(similarity - jnp.where(any_, hardest, 0), largest)
    exponential = jnp.exp(margin)
    of_negatives = jnp.sum(jnp.where(negative, exponential * counts[:, None], 0), axis=0, keepdims=True)
    return jnp.where(any_, jnp.log(exponential + of_negatives) - margin, 0)


def _unit(z: Array) -> Array:
    """Divide each row by its length; a row of zeros stays."""
    square = jnp.sum(z**2, axis=1, keepdims=True)
    return z * jnp.where(square > 0, jax.lax.rsqrt(jnp.where(square > 0, square, 1)), 0)
