"""Models, HighMMT: the sizes and choices of a model, and the modules that follow from them."""

import dataclasses
import enum

import jax.numpy as jnp
from jax.typing import DTypeLike

from mmjax.models.highmmt._heads import ConcatenationHead, Head
from mmjax.models.highmmt._perceiver import Encoder, LatentStack


class Absence(enum.Enum):
    """What stands for the latents of a modality that a sample lacks."""

    ZERO = "zeros"
    LEARNED = "a learned array of each modality"
    DROP = "nothing: the head leaves out what the modality takes part in"


@dataclasses.dataclass(frozen=True)
class Architecture:
    """Sizes and choices; the defaults are those of the paper's large setting, but for single residuals."""

    num_latents: int = 20
    width: int = 64
    """Of latents."""
    head_size: int = 64
    """Of all attention heads."""
    num_context_heads: int = 1
    """Heads from an encoder's latents to tokens."""
    num_latent_heads: int = 6
    """Heads among latents, in encoders and crossmodal stacks."""
    num_crossmodal_heads: int = 4
    """Heads from the latents of one modality to those of another."""
    num_layers: int = 1
    """Of an encoder; each attends to the tokens anew."""
    num_crossmodal_layers: int = 1
    embedding_width: int | None = None
    """Of a learned code of each modality; None: the codes are one-hot."""
    double_residual: bool = False
    """Whether each layer adds its latents twice, as the released code and its weights do."""
    head: Head = ConcatenationHead
    """How tasks read the fused tokens."""
    absence: Absence = Absence.ZERO
    """What stands for a modality that a sample lacks."""
    dtype: DTypeLike = jnp.float32
    """Of the activations in linear maps; parameters, norms, softmax and latents are float32."""

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        if self.absence is Absence.DROP and not self.head.leaves_out:
            raise ValueError(
                f"{self.head.__name__} cannot leave modalities out; use MeanHead or AttentionHead, or Absence.ZERO"
            )

    def encoder(self, num_slots: int) -> Encoder:
        """Make the module that reads tokens, of `num_slots` modalities, into latents."""
        stack = self._stack(self.num_layers, self.num_context_heads)
        return Encoder(self.num_latents, num_slots, self.embedding_width, stack)

    def crossmodal(self) -> LatentStack:
        """Make the module that lets the latents of one modality attend to those of another."""
        return self._stack(self.num_crossmodal_layers, self.num_crossmodal_heads)

    def _stack(self, num_layers: int, num_context_heads: int) -> LatentStack:
        return LatentStack(
            num_layers,
            self.width,
            num_context_heads,
            self.num_latent_heads,
            self.head_size,
            self.double_residual,
            self.dtype,
        )
