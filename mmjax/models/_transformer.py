"""Room models: transformers that read a set of tokens off a learned class token."""

import chex
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array
from jax.typing import DTypeLike

MLP_RATIO = 4
LONGEST_WAVE = 10_000


class Transformer(nn.Module):
    """Encode sequences by a pre-norm transformer and a learned class token.

    Tokens are mapped linearly and get the sinusoidal positions of Vaswani et al. 2017 (arXiv 1706.03762); layers
    normalise before attention and before the MLP (Xiong et al. 2020, arXiv 2002.04745). The latent is the class
    token after a last norm, so a sequence without a valid token has one too.
    """

    width: int
    """Of tokens and latent; even, and divisible by `num_heads`."""
    num_layers: int = 2
    num_heads: int = 4
    dropout: float = 0.0
    """Rate after the attention and the MLP of each layer, in training."""
    dtype: DTypeLike = jnp.float32
    """Of the activations; parameters, norms, softmax and latent are float32."""

    @nn.compact
    def __call__(self, x: Array, mask: Array | None = None, *, train: bool = False) -> Array:
        """Encode.

        Args:
          x: sequences (batch, tokens, features); padding may hold any finite number.
          mask: (batch, tokens), False where padded; or (batch,) for all tokens of a sample.
          train: whether dropout is on.

        Returns:
          the latent (batch, width), float32.
        """
        chex.assert_rank(x, 3)
        tokens = nn.Dense(self.width, dtype=self.dtype)(x)
        tokens += sinusoids(x.shape[1], self.width).astype(tokens.dtype)[None]
        reader = ClassTokenReader(self.num_layers, self.num_heads, self.dropout, self.dtype)
        return reader(tokens, token_mask(x, mask), train=train)


class ClassTokenReader(nn.Module):
    """Read tokens (batch, n, width) into one vector by transformer layers over them and a class token."""

    num_layers: int
    num_heads: int
    dropout: float
    dtype: DTypeLike

    @nn.compact
    def __call__(self, tokens: Array, mask: Array, *, train: bool) -> Array:
        """Return the class token (batch, width), float32, that saw the tokens in the mask (batch, n)."""
        batch, _, width = tokens.shape
        if width % self.num_heads:
            raise ValueError(f"width must be divisible by num_heads={self.num_heads}; got {width}")
        token = self.param("class_token", nn.initializers.normal(0.02), (width,), jnp.float32)
        first = jnp.broadcast_to(token.astype(tokens.dtype), (batch, 1, width))
        x = jnp.concatenate([first, tokens], axis=1)
        valid = jnp.concatenate([jnp.ones((batch, 1), bool), mask], axis=1)
        for _ in range(self.num_layers):
            x = _Layer(self.num_heads, self.dropout, self.dtype)(x, valid, train)
        return _normalise(x[:, 0])


class _Layer(nn.Module):
    """Pre-norm attention and MLP, both residual."""

    num_heads: int
    dropout: float
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Array, valid: Array, train: bool) -> Array:
        width = x.shape[-1]
        heads = nn.DenseGeneral((3, self.num_heads, width // self.num_heads), dtype=self.dtype, name="heads")
        queries, keys, values = jnp.unstack(heads(_normalise(x)), axis=2)
        y = _attend(queries, keys, values, valid)
        y = nn.DenseGeneral(width, axis=(-2, -1), dtype=self.dtype, name="attended")(y)
        x += nn.Dropout(self.dropout)(y, deterministic=not train)
        y = nn.gelu(nn.Dense(MLP_RATIO * width, dtype=self.dtype)(_normalise(x)))
        y = nn.Dense(width, dtype=self.dtype)(y)
        return x + nn.Dropout(self.dropout)(y, deterministic=not train)


def _attend(queries: Array, keys: Array, values: Array, valid: Array) -> Array:
    """Attend (batch, tokens, heads, size) to the valid keys (batch, tokens), of which there is one at least."""
    scores = jnp.einsum("bqhd,bkhd->bhqk", queries, keys, preferred_element_type=jnp.float32)
    scores = jnp.where(valid[:, None, None, :], scores * queries.shape[-1] ** -0.5, -jnp.inf)
    return jnp.einsum("bhqk,bkhd->bqhd", nn.softmax(scores).astype(values.dtype), values)


def _normalise(x: Array) -> Array:
    return nn.LayerNorm(dtype=jnp.float32)(x.astype(jnp.float32))


def token_mask(x: Array, mask: Array | None) -> Array:
    """Return the mask (batch, tokens) of x (batch, tokens, features), from one of tokens, of samples, or none."""
    if mask is None:
        return jnp.ones(x.shape[:2], bool)
    if mask.ndim == 1:
        mask = jnp.broadcast_to(mask[:, None], x.shape[:2])
    chex.assert_shape(mask, x.shape[:2])
    return mask


def sinusoids(length: int, width: int) -> Array:
    """Return sin and cos of position / 10000^(2i / width), (length, width), float32."""
    if width % 2:
        raise ValueError(f"sinusoidal positions need an even width; got {width}")
    angles = np.arange(length)[:, None] / LONGEST_WAVE ** (np.arange(0, width, 2) / width)[None]
    return jnp.asarray(np.concatenate([np.sin(angles), np.cos(angles)], axis=1), jnp.float32)
