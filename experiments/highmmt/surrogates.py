"""Experiments, HighMMT: what could stand in for distances by transfer, from features or gradients, beside those."""

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from experiments.harness import Row, Rows
from experiments.highmmt.config import Config
from experiments.highmmt.distances import fit_of
from experiments.highmmt.worlds import alone, draw, model_of, suite_of
from mmjax.data import SEQUENCE_SUITE, Batch
from mmjax.heterogeneity import (
    Fit,
    Labelled,
    TransferMatrix,
    cluster,
    direct_fits,
    distance,
    gradient_affinity,
    linear_cka,
    log_me,
    matrix_of,
    rank_agreement,
    transferred_losses,
)
from mmjax.models.highmmt import HighMMT, Params
from mmjax.training import Node, node_model, stack_nodes

Timed = Callable[..., tuple[Any, float]]
"""From arguments to what a program returns and the seconds that it took, without compiling."""
DIM = 64
"""Numbers kept of each gradient."""
NUM_SHOWN = 256
"""Samples of each part of a node that gradients are of, at most."""
RIDGE = 0.1
"""About which the estimated losses of nodes fitted to themselves are least."""


def stand_in(config: Config, seed: int) -> Rows:
    """Measure the distances of modalities by transfer and estimate them by three stand-ins.

    Linear CKA is between the features that the models of two nodes make of the same samples, those of one of them, and
    its distance is what both directions lack to 1: samples of two modalities are not paired, so features of theirs by
    one model could not be compared. LogME is of the features that a source's model makes of a target's samples, less
    that of the target's own model. Both are of validation samples, and need a model of each node. Gradients are those
    of one model, trained on all nodes for as many steps as a node's own.
    """
    suite = alone(suite_of(config).world) if config.large else SEQUENCE_SUITE
    model, truth, key = model_of(config, suite), list(suite.world.groups.values()), jax.random.key(seed)
    nodes = stack_nodes(
        model.layout, draw(config, suite, seed), [(task.name, task.modalities) for task in suite.tasks], own_codes=False
    )
    run = _programs(config, model, max(task.rule.num_classes for task in suite.tasks))
    direct, training = run.direct(nodes, key)
    zero, evaluating = run.zero(direct, nodes, key)
    tuned, tuning = run.tuned(direct, nodes, key)
    features, reading = run.features(direct.model, nodes.valid)
    alignment, aligning = run.alignment(features)
    evidence, weighing = run.evidence(features, nodes.valid.label)
    base, pooling = run.direct_on_all(_pooled(nodes), key)
    estimated, projecting = run.gradients(base.model, nodes, key)
    measured = [zero, tuned]
    of_all: dict[str, tuple[Array, float]] = {
        "measured, 0 steps": (zero, training + evaluating),
        f"measured, {config.num_transfer_steps} steps": (tuned, training + tuning),
        "linear CKA": (alignment, training + reading + aligning),
        "LogME": (evidence, training + reading + weighing),
        "gradients": (estimated, pooling + projecting),
    }
    shared = {"part": "surrogates", "seed": seed}
    return [
        shared | {"by": name, "seconds": seconds} | _row(d, measured, truth) for name, (d, seconds) in of_all.items()
    ]


class _Programs(NamedTuple):
    """What is timed; distances are (n, n), in units of their own."""

    direct: Timed
    """Nodes and a key to the fits of each."""
    zero: Timed
    """Fits, nodes and a key to distances by transfer without a step on the target."""
    tuned: Timed
    """As `zero`, after some steps."""
    features: Timed
    """Models (n, ...) and samples of n nodes to features (n, n, num_samples, dim), axes (model, node)."""
    alignment: Timed
    """Features to distances by linear CKA."""
    evidence: Timed
    """Features and labels to distances by LogME."""
    direct_on_all: Timed
    """As `direct`, of the one node that is all of them."""
    gradients: Timed
    """Parameters (1, ...) of that one's model, nodes and a key to distances."""


@functools.lru_cache(maxsize=2)
def _programs(config: Config, model: HighMMT, num_outputs: int) -> _Programs:
    single = node_model(model, 1, num_outputs)
    (task,), plan = single.layout.tasks, single.layout.share_all()
    fits = {steps: fit_of(config, model, 1, num_outputs, config.num_steps, steps) for steps in _budgets(config)}

    def direct(nodes: Node, key: Array) -> Fit:
        return direct_fits(fits[0], nodes, key=key)

    def measured(steps: int, direct: Fit, nodes: Node, key: Array) -> Array:
        matrix: TransferMatrix = matrix_of(direct, transferred_losses(fits[steps], direct.model, nodes, key=key))
        return distance(matrix.transfer)

    def features(models: Params, samples: Batch) -> Array:
        def read(params: Params, tokens: Any) -> Array:
            latents = single.encode(params, {task.name: tokens}, plan)[task.name]["0"]
            return latents.reshape(len(latents), -1)

        of_nodes = jax.vmap(read, (None, 0))
        return jax.lax.map(lambda params: of_nodes(params, samples.modalities), models)

    def logits(params: Params, tokens: Any) -> Array:
        return single.apply_tokens(params, {task.name: jax.tree.map(lambda x: x[None], tokens)}, plan)[task.name][0]

    def gradients(base: Params, nodes: Node, key: Array) -> Array:
        params = jax.tree.map(lambda x: x[0], base)
        parts = [Labelled(of.modalities, of.label, of.weight) for of in (_first(nodes.train), _first(nodes.valid))]
        affinity = gradient_affinity(logits, params, *parts, key=key, dim=DIM, ridge=RIDGE)
        return distance(affinity.matrix.transfer)

    zero, tuned = (functools.partial(measured, steps) for steps in _budgets(config))
    evidence = functools.partial(_evidence, num_outputs=num_outputs)
    programs: list[Callable[..., Any]] = [direct, zero, tuned, features, _alignment, evidence, direct, gradients]
    return _Programs(*map(_timed, programs))


def _budgets(config: Config) -> tuple[int, int]:
    return 0, config.num_transfer_steps


def _alignment(features: Array) -> Array:
    own = features[jnp.arange(len(features)), jnp.arange(len(features))]
    return distance(1 - jax.vmap(jax.vmap(linear_cka), (0, None))(features, own))


def _evidence(features: Array, label: Array, *, num_outputs: int) -> Array:
    """Evidence of one-hot labels; a constant feature is their mean."""
    with_constant = jnp.concatenate([features, jnp.ones_like(features[..., :1])], axis=-1)
    of_targets = jax.vmap(jax.vmap(log_me), (0, None))(with_constant, jax.nn.one_hot(label, num_outputs))
    return distance(jnp.diag(of_targets)[None] - of_targets)


def _pooled(nodes: Node) -> Node:
    """Make one node of all, chosen among its models by some validation samples of each."""

    def as_one(batch: Batch) -> Batch:
        return jax.tree.map(lambda x: x.reshape(1, -1, *x.shape[2:]), batch)

    return Node(as_one(nodes.train), as_one(_first(nodes.valid)), jnp.max(nodes.num_outputs)[None])


def _first(batch: Batch) -> Batch:
    return jax.tree.map(lambda x: x[:, :NUM_SHOWN], batch)


def _timed(program: Callable[..., Any]) -> Timed:
    """Compile a program at its first call, for the shapes of that, and time it without."""
    compiled: list[Any] = []

    def run(*arguments: Any) -> tuple[Any, float]:
        if not compiled:
            compiled.append(jax.jit(program).lower(*arguments).compile())
        start = time.perf_counter()
        result = jax.block_until_ready(compiled[0](*arguments))
        return result, time.perf_counter() - start

    return run


def _row(distances: ArrayLike, measured: Sequence[ArrayLike], truth: Sequence[int]) -> Row:
    """Return distances in their own units, how they rank those measured, and what clustering finds in them."""
    from sklearn.metrics import adjusted_rand_score

    d = np.asarray(distances, float)
    found = cluster(d, len(set(truth)))
    return {
        "estimate": d.tolist(),
        "agreement": [rank_agreement(d, other) for other in measured],
        "found": list(found),
        "Rand index": float(adjusted_rand_score(truth, found)),
    }
