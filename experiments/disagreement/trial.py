"""Experiments, disagreement: one trial: pre-train on unlabelled pairs, then read labels off linearly."""

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from experiments.disagreement.networks import Network
from experiments.disagreement.objectives import OBJECTIVES, OfViews, agreement
from experiments.disagreement.worlds import LABELS, WORLDS, Pairs, World
from mmjax.competition import linear_probe, probe_logits
from mmjax.data import Batch, Splits, batch_of
from mmjax.numerics import nan_unless
from mmjax.sweep import TrialFn
from mmjax.training import NewStatistics, Objective, TrainConfig, best_of, make_fit

NUM_SEGMENTS = 5
NUM_TEST = 2000
"""Pairs to test probes on; as many to choose the segment and the learning rate by."""
UNTRAINED = "untrained"

Accuracies = Callable[[dict[str, Any], Pairs], dict[str, Array]]
"""From variables and pairs to the accuracy of probes of each label, and their mean error as `loss`."""


def make_trial(static: Mapping[str, Any]) -> tuple[TrialFn, tuple[()]]:
    """Make the repetitions of an objective in a world: each draws pairs, pre-trains on them, and probes.

    Args:
      static: `world`, `objective` ("untrained" makes no step), `width`, `num_samples` to pre-train on, `num_labelled`
        of them to fit probes to, `num_steps` (a multiple of the 5 segments), `batch_size`.

    Returns:
      the trial, whose `valid` and `test` are accuracies of probes, by label, and no data. The segment is that of the
      least mean error of probes on validation pairs, as not every objective falls while what it trains gets better.
    """
    world, network = WORLDS[static["world"]], Network(static["width"])
    sizes = (static["num_samples"], NUM_TEST, NUM_TEST)
    places = list(itertools.pairwise(itertools.accumulate(sizes, initial=0)))
    trained = static["objective"] != UNTRAINED
    objective = OBJECTIVES[static["objective"]] if trained else agreement  # parameters start the same for all
    settings = TrainConfig(
        num_segments=NUM_SEGMENTS,
        steps_per_segment=static["num_steps"] // NUM_SEGMENTS,
        batch_size=static["batch_size"],
        drop_last=True,
    )

    def trial(key: Array, hparams: Mapping[str, Array], data: tuple[()]) -> dict[str, Any]:
        draw_key, fit_key = jax.random.split(key)
        pairs = world.draw(draw_key, sum(sizes))
        parts = Splits(*(jax.tree.map(lambda x, a=a, b=b: x[a:b], pairs) for a, b in places))
        labelled = jax.tree.map(lambda x: x[: static["num_labelled"]], parts.train)
        accuracies = functools.partial(probed, network, world, labelled)
        batches = batch_of({"x1": parts.train.x1, "x2": parts.train.x2}, parts.train.labels["synergy"])
        run = make_fit(settings, pre_training(network, world, objective, accuracies, parts.train))
        if trained:
            variables = best_of(run, fit_key, hparams, parts._replace(train=batches)).variables
        else:
            variables = {"params": run.init(fit_key, hparams).params}
        return {"valid": accuracies(variables, parts.valid), "test": accuracies(variables, parts.test)}

    return trial, ()


def pre_training(
    network: Network, world: World, objective: OfViews, accuracies: Accuracies, example: Pairs
) -> Objective:
    """Make what a run minimises, an objective on two views of each batch, and is measured by, accuracies of probes."""
    apply: Callable[..., Any] = network.apply

    def on_views(bound: Network, x1: Array, x2: Array, key: Array) -> Array:
        keys = jax.random.split(key, 5)
        view, other = ((world.view(keys[m], x1), world.view(keys[m + 1], x2)) for m in (0, 2))
        return objective(bound, view, other, keys[4])

    def everything(bound: Network, x1: Array, x2: Array, key: Array) -> None:
        on_views(bound, x1, x2, key)
        bound(x1, x2)

    def init(key: Array) -> dict[str, Any]:
        return dict(network.init(key, example.x1[:2], example.x2[:2], key, method=everything))

    def loss(params: Any, statistics: Any, memory: Any, batch: Batch, key: Array) -> tuple[Array, NewStatistics]:
        of_views = (batch.modalities["x1"], batch.modalities["x2"], key)
        return apply({"params": params}, *of_views, method=on_views), NewStatistics(statistics)

    return Objective(init, loss, accuracies, full_batches=True)


def probed(
    network: Network, world: World, labelled: Pairs, variables: dict[str, Any], pairs: Pairs
) -> dict[str, Array]:
    """Return the accuracy on pairs of linear probes of all labels, fitted to others, and the mean error as `loss`.

    NaN where the latents are not finite, as after training that diverged.
    """
    apply: Callable[..., Any] = network.apply
    fit = functools.partial(
        linear_probe, apply(variables, labelled.x1, labelled.x2), num_classes=max(world.num_classes.values())
    )
    probes = jax.vmap(fit)(jnp.stack([labelled.labels[name] for name in LABELS]))
    logits = jax.vmap(probe_logits, (0, None))(probes, apply(variables, pairs.x1, pairs.x2))
    right = jnp.argmax(logits, axis=2) == jnp.stack([pairs.labels[name] for name in LABELS])
    found = nan_unless(jnp.all(jnp.isfinite(logits)), jnp.mean(right.astype(float), axis=1))
    return dict(zip(LABELS, found, strict=True)) | {"loss": 1 - jnp.mean(found)}
