"""Experiments, disagreement: one trial: pre-train on unlabelled pairs, then read labels off linearly."""

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from experiments.disagreement.networks import Network
from experiments.disagreement.objectives import OBJECTIVES, Objective
from experiments.disagreement.worlds import LABELS, WORLDS, Pairs, World
from mmjax.competition import linear_probe, probe_logits
from mmjax.data import Batch, Splits, batch_of
from mmjax.sweep import TrialFn
from mmjax.training import NewStatistics, TrainConfig, best_of, make_fit
from mmjax.training import Objective as Minimised

NUM_SEGMENTS = 5
BATCH = 128
NUM_TEST = 2000
"""Pairs to test probes on; as many to choose the segment and the learning rate by."""
UNTRAINED = "untrained"


def make_trial(static: Mapping[str, Any]) -> tuple[TrialFn, tuple[()]]:
    """Make the repetitions of an objective in a world: each draws pairs, pre-trains on them, and probes.

    Args:
      static: `world`, `objective` ("untrained" makes no step), `width`, `num_samples` to pre-train on, `num_labelled`
        of them to fit probes to, `num_steps`.

    Returns:
      the trial, whose `valid` and `test` are accuracies of probes, by label, and no data; the
      segment is that of the objective's own least validation loss.
    """
    world, network = WORLDS[static["world"]], Network(static["width"])
    sizes = (static["num_samples"], NUM_TEST, NUM_TEST)
    places = list(itertools.pairwise(itertools.accumulate(sizes, initial=0)))
    trained = static["objective"] != UNTRAINED
    settings = TrainConfig(
        num_segments=NUM_SEGMENTS,
        steps_per_segment=-(-static["num_steps"] // NUM_SEGMENTS),
        batch_size=BATCH,
        drop_last=True,
    )

    def trial(key: Array, hparams: Mapping[str, Array], data: tuple[()]) -> dict[str, Any]:
        draw_key, fit_key = jax.random.split(key)
        pairs = world.draw(draw_key, sum(sizes))
        parts = Splits(*(jax.tree.map(lambda x, a=a, b=b: x[a:b], pairs) for a, b in places))
        if trained:
            minimised = pre_training(network, world, OBJECTIVES[static["objective"]], parts.train)
            batches = Splits(*(batch_of({"x1": of.x1, "x2": of.x2}, of.labels["synergy"]) for of in parts))
            variables = best_of(make_fit(settings, minimised), fit_key, hparams, batches).variables
        else:
            variables = dict(network.init(fit_key, parts.train.x1[:1], parts.train.x2[:1]))
        return probed(network, world, variables, parts, static["num_labelled"])

    return trial, ()


def pre_training(network: Network, world: World, objective: Objective, example: Pairs) -> Minimised:
    """Make what a run minimises: an objective on two views of each batch."""
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

    def value(variables: dict[str, Any], batch: Batch, key: Array) -> Array:
        loss: Array = apply(variables, batch.modalities["x1"], batch.modalities["x2"], key, method=on_views)
        return loss

    def loss(params: Any, statistics: Any, memory: Any, batch: Batch, key: Array) -> tuple[Array, NewStatistics]:
        return value({"params": params}, batch, key), NewStatistics(statistics)

    def evaluate(variables: dict[str, Any], data: Batch) -> dict[str, Array]:
        blocks = jax.tree.map(lambda x: x[: len(x) // BATCH * BATCH].reshape(-1, BATCH, *x.shape[1:]), data)
        keys = jax.random.split(jax.random.key(0), len(blocks.label))
        return {"loss": jnp.mean(jax.lax.map(lambda of: value(variables, *of), (blocks, keys)))}

    return Minimised(init, loss, evaluate, full_batches=True)


def probed(
    network: Network, world: World, variables: dict[str, Any], parts: Splits, num_labelled: int
) -> dict[str, dict[str, Array]]:
    """Return the accuracy of linear probes of all labels on validation and test pairs, and the mean error as a loss."""
    apply: Callable[..., Any] = network.apply

    def latents(of: Pairs) -> Array:
        seen: Array = apply(variables, of.x1, of.x2)
        return seen

    fitted_to = jax.tree.map(lambda x: x[:num_labelled], parts.train)
    fit = functools.partial(linear_probe, latents(fitted_to), num_classes=max(world.num_classes.values()))
    probes = jax.vmap(fit)(jnp.stack([fitted_to.labels[name] for name in LABELS]))

    def accuracies(of: Pairs) -> Array:
        logits = jax.vmap(probe_logits, (0, None))(probes, latents(of))
        right = jnp.argmax(logits, axis=2) == jnp.stack([of.labels[name] for name in LABELS])
        return jnp.mean(right.astype(float), axis=1)

    found = {part: accuracies(getattr(parts, part)) for part in ("valid", "test")}
    named = {part: dict(zip(LABELS, of, strict=True)) for part, of in found.items()}
    return named | {"valid": named["valid"] | {"loss": 1 - jnp.mean(found["valid"])}}
