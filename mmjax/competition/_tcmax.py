"""Room competition: training by the total correlation of latents and label."""

import functools
import operator
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.competition._classes import check_classes
from mmjax.competition._strategy import (
    Auxiliary,
    Forward,
    Model,
    Samples,
    Strategy,
    Tree,
    forward,
    weighted_mean,
    without_state,
)
from mmjax.competition._task import Task, classification


def tcmax(task: Task = classification, *, num_permutations: int = 32) -> Strategy:
    """Maximise a bound on the total correlation of the latents of all modalities and the label.

    L = log sum_(i, j, c) exp f(z_1[i], z_2[j])[c] - log B - mean_b f(z_1[b], z_2[b])[y_b],

    f the fused logits, all pairs of samples i, j and all classes c of a batch of B. Up to the constant log B + log C it
    is minus the Donsker-Varadhan bound on the total correlation of (z_1, z_2, y), with uniform labels among the
    negatives; for B = 1 it is the cross-entropy. TCMax (Yu et al. 2026, arXiv 2602.13015), for two modalities; there
    are no hyper-parameters. Negatives come from the batch itself, so it is a bound in the limit of large batches only.

    What each modality brings to the head by itself is made once; what they give together, of B^2 rows. Ours: for three
    modalities or more the tuples are too many, and `num_permutations` draws of independent permutations of the batch,
    one a modality, stand for them; samples of weight 0 are in no tuple, which counts by the product of its samples'
    weights, and absence is one of the values that a latent takes.

    Args:
      task: what the label is: classes; its losses are not used.
      num_permutations: for three modalities or more.

    Returns:
      the strategy; it has no state. Its loss, in nats, is of the size of a cross-entropy, but sees how large logits
      are beside those of other samples: a common shift of all logits of one sample counts.

    Raises:
      ValueError: if there is no permutation; when its loss is called, if labels are no classes.
    """
    if num_permutations < 1:
        raise ValueError(f"num_permutations is {num_permutations}; expected 1 or more")

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Tree, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        check_classes("tcmax", batch.label)
        made = forward(model, params, statistics, batch, key)
        places = _tuples(jax.random.fold_in(key, 2), model.modalities, batch.weight.shape[0], num_permutations)
        counts = functools.reduce(operator.mul, [batch.weight[place] for place in places.values()])
        _, fuse_key = jax.random.split(key)
        logits = _fused(model, made, batch.masks, places, fuse_key)
        own = jnp.take_along_axis(made.logits, batch.label[:, None], axis=1)[:, 0]
        value = total_correlation_loss(own, batch.weight, logits, counts)
        return value, Auxiliary(made.logits, made.statistics)

    return Strategy(without_state, loss)


def total_correlation_loss(own: Array, weight: Array, tuples: Array, counts: Array) -> Array:
    """Return the loss of `tcmax` from logits.

    Args:
      own: (n,), each sample's logit of its class.
      weight: (n,), of the samples.
      tuples: (num_tuples, C), logits of tuples of latents.
      counts: (num_tuples,), their weights.

    Returns:
      a scalar; 0 where no sample counts.
    """
    num_samples, num_tuples = jnp.sum(weight), jnp.sum(counts)
    some = num_tuples > 0
    counted = jnp.broadcast_to(jnp.where(some, counts, 1)[:, None], tuples.shape)
    normaliser = jax.nn.logsumexp(tuples, b=counted)
    constant = jnp.log(jnp.where(some, num_samples / jnp.where(some, num_tuples, 1), 1))
    return jnp.where(some, normaliser + constant - weighted_mean(own, weight), 0)


def _tuples(key: Array, modalities: tuple[str, ...], num_samples: int, num_permutations: int) -> dict[str, Array]:
    """Return modality to the samples (num_tuples,) whose latents meet: all pairs, or random ones of many modalities."""
    if len(modalities) <= 2:
        grid = jnp.meshgrid(*[jnp.arange(num_samples)] * len(modalities), indexing="ij")
        return {name: place.ravel() for name, place in zip(modalities, grid, strict=True)}
    rows = jnp.broadcast_to(jnp.arange(num_samples)[None], (num_permutations, num_samples))
    keys = jax.random.split(key, len(modalities))
    return {
        name: jax.random.permutation(k, rows, axis=1, independent=True).ravel()
        for name, k in zip(modalities, keys, strict=True)
    }


def _fused(model: Model, made: Forward, masks: Mapping[str, Array], places: dict[str, Array], key: Array) -> Array:
    """Return the logits (num_tuples, C) of tuples of the batch's latents."""
    pieces = model.pieces(made.variables, made.latents)
    chosen = {name: jax.tree.map(lambda x, place=place: x[place], pieces[name]) for name, place in places.items()}
    present = {name: masks[name][place] for name, place in places.items()}
    return model.combine(made.variables, chosen, present, key=key, train=True)
