"""Models, HighMMT: how a task reads its fused tokens."""

from typing import ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from mmjax.models.highmmt._perceiver import UNIFORM, Attention, normalise


class ConcatenationHead(nn.Module):
    """Map all tokens, concatenated, by a layer norm and a linear map: the head of the paper and the released code.

    It sees the ordered pairs; of a task with one modality, its latents. Its size grows with their number.
    """

    num_outputs: int
    leaves_out: ClassVar[bool] = False
    """Whether absent tokens are left out; otherwise they must be put in by a value."""
    own: ClassVar[bool] = False
    """Whether it also sees what each modality is by itself, so that one present modality is enough."""

    @nn.compact
    def __call__(self, tokens: Array, mask: Array) -> Array:
        """Map tokens (batch, n, width) with mask (batch, n) to logits (batch, num_outputs), float32."""
        return _linear(self.num_outputs)(normalise(tokens.reshape(tokens.shape[0], -1)))


class MeanHead(nn.Module):
    """Map the mean of the present tokens by a layer norm and a linear map; its size does not depend on their number.

    It sees the last latent of each modality and of each ordered pair (ours). Without any, the mean is 0.
    """

    num_outputs: int
    leaves_out: ClassVar[bool] = True
    own: ClassVar[bool] = True

    @nn.compact
    def __call__(self, tokens: Array, mask: Array) -> Array:
        """Map tokens (batch, n, width) with mask (batch, n) to logits (batch, num_outputs), float32."""
        total = jnp.sum(jnp.where(mask[..., None], tokens, 0), axis=1)
        count = jnp.maximum(jnp.sum(mask, axis=1), 1).astype(tokens.dtype)
        return _linear(self.num_outputs)(normalise(total / count[:, None]))


class AttentionHead(nn.Module):
    """Map what a learned query attends to among the present tokens, which it tells apart by a learned code each.

    It sees the last latent of each modality and of each ordered pair (ours).
    """

    num_outputs: int
    leaves_out: ClassVar[bool] = True
    own: ClassVar[bool] = True

    @nn.compact
    def __call__(self, tokens: Array, mask: Array) -> Array:
        """Map tokens (batch, n, width) with mask (batch, n) to logits (batch, num_outputs), float32."""
        batch, num_tokens, width = tokens.shape
        codes = self.param("codes", nn.initializers.normal(0.02), (num_tokens, width), jnp.float32)
        query = self.param("query", nn.initializers.normal(1.0), (width,), jnp.float32)
        attention = Attention(width, num_heads=1, head_size=width, dtype=jnp.float32)
        context = normalise(tokens + codes[None])
        read = attention(jnp.broadcast_to(query, (batch, 1, width)), attention.project(context), mask)
        return _linear(self.num_outputs)(normalise(read[:, 0]))


Head = type[ConcatenationHead] | type[MeanHead] | type[AttentionHead]


def _linear(num_outputs: int) -> nn.Dense:
    return nn.Dense(num_outputs, kernel_init=UNIFORM, dtype=jnp.float32)
