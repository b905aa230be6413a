"""Room competition: the game rule of MCR, as numbers: whose parameters follow which sensitivity, and how far."""

from typing import NamedTuple

import jax
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._gradient_scale import gradient_scale
from mmjax.competition._strategy import Model, Tree


class Shares(NamedTuple):
    """By what the gradient of the sensitivity J_S to modalities S is multiplied on its way to each part of a model.

    Numbers, which may be traced: 1 makes a part raise J_S, -1 lower it, and 0 leaves it alone.
    """

    own: ArrayLike
    """Encoders of modalities in S."""
    others: ArrayLike
    """Encoders of modalities not in S."""
    head_own: ArrayLike
    """What in the fusion head sees one modality alone, in S ("head:<modality>")."""
    head_others: ArrayLike
    """The same, not in S."""
    head: ArrayLike
    """The rest of the fusion head."""


class Game(NamedTuple):
    """Shares of the gradient, apart for the two predictions whose divergence J_S is."""

    perturbed: Shares
    """Of what flows back through the prediction with S perturbed."""
    base: Shares
    """Of what flows back through the prediction as it is."""


_NONE = Shares(0.0, 0.0, 0.0, 0.0, 0.0)
_ALL = Shares(1.0, 1.0, 1.0, 1.0, 1.0)


def paper(k: ArrayLike = -1.0) -> Game:
    """Return the rule of Kontras et al. (2024, arXiv 2411.07335), equations 12 and 13, for any real k.

    Encoder i follows sum_{S with i} dJ_S + k sum_{S without i} dJ_S: greedy for k = -1, independent for 0,
    collaborative for 1. Nothing flows through the prediction as it is. What in the head sees one modality alone
    follows that modality's encoder, as in the published code. What all modalities share follows the sum of all J_S
    times clip(1 + k, 0, 1), which is 0, 1 and 1 for k = -1, 0 and 1 as in that code; between those, it is ours. So is
    the stopped prediction: for k = -1 and two modalities the gradients of that code through it cancel, for other k
    see `code_ind` and `code_colab`.

    Args:
      k: any real number; may be traced.

    Returns:
      the game.
    """
    shared = (abs(1.0 + k) - abs(k) + 1.0) / 2.0  # the clip, of Python's numbers too
    return Game(Shares(1.0, k, 1.0, k, shared), _NONE)


def code_greedy() -> Game:
    """Return what the code published with MCR differentiates as "greedy", for two modalities: `paper(-1)`."""
    return Game(Shares(1.0, -1.0, 1.0, -1.0, 0.0), _NONE)


def code_ind() -> Game:
    """Return what the code published with MCR differentiates as "ind", for two modalities.

    Own terms only, as in `paper(0)`, but the gradients of all terms leak to all parts through the prediction as it is.
    """
    return Game(Shares(1.0, 0.0, 1.0, 0.0, 1.0), _ALL)


def code_colab() -> Game:
    """Return what the code published with MCR differentiates as "colab", for two modalities: sum_S J_S as it is."""
    return Game(_ALL, _ALL)


def paper_literal(k: ArrayLike = -1.0) -> Game:
    """Return equations 12 and 13 of Kontras et al. (2024, arXiv 2411.07335) with nothing added or stopped.

    Encoder i follows sum_{S with i} dJ_S + k sum_{S without i} dJ_S through both predictions; the head follows none.

    Args:
      k: any real number; may be traced.

    Returns:
      the game.
    """
    shares = Shares(1.0, k, 0.0, 0.0, 0.0)
    return Game(shares, shares)


def share(
    model: Model, variables: Tree, latents: dict[str, Array], shares: Shares, subset: tuple[str, ...]
) -> tuple[Tree, dict[str, Array]]:
    """Return variables and latents as they are, through which gradients of J_S flow back in the shares of a game.

    Args:
      model: whose they are.
      variables: its variables.
      latents: modality to (n, width).
      shares: the factors.
      subset: S, the modalities perturbed.

    Returns:
      the same numbers.
    """

    def factor(label: str) -> ArrayLike:
        if label == "head":
            return shares.head
        owner, _, modality = label.partition(":")
        if owner == "head":
            return shares.head_own if modality in subset else shares.head_others
        return 1.0

    params = jax.tree.map(
        lambda label, leaf: _scaled(leaf, factor(label)), model.labels(variables["params"]), variables["params"]
    )
    scaled = {
        name: _scaled(latent, shares.own if name in subset else shares.others) for name, latent in latents.items()
    }
    return {**variables, "params": params}, scaled


def _scaled(x: Array, factor: ArrayLike) -> Array:
    """Scale the gradient; where the factor is the number 0, and no array, what it would come from is not computed."""
    return jax.lax.stop_gradient(x) if isinstance(factor, int | float) and factor == 0 else gradient_scale(x, factor)
