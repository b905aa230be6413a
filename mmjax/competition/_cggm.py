"""Room competition: classifier-guided gradient modulation, of the size and the direction of gradients."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._contributions import measured, occurs
from mmjax.competition._multi_loss import total, unimodal_losses
from mmjax.competition._norms import normalised
from mmjax.competition._rates import scale_by_label
from mmjax.competition._strategy import (
    Auxiliary,
    Forward,
    Model,
    Samples,
    Strategy,
    Tree,
    forward,
    weighted_mean,
)
from mmjax.competition._task import Task, classification


class Signals(NamedTuple):
    """What the loss tells the update, by modality."""

    coefficients: dict[str, Array]
    accuracies: dict[str, Array]


def cggm_coefficients(changes: Mapping[str, Array], bound: ArrayLike = jnp.inf) -> dict[str, Array]:
    """Return modality to B_m, the share of the others in what was gained since the last batch.

    B_m = (D - Delta_m) / D with D = 1e-8 + sum_j Delta_j, kept within [-bound, bound].

    Args:
      changes: modality to the change Delta_m of its classifier's accuracy.
      bound: of |B_m|, above 0.

    Returns:
      modality to B_m; 1 for all where nothing has changed.
    """
    gained = total(changes.values()) + 1e-8
    safe = jnp.where(gained == 0, 1e-8, gained)
    limit = jnp.asarray(bound, safe.dtype)
    return {name: jnp.clip((safe - change) / safe, -limit, limit) for name, change in changes.items()}


def cggm(
    task: Task = classification, *, rho: ArrayLike = 1.3, direction: ArrayLike = 0.2, bound: ArrayLike = 10.0
) -> Strategy:
    """Train on the fused loss, with encoders hurried or slowed, and turned, as classifiers of each modality advise.

    Classifier-guided gradient modulation (Guo, Jin, Chen, Zhao 2024, arXiv 2411.01409), from its abstract and code: a
    classifier of each modality is trained on detached latents. With Delta_m the change of its accuracy from the last
    batch to this one and B_m of `cggm_coefficients`, the gradient of the encoder of m is multiplied by rho B_m, and

        direction / M * sum_m (|B_m| - B_m cos(g_m, h_m))

    is added to the loss, where h_m is the gradient of the fused loss and g_m that of the classifier's.

    Published values in that code: rho 1.3 and direction .2 (CMU-MOSI, IEMOCAP), .05 (Food-101), rho 1 and direction .1
    (BraTS); classifiers with an optimiser of their own (learning rate 5e-4, weight decay 3e-3).

    Ours: the classifiers are the unimodal heads, in the one optimiser; g_m and h_m are gradients by the latent z_m,
    which every head has and whose shapes agree, g_m constant (the published code compares the weights of last layers,
    not gradients); B_m of this batch is in this batch's loss and not in the next one's; B_m is bounded, as D may be 0
    with a few samples a batch, where the published code clips the whole gradient to .8; the first accuracies are
    compared with 0 as there; a batch without m leaves its accuracy; for regression accuracy is the share of targets
    whose sign is right. Second derivatives of the head are taken.

    Args:
      task: what the label is.
      rho: factor of the encoders' gradients, above 0; may be traced.
      direction: weight of the term of directions, at least 0; may be traced.
      bound: of |B_m|, above 0, inf for none; may be traced.

    Returns:
      the strategy; its state is the classifiers' accuracies on the last batch.

    Raises:
      ValueError: by `init`, if there is one modality only.
    """

    def init(key: Array, model: Model, params: Tree) -> tuple[Tree, dict[str, Array]]:
        if len(model.modalities) < 2:
            raise ValueError(f"cggm compares two modalities or more; got {list(model.modalities)}")
        return params, {name: jnp.zeros(()) for name in model.modalities}

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: dict[str, Array], batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        made = forward(model, params, statistics, batch, key)
        apart = made._replace(latents=jax.lax.stop_gradient(made.latents))
        heads = model.unimodal(apart.variables, apart.latents)
        newest = measured(lambda u, y, weight: weighted_mean(task.accuracy(u, y), weight), heads, batch)
        accuracies = {name: jnp.where(occurs(batch, name), x, state[name]) for name, x in newest.items()}
        shares = cggm_coefficients({name: x - state[name] for name, x in accuracies.items()}, bound)
        value = weighted_mean(task.losses(made.logits, batch.label), batch.weight)
        value += total(unimodal_losses(task, model, apart, batch).values())
        cosines = _cosines(task, model, made, batch, key)
        value += direction * total(jnp.abs(x) - x * cosines[name] for name, x in shares.items()) / len(shares)
        factors = {name: x * rho for name, x in shares.items()}
        return value, Auxiliary(made.logits, made.statistics, Signals(factors, accuracies))

    def update(model: Model, gradients: Tree, state: dict[str, Array], aux: Auxiliary) -> tuple[Tree, dict[str, Array]]:
        factors = {f"encoder:{name}": x for name, x in aux.signals.coefficients.items()}
        return scale_by_label(model, gradients, factors), aux.signals.accuracies

    return Strategy(init, loss, update)


def _cosines(task: Task, model: Model, made: Forward, batch: Samples, key: Array) -> dict[str, Array]:
    """Modality to the cosine of the gradients by its latents of the fused loss and of its classifier's."""
    _, fuse_key = jax.random.split(key)  # the noise of `forward`

    def fused(latents: dict[str, Array]) -> Array:
        logits = model.fuse(made.variables, latents, batch.masks, key=fuse_key, train=True)
        return weighted_mean(task.losses(logits, batch.label), batch.weight)

    def alone(latents: dict[str, Array]) -> Array:
        return total(unimodal_losses(task, model, made._replace(latents=latents), batch).values())

    of_heads, of_fused = jax.lax.stop_gradient(jax.grad(alone)(made.latents)), jax.grad(fused)(made.latents)
    return {name: jnp.sum(normalised(of_heads[name].ravel()) * normalised(g.ravel())) for name, g in of_fused.items()}
