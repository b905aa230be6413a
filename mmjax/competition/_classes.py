"""Room competition: what only classes have: a check, and the entropy of what logits say of them."""

import jax
import jax.numpy as jnp
from jax import Array


def check_classes(name: str, label: Array) -> None:
    """Refuse labels that are no classes.

    Raises:
      ValueError: naming what needs classes, unless the label is integers (n,).
    """
    if label.ndim != 1 or not jnp.issubdtype(label.dtype, jnp.integer):
        raise ValueError(f"{name} needs classes, integer labels (n,); got {label.dtype} of shape {label.shape}")


def entropies(logits: Array) -> Array:
    """Return the entropies in nats of softmax(logits) over the last axis."""
    log_p = jax.nn.log_softmax(logits)
    return -jnp.sum(jnp.exp(log_p) * log_p, axis=-1)
