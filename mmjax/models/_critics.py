"""Room models: critics, which score every pair of a batch of x and a batch of y.

A score is high where x and y belong together. `mmjax.estimators` turn matrices of scores into mutual information, of
which the diagonal holds the pairs that were sampled together.
"""

from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from mmjax.models._mlp import MLP


class SeparableCritic(nn.Module):
    """Score by the inner product of two embeddings, f(x, y) = <g(x), h(y)>, which costs b1 + b2 encodings.

    Oord, Li, Vinyals 2018 (arXiv 1807.03748). With several outputs, each has embeddings of its own: alignment
    scores a class, as in the estimator of Liang et al. 2023 (arXiv 2302.12247).
    """

    encoder_x: nn.Module
    """From (b1, ...) to (b1, width), width a multiple of `num_outputs`; the same for y. See `mmjax.models.MLP`."""
    encoder_y: nn.Module
    num_outputs: int | None = None
    """Scores of a pair; None for a single one without an axis of its own."""

    def __call__(self, x: Array, y: Array) -> Array:
        """Score all pairs.

        Args:
          x: (b1, ...).
          y: (b2, ...).

        Returns:
          scores (b1, b2), or (b1, b2, num_outputs), float32.
        """
        g, h = self.encoder_x(x), self.encoder_y(y)
        if self.num_outputs is None:
            return g @ h.T
        g, h = (z.reshape(z.shape[0], self.num_outputs, -1) for z in (g, h))
        return jnp.einsum("ick,jck->ijc", g, h)


class BilinearCritic(nn.Module):
    """Score by a bilinear form of two embeddings of any widths, f(x, y) = g(x)^T W h(y)."""

    encoder_x: nn.Module
    """From (b1, ...) to (b1, k1)."""
    encoder_y: nn.Module
    """From (b2, ...) to (b2, k2)."""

    @nn.compact
    def __call__(self, x: Array, y: Array) -> Array:
        """Score all pairs of x (b1, ...) and y (b2, ...), (b1, b2), float32."""
        g, h = self.encoder_x(x), self.encoder_y(y)
        return nn.Dense(h.shape[-1], use_bias=False, dtype=jnp.float32, name="form")(g) @ h.T


class ConcatenatedCritic(nn.Module):
    """Score by a multilayer perceptron of x and y together, which costs b1 b2 of its hidden layers.

    The first layer is linear in (x, y), so it is computed for each x and each y once and added for the pairs.
    """

    features: tuple[int, ...] = (256, 256)
    """Width of each hidden layer, at least one."""
    activation: Callable[[Array], Array] = nn.relu

    @nn.compact
    def __call__(self, x: Array, y: Array) -> Array:
        """Score all pairs of x (b1, ...) and y (b2, ...), flattened, (b1, b2), float32."""
        width, *deeper = self.features
        rows = nn.Dense(width, name="first_x")(x.reshape(x.shape[0], -1))
        columns = nn.Dense(width, use_bias=False, name="first_y")(y.reshape(y.shape[0], -1))
        hidden = self.activation(rows[:, None] + columns[None])
        flat = MLP((*deeper, 1), self.activation)(hidden.reshape(-1, width))
        return flat.reshape(x.shape[0], y.shape[0])
