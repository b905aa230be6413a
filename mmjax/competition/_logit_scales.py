"""Room competition: how large a part in the logits each modality has."""

import jax.numpy as jnp
from jax import Array


def logit_scales(contributions: Array, weight: Array) -> Array:
    """Measure by how much contributions to the logits of classes vary.

    The root of the mean square, over samples and classes, of contributions centred twice: over the classes of each
    sample, as softmax is blind to their mean, and over the samples of each class, as their mean is but a bias. (Ours.)

    Contributions are the pieces of a linear head, whose sum is the logits but for the bias; or, of any head, the
    Shapley values of the logits, `shapley_values(coalition_logits(...))`, which are the pieces, but for what the
    stand-in contributes, where the head is linear. A modality whose scale is many times that of another decides,
    however little the other's classifier errs.

    Args:
      contributions: (M, n, num_classes), num_classes >= 2.
      weight: (n,), 0 for samples that do not count.

    Returns:
      (M,), in units of a logit (nats); 0 where no sample counts.
    """
    total = jnp.sum(weight)
    share = (weight / jnp.where(total > 0, total, 1))[None, :, None]
    centred = contributions - jnp.mean(contributions, axis=2, keepdims=True)
    centred = centred - jnp.sum(share * centred, axis=1, keepdims=True)
    return jnp.sqrt(jnp.sum(share * centred**2, axis=(1, 2)) / contributions.shape[2])
