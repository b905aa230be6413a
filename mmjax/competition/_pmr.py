"""Room competition: prototypical modal rebalance, which draws the latents of slow modalities to class means."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._classes import check_classes
from mmjax.competition._contributions import scores, weight_with
from mmjax.competition._multi_loss import total
from mmjax.competition._norms import norm
from mmjax.competition._ogm import within
from mmjax.competition._rates import scale_by_label
from mmjax.competition._samples import latents_of
from mmjax.competition._strategy import (
    Auxiliary,
    Model,
    Samples,
    Strategy,
    Tree,
    Variables,
    forward,
    weighted_mean,
)
from mmjax.competition._task import Task, classification


class Prototypes(NamedTuple):
    """What PMR remembers."""

    segment: Array
    """Segments made."""
    means: dict[str, Array]
    """Modality to its mean latent of each class (num_classes, width)."""
    known: dict[str, Array]
    """Modality to whether it has had a sample of each class (num_classes,)."""


def prototype_similarities(latents: Array, means: Array, known: Array) -> Array:
    """Return minus the distances of latents (n, width) from class means (num_classes, width): (n, num_classes).

    Classes that are not known get a number so low that their softmax is 0. The derivative at distance 0 is 0.
    """
    distances = norm(latents[:, None] - means[None])
    return jnp.where(known[None], -distances, jnp.finfo(distances.dtype).min / 4)


def pmr_weights(scores: Mapping[str, Array], alpha: ArrayLike) -> dict[str, Array]:
    """Return modality to the weight of its prototype loss, for two modalities: alpha for the lower score, else 0.

    Both are 0 where the scores are equal.
    """
    highest = jnp.max(jnp.stack(list(scores.values())))
    return {name: jnp.where(score >= highest, 0.0, alpha) for name, score in scores.items()}


def pmr_coefficients(scores: Mapping[str, Array], eta: ArrayLike) -> dict[str, Array]:
    """Return modality to the factor of its encoder's gradient, for three modalities or more.

    rho_m = s_m / min_j s_j; kappa_m = 1 - tanh(eta rho_m) where rho_m > 1, else 1.
    """
    lowest = jnp.min(jnp.stack(list(scores.values())))
    ratios = {name: score / jnp.maximum(lowest, jnp.finfo(score.dtype).eps) for name, score in scores.items()}
    return {name: jnp.where(ratio <= 1, 1, 1 - jnp.tanh(eta * ratio)) for name, ratio in ratios.items()}


def pmr(
    task: Task = classification,
    *,
    alpha: ArrayLike = 1.0,
    eta: ArrayLike = 0.01,
    momentum: ArrayLike = 0.5,
    first: ArrayLike = 0,
    last: ArrayLike = jnp.inf,
) -> Strategy:
    """Train on the fused loss, and draw the latents of the modality that lags to the means of their classes.

    Prototypical modal rebalance (Fan, Xu, Wang, Wang, Guo 2022, arXiv 2211.07089): c_mk is the mean latent of class k,
    sim_m = -||z_m - c_mk||_2 are logits, and s_m their score on the batch. For two modalities the loss is L(y) +
    alpha L(sim_m) of the m with the lower s_m, which reaches the encoder of m alone. For three or more the rule is that
    of BalanceBenchmark (2025, arXiv 2502.10816), without its noise: gradients of encoders times `pmr_coefficients`.

    Published values: alpha 2 (authors), 1.75 in the code of MCR (Kontras et al. 2024, arXiv 2411.07335) with epochs 0
    to 70 and momentum 0; alpha .6, eta .01, momentum .5 in BalanceBenchmark.

    Ours: an epoch is a segment, and prototypes are made of all samples to train on after each, c <- (1 - momentum)
    c_new + momentum c; so in the first segment there are none and training is joint. Classes without samples keep their
    prototype, or have none. The publication's entropy regulariser of early epochs is left out.

    Args:
      task: what the label is; classes.
      alpha: weight of the prototype loss, at least 0, for two modalities; may be traced.
      eta: how strongly, at least 0, for three or more; may be traced.
      momentum: share of the old prototypes, in [0, 1); may be traced.
      first: first segment of rebalancing, from 0; may be traced.
      last: last segment of rebalancing; may be traced.

    Returns:
      the strategy; its state is a count of segments and the prototypes.

    Raises:
      ValueError: by `init`, if a unimodal head is not linear; when its loss is called, if labels are not classes (n,).
    """

    def init(key: Array, model: Model, params: Tree) -> tuple[Tree, Prototypes]:
        shapes = _linear_shapes(model, params)
        means = {name: jnp.zeros((num_classes, width)) for name, (width, num_classes) in shapes.items()}
        return params, Prototypes(jnp.zeros(()), means, {name: jnp.zeros(len(x), bool) for name, x in means.items()})

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Prototypes, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        check_classes("pmr", batch.label)
        made = forward(model, params, statistics, batch, key)
        similarities = {
            name: prototype_similarities(z, state.means[name], state.known[name]) for name, z in made.latents.items()
        }
        rebalanced = within(state.segment, first, last) & (state.segment > 0)
        value = weighted_mean(task.losses(made.logits, batch.label), batch.weight)
        of_batch = scores(task, similarities, batch)
        factors: dict[str, Array] = {}
        if len(similarities) == 2:
            weights = pmr_weights(of_batch, jnp.where(rebalanced, alpha, 0.0))
            drawn = {
                name: weighted_mean(task.losses(u, batch.label), weight_with(batch, name))
                for name, u in similarities.items()
            }
            value += total(jnp.where(weights[name] > 0, weights[name] * drawn[name], 0) for name in weights)
        else:
            factors = {
                f"encoder:{name}": jnp.where(rebalanced, x, 1) for name, x in pmr_coefficients(of_batch, eta).items()
            }
        return value, Auxiliary(made.logits, made.statistics, factors)

    def update(model: Model, gradients: Tree, state: Prototypes, aux: Auxiliary) -> tuple[Tree, Prototypes]:
        return scale_by_label(model, gradients, aux.signals), state

    def on_segment(
        model: Model, variables: Variables, state: Prototypes, train: Samples, valid: Samples
    ) -> tuple[Tree, Prototypes]:
        return variables["params"], _moved(state, latents_of(model, variables, train), train, momentum)

    return Strategy(init, loss, update, on_segment)


def _moved(state: Prototypes, latents: Mapping[str, Array], train: Samples, momentum: ArrayLike) -> Prototypes:
    """Take the class means of all samples, or the old ones for classes without samples."""
    means, known = {}, {}
    for name, old in state.means.items():
        member = jax.nn.one_hot(train.label, len(old), dtype=old.dtype) * weight_with(train, name)[:, None]
        count = jnp.sum(member, axis=0)
        new = member.T @ latents[name] / jnp.where(count > 0, count, 1)[:, None]
        kept = jnp.where(state.known[name], momentum, 0.0)[:, None]
        means[name] = jnp.where(count[:, None] > 0, (1 - kept) * new + kept * old, old)
        known[name] = state.known[name] | (count > 0)
    return Prototypes(state.segment + 1, means, known)


def _linear_shapes(model: Model, params: Tree) -> dict[str, tuple[int, int]]:
    """Modality to the width of its latent and the number of outputs, as its unimodal head has them.

    The interface says neither before there is a batch; every matrix that sees one latent alone has its width in front.
    """
    pairs = list(zip(jax.tree.leaves(model.labels(params)), jax.tree.leaves(params), strict=True))
    widths = {label: x.shape[0] for label, x in pairs if label.startswith("head:") and x.ndim == 2}
    missing = [name for name in model.modalities if f"head:{name}" not in widths]
    if missing:
        raise ValueError(f"pmr reads the width of latents off linear unimodal heads; {missing} have none")
    latents = {name: jnp.zeros((1, widths[f"head:{name}"])) for name in model.modalities}
    heads = jax.eval_shape(model.unimodal, {"params": params}, latents)
    return {name: (latents[name].shape[1], heads[name].shape[1]) for name in model.modalities}
