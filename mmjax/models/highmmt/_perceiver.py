"""Models, HighMMT: attention layers of latents (Perceiver, Jaegle et al. 2021, arXiv 2103.03206)."""

import chex
import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.typing import DTypeLike

FEED_FORWARD_RATIO = 4
UNIFORM = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
"""U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's of linear maps; our biases start at 0."""

KeysValues = tuple[Array, Array]
"""(batch, tokens, heads, head_size) each."""


class Attention(nn.Module):
    """Attend from queries (batch, n, width) to keys and values that a context was mapped to."""

    width: int
    num_heads: int
    head_size: int
    dtype: DTypeLike

    def setup(self) -> None:
        heads = (self.num_heads, self.head_size)
        self.query = nn.DenseGeneral(heads, use_bias=False, kernel_init=UNIFORM, dtype=self.dtype)
        self.key_value = nn.DenseGeneral((2, *heads), use_bias=False, kernel_init=UNIFORM, dtype=self.dtype)
        self.output = nn.DenseGeneral(self.width, axis=(-2, -1), kernel_init=UNIFORM, dtype=self.dtype)

    def project(self, context: Array) -> KeysValues:
        """Map a context (batch, tokens, d) to keys and values."""
        keys, values = jnp.unstack(self.key_value(context), axis=-3)
        return keys, values

    def __call__(self, x: Array, keys_values: KeysValues, mask: Array | None = None) -> Array:
        """Return what x attends to; 0, but for the output's bias, where the mask (batch, tokens) has no token."""
        keys, values = keys_values
        scores = jnp.einsum("bqhd,bkhd->bhqk", self.query(x), keys, preferred_element_type=jnp.float32)
        scores *= self.head_size**-0.5
        if mask is None:
            weights = jax.nn.softmax(scores)
        else:
            valid = mask[:, None, None, :]
            weights = jax.nn.softmax(jnp.where(valid, scores, jnp.finfo(scores.dtype).min))
            weights = jnp.where(jnp.any(valid, axis=-1, keepdims=True), weights, 0)
        return self.output(jnp.einsum("bhqk,bkhd->bqhd", weights.astype(values.dtype), values))


class GatedFeedForward(nn.Module):
    """Map each token by a linear unit gated by a GELU (GEGLU: Shazeer 2020, arXiv 2002.05202), pre-normalised."""

    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (batch, n, width) to the same shape."""
        width = x.shape[-1]
        hidden = nn.Dense(2 * FEED_FORWARD_RATIO * width, kernel_init=UNIFORM, dtype=self.dtype)(normalise(x))
        values, gates = jnp.split(hidden, 2, axis=-1)
        y = values * nn.gelu(gates, approximate=False)
        return nn.Dense(width, kernel_init=UNIFORM, dtype=self.dtype)(y)


class PerceiverLayer(nn.Module):
    """Let latents attend to a context, then to each other, each followed by a feed-forward map; all residual."""

    width: int
    num_context_heads: int
    num_latent_heads: int
    head_size: int
    double_residual: bool
    """Whether the input of the latents' own attention is added a second time, as in the released code."""
    dtype: DTypeLike

    def setup(self) -> None:
        self.context_norm, self.query_norm, self.latent_norm = (layer_norm() for _ in range(3))
        self.context_attention = Attention(self.width, self.num_context_heads, self.head_size, self.dtype)
        self.latent_attention = Attention(self.width, self.num_latent_heads, self.head_size, self.dtype)
        self.context_feed_forward = GatedFeedForward(self.dtype)
        self.latent_feed_forward = GatedFeedForward(self.dtype)

    def project(self, context: Array) -> KeysValues:
        """Map a context (batch, tokens, d) to what latents attend to."""
        return self.context_attention.project(self.context_norm(context.astype(jnp.float32)))

    def __call__(self, x: Array, keys_values: KeysValues, mask: Array | None = None, *, first: int = 0) -> Array:
        """Map latents (batch, n, width), float32, to themselves from the `first` on; the others are not computed."""
        x = x + self.context_attention(self.query_norm(x), keys_values, mask)
        x = x + self.context_feed_forward(x)
        normal = self.latent_norm(x)
        x = x[:, first:]
        y = x + self.latent_attention(normal[:, first:], self.latent_attention.project(normal))
        y = y + self.latent_feed_forward(y)
        return x + y if self.double_residual else y


class LatentStack(nn.Module):
    """Layers that latents pass, attending in each to the same context: the crossmodal transformer."""

    num_layers: int
    width: int
    num_context_heads: int
    num_latent_heads: int
    head_size: int
    double_residual: bool
    dtype: DTypeLike

    def setup(self) -> None:
        self.layers = [
            PerceiverLayer(
                self.width,
                self.num_context_heads,
                self.num_latent_heads,
                self.head_size,
                self.double_residual,
                self.dtype,
            )
            for _ in range(self.num_layers)
        ]

    def project(self, context: Array) -> tuple[KeysValues, ...]:
        """Map a context (batch, tokens, d) to what the latents of each layer attend to."""
        return tuple(layer.project(context) for layer in self.layers)

    def __call__(self, x: Array, context: Array, mask: Array | None = None) -> Array:
        """Map latents (batch, n, width) to the same shape, float32; mask (batch, tokens) of the context."""
        return self._through(x, self.project(context), mask, first=0)

    def last(self, x: Array, projected: tuple[KeysValues, ...]) -> Array:
        """Map latents (batch, n, width) to the last of them (batch, width), float32."""
        return self._through(x, projected, None, first=x.shape[1] - 1)[:, 0]

    def _through(self, x: Array, projected: tuple[KeysValues, ...], mask: Array | None, *, first: int) -> Array:
        for number, (layer, keys_values) in enumerate(zip(self.layers, projected, strict=True)):
            is_last = number == self.num_layers - 1
            x = layer(x, keys_values, mask, first=first if is_last else 0)
        return x.astype(jnp.float32)


class Encoder(nn.Module):
    """Read tokens of any modality into latents: learned ones, which attend to the tokens and their modality's code."""

    num_latents: int
    num_slots: int
    embedding_width: int | None
    """Of the learned code of a modality; None: the code is one-hot."""
    stack: LatentStack

    @nn.compact
    def __call__(self, values: Array, mask: Array, slot: Array) -> Array:
        """Map tokens (batch, tokens, d), with mask and code as in `Tokens`, to latents (batch, n, width), float32."""
        chex.assert_rank([values, mask, slot], [3, 2, 1])
        code = self._code(slot).astype(values.dtype)
        code = jnp.broadcast_to(code[:, None], (*values.shape[:2], code.shape[1]))
        latents = self.param("latents", nn.initializers.normal(1.0), (self.num_latents, self.stack.width), jnp.float32)
        x = jnp.broadcast_to(latents[None], (values.shape[0], *latents.shape))
        return self.stack(x, jnp.concatenate([values, code], axis=-1), mask)

    def _code(self, slot: Array) -> Array:
        if self.embedding_width is None:
            return jax.nn.one_hot(slot, self.num_slots)
        shape = (self.num_slots, self.embedding_width)
        return self.param("embedding", nn.initializers.normal(1.0), shape, jnp.float32)[slot]


def layer_norm() -> nn.LayerNorm:
    """Make a layer norm in float32, with PyTorch's epsilon."""
    return nn.LayerNorm(epsilon=1e-5, dtype=jnp.float32, use_fast_variance=False)


def normalise(x: Array) -> Array:
    """Apply a layer norm of its own, inside a compact module."""
    return layer_norm()(x.astype(jnp.float32))
