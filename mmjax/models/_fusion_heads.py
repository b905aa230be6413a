"""Room models: fusion heads in which modalities meet otherwise than in a sum of linear maps.

What sees one modality only is a `LinearMaps` called `slices`, so that its parameters can be told from shared ones.
"""

import functools
import operator
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array

from mmjax.models._fusion_head import FusionHead
from mmjax.models._linear_maps import JoinedMaps, LinearMaps
from mmjax.models._presence import Masks, presence, zero_where_absent
from mmjax.models._transformer import ClassTokenReader


class FiLM(FusionHead):
    """Let one modality c scale and shift the others feature-wise (Perez et al. 2017, arXiv 1709.07871).

    y = sum_{m != c} (gamma_m * z_m + beta_m) W_m + b with (gamma_m, beta_m) linear in z_c. For two modalities this is
    the FiLM head of the code published with MCR (Kontras et al. 2024, arXiv 2411.07335); the sum over more is ours.
    An absent m drops out of the sum; where c is absent, gamma_m and beta_m are the learned biases.

    Raises:
      ValueError: when called, if `condition` is no modality or the only one.
    """

    condition: str
    """The modality c."""

    def setup(self) -> None:
        self.output = nn.Dense(self.num_outputs, dtype=jnp.float32)

    @nn.compact
    def pieces(self, latents: Mapping[str, Array]) -> dict[str, Any]:
        """Return of c all gamma_m and beta_m side by side, and of each other modality its latent."""
        others = {name: z for name, z in latents.items() if name != self.condition}
        if self.condition not in latents or not others:
            raise ValueError(f"FiLM needs {self.condition!r} and a modality it conditions; got {sorted(latents)}")
        slices = LinearMaps(2 * sum(z.shape[1] for z in others.values()), name="slices")
        return others | slices({self.condition: latents[self.condition]})

    def combine(self, pieces: Mapping[str, Any], masks: Masks = None, *, train: bool = False) -> Array:
        """Return the logits (batch, num_outputs) of the pieces."""
        present = presence(masks, pieces)
        others = [name for name in sorted(pieces) if name != self.condition]
        widths = np.repeat([pieces[name].shape[1] for name in others], 2)
        gamma_beta = jnp.split(pieces[self.condition], np.cumsum(widths)[:-1], axis=1)
        modulated = [
            zero_where_absent(gamma * pieces[name] + beta, present[name])
            for name, gamma, beta in zip(others, gamma_beta[::2], gamma_beta[1::2], strict=True)
        ]
        return self.output(jnp.concatenate(modulated, axis=1))


class GatedFusion(FusionHead):
    """Fuse by sigmoid gates, the gated multimodal unit (Arevalo et al. 2017, arXiv 1702.01992).

    h = sum_m sigmoid([z_1 ... z_M] U_m + c_m) * tanh(z_m W_m), y = h V + b.
    """

    width: int = 64
    """Of h."""

    def setup(self) -> None:
        self.output = nn.Dense(self.num_outputs, dtype=jnp.float32)

    @nn.compact
    def pieces(self, latents: Mapping[str, Array]) -> dict[str, Any]:
        """Return of each modality tanh(z_m W_m), and what it adds to the arguments of all gates."""
        candidates = LinearMaps(self.width, use_bias=False, name="slices")(latents)
        arguments = JoinedMaps(len(latents) * self.width, use_bias=True, name="gates")(latents)
        return {name: (jnp.tanh(candidates[name]), arguments[name]) for name in sorted(latents)}

    def combine(self, pieces: Mapping[str, Any], masks: Masks = None, *, train: bool = False) -> Array:
        """Return the logits (batch, num_outputs) of the pieces."""
        candidates, arguments = zip(*(pieces[name] for name in sorted(pieces)), strict=True)
        gates = jnp.split(nn.sigmoid(functools.reduce(operator.add, arguments)), len(candidates), axis=1)
        opened = [gate * candidate for gate, candidate in zip(gates, candidates, strict=True)]
        return self.output(functools.reduce(operator.add, opened))


class AttentionFusion(FusionHead):
    """Fuse by a pre-norm transformer over a class token and one token a modality, z_m W_m + b_m (ours).

    Nobody attends to the token of an absent modality; where all are absent the logits are those of the class token.
    """

    width: int = 64
    """Of the tokens; divisible by `num_heads`."""
    num_layers: int = 2
    num_heads: int = 4
    dropout: float = 0.0

    def setup(self) -> None:
        self.slices = LinearMaps(self.width)
        self.reader = ClassTokenReader(self.num_layers, self.num_heads, self.dropout, jnp.float32)
        self.output = nn.Dense(self.num_outputs, dtype=jnp.float32)

    def pieces(self, latents: Mapping[str, Array]) -> dict[str, Any]:
        """Return the tokens, modality to (batch, width)."""
        return self.slices(latents)

    def combine(self, pieces: Mapping[str, Any], masks: Masks = None, *, train: bool = False) -> Array:
        """Return the logits (batch, num_outputs) of the tokens."""
        present = presence(masks, pieces)
        names = sorted(pieces)
        mask = jnp.stack([present[name] for name in names], axis=1)
        return self.output(self.reader(jnp.stack([pieces[name] for name in names], axis=1), mask, train=train))
