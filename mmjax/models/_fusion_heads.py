"""Room models: fusion heads in which modalities meet otherwise than in a sum of linear maps.

What sees one modality only is a `LinearMaps` called `slices`, so that its parameters can be told from shared ones.
"""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array

from mmjax.models._linear_maps import LinearMaps
from mmjax.models._presence import Masks, presence, present_latents, zero_where_absent
from mmjax.models._transformer import ClassTokenReader


class FiLM(nn.Module):
    """Let one modality c scale and shift the others feature-wise (Perez et al. 2017, arXiv 1709.07871).

    y = sum_{m != c} (gamma_m * z_m + beta_m) W_m + b with (gamma_m, beta_m) linear in z_c. For two modalities this is
    the FiLM head of the code published with MCR (Kontras et al. 2024, arXiv 2411.07335); the sum over more is ours.
    An absent m drops out of the sum; where c is absent, gamma_m and beta_m are the learned biases.
    """

    num_outputs: int
    condition: str
    """The modality c."""

    @nn.compact
    def __call__(self, latents: Mapping[str, Array], masks: Masks = None, *, train: bool = False) -> Array:
        """Fuse latents (batch, d_m), two or more, into logits.

        Raises:
          ValueError: if `condition` is no modality or the only one.
        """
        others = sorted(set(latents) - {self.condition})
        if self.condition not in latents or not others:
            raise ValueError(f"FiLM needs {self.condition!r} and a modality it conditions; got {sorted(latents)}")
        present, latents = presence(masks, latents), present_latents(latents, masks)
        widths = [latents[name].shape[1] for name in others]
        slices = LinearMaps(2 * sum(widths), name="slices")
        film = slices({self.condition: latents[self.condition]})[self.condition]
        gamma_beta = jnp.split(film, np.cumsum(np.repeat(widths, 2))[:-1], axis=1)
        modulated = [
            zero_where_absent(gamma * latents[name] + beta, present[name])
            for name, gamma, beta in zip(others, gamma_beta[::2], gamma_beta[1::2], strict=True)
        ]
        return nn.Dense(self.num_outputs, dtype=jnp.float32, name="output")(jnp.concatenate(modulated, axis=1))


class GatedFusion(nn.Module):
    """Fuse by sigmoid gates, the gated multimodal unit (Arevalo et al. 2017, arXiv 1702.01992).

    h = sum_m sigmoid([z_1 ... z_M] U_m + c_m) * tanh(z_m W_m), y = h V + b.
    """

    num_outputs: int
    width: int = 64
    """Of h."""

    @nn.compact
    def __call__(self, latents: Mapping[str, Array], masks: Masks = None, *, train: bool = False) -> Array:
        """Fuse latents (batch, d_m), any number of them, into logits; absent ones are replaced by zeros."""
        latents = present_latents(latents, masks)
        candidates = jnp.stack(list(LinearMaps(self.width, use_bias=False, name="slices")(latents).values()), axis=1)
        together = jnp.concatenate(list(latents.values()), axis=1)
        gates = nn.Dense(len(latents) * self.width, dtype=jnp.float32, name="gates")(together)
        hidden = jnp.sum(nn.sigmoid(gates.reshape(candidates.shape)) * jnp.tanh(candidates), axis=1)
        return nn.Dense(self.num_outputs, dtype=jnp.float32, name="output")(hidden)


class AttentionFusion(nn.Module):
    """Fuse by a pre-norm transformer over a class token and one token a modality, z_m W_m + b_m (ours).

    Nobody attends to the token of an absent modality; where all are absent the logits are those of the class token.
    """

    num_outputs: int
    width: int = 64
    """Of the tokens; divisible by `num_heads`."""
    num_layers: int = 2
    num_heads: int = 4
    dropout: float = 0.0

    @nn.compact
    def __call__(self, latents: Mapping[str, Array], masks: Masks = None, *, train: bool = False) -> Array:
        """Fuse latents (batch, d_m), any number of them, into logits."""
        present = presence(masks, latents)
        tokens = LinearMaps(self.width, name="slices")(present_latents(latents, masks))
        reader = ClassTokenReader(self.num_layers, self.num_heads, self.dropout, jnp.float32)
        mask = jnp.stack([present[name] for name in tokens], axis=1)
        read = reader(jnp.stack(list(tokens.values()), axis=1), mask, train=train)
        return nn.Dense(self.num_outputs, dtype=jnp.float32, name="output")(read)
