"""Experiments, HighMMT: distances of modalities or interactions by transfer, beside the truth."""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.harness import Row, Rows
from experiments.highmmt.config import Config
from experiments.highmmt.worlds import alone, draw, interacting, model_of, suite_of
from mmjax.competition import weighted_mean
from mmjax.data import SEQUENCE_SUITE, WorldSuite, interaction_class
from mmjax.heterogeneity import (
    FitFn,
    TransferMatrix,
    cluster,
    direct_fits,
    distance,
    matrix_of,
    transferred_losses,
    triangle_share,
)
from mmjax.models.highmmt import HighMMT
from mmjax.training import Node, TrainConfig, node_fit, stack_nodes

Program = Callable[[Node, Array], list[TransferMatrix]]
RULES = ("xor", "unique1", "unique2")
NATS_OF_BIT = float(np.log(2))


def of_modalities(config: Config, seed: int) -> Rows:
    """Measure the distances of all modalities of the configuration's world, each alone with a task of four classes."""
    suite = alone(suite_of(config).world) if config.large else SEQUENCE_SUITE
    return _rows(config, "modalities", suite, seed, list(suite.world.groups.values()), config.num_steps)


def of_interactions(config: Config, seed: int) -> Rows:
    """Measure the distances of interactions: three rules, each of two pairs of alike sequences."""
    suite = interacting(SEQUENCE_SUITE.world, RULES)
    classes = [interaction_class(suite.world, task.rule, task.modalities) for task in suite.tasks]  # type: ignore[arg-type]
    of_pairs = dataclasses.replace(config, num_samples=config.num_pair_samples)
    return _rows(of_pairs, "interactions", suite, seed, list(map(classes.index, classes)), config.num_pair_steps)


@functools.lru_cache(maxsize=8)
def transfer_program(
    config: Config, model: HighMMT, num_modalities: int, num_outputs: int, num_steps: int, budgets: tuple[int, ...]
) -> Program:
    """Make the measurement of transfer between nodes.

    Args:
      config: budgets of transferred fits, and the optimiser.
      model: its architecture and layout.
      num_modalities: of each node.
      num_outputs: the largest number of classes of a node.
      num_steps: of a direct fit.
      budgets: steps on the target, with a new head; 0 keeps the source's.

    Returns:
      from nodes and a key to a matrix for each budget.
    """
    fits = [fit_of(config, model, num_modalities, num_outputs, num_steps, budget) for budget in budgets]

    def measured(nodes: Node, key: Array) -> list[TransferMatrix]:
        first = direct_fits(fits[0], nodes, key=key)
        return [matrix_of(first, transferred_losses(fit, first.model, nodes, key=key)) for fit in fits]

    return jax.jit(measured)


@functools.lru_cache(maxsize=8)
def direct_program(config: Config, model: HighMMT, num_outputs: int, num_steps: int) -> Callable[[Node, Array], Array]:
    """Make the program from nodes of one modality and a key to their mean validation losses (n,), in nats."""
    fit = fit_of(config, model, 1, num_outputs, num_steps, 0)

    def losses(nodes: Node, key: Array) -> Array:
        fitted = direct_fits(fit, nodes, key=key)
        return jax.vmap(weighted_mean)(fitted.losses, fitted.weight)

    return jax.jit(losses)


def fit_of(config: Config, model: HighMMT, num_modalities: int, num_outputs: int, num_steps: int, budget: int) -> FitFn:
    """Make fits whose direct ones have ten segments, the best of which counts."""
    hparams = {"learning_rate": jnp.asarray(config.learning_rate)}
    direct = TrainConfig(num_segments=10, steps_per_segment=-(-num_steps // 10), batch_size=config.batch_size)
    return node_fit(
        model,
        hparams,
        num_modalities=num_modalities,
        num_outputs=num_outputs,
        direct=direct,
        transferred=TrainConfig(num_segments=1, steps_per_segment=budget, batch_size=config.batch_size)
        if budget
        else None,
    )


def _rows(config: Config, part: str, suite: WorldSuite, seed: int, truth: Sequence[int], num_steps: int) -> Rows:
    model = model_of(config, suite)
    names = [(task.name, task.modalities) for task in suite.tasks]
    nodes = stack_nodes(model.layout, draw(config, suite, seed), names, own_codes=False)
    num_outputs = max(task.rule.num_classes for task in suite.tasks)
    budgets = (0, config.num_transfer_steps)
    program = transfer_program(config, model, len(suite.tasks[0].modalities), num_outputs, num_steps, budgets)
    start = time.perf_counter()
    matrices = jax.block_until_ready(program(nodes, jax.random.key(seed)))
    shared = {"part": part, "seed": seed, "seconds": time.perf_counter() - start}
    shared |= {"names": [task.name for task in suite.tasks], "truth": list(truth)}
    return [shared | {"steps": steps} | _row(matrix, truth) for steps, matrix in zip(budgets, matrices, strict=True)]


def _row(matrix: TransferMatrix, truth: Sequence[int]) -> Row:
    """Return distances in bits, and what clustering finds in them."""
    from sklearn.metrics import adjusted_rand_score

    d = np.asarray(distance(matrix.transfer)) / NATS_OF_BIT
    groups = np.asarray(truth)
    alike = (groups[:, None] == groups[None]) & ~np.eye(len(d), dtype=bool)
    apart = groups[:, None] != groups[None]
    found = cluster(d, len(set(truth)))
    return {
        "distance": d.tolist(),
        "direct": (np.asarray(matrix.direct) / NATS_OF_BIT).tolist(),
        "standard error": float(np.mean(np.asarray(matrix.standard_error))) / NATS_OF_BIT,
        "found": list(found),
        "Rand index": float(adjusted_rand_score(truth, found)),
        "alike": float(d[alike].mean()),
        "apart": float(d[apart].mean()),
        "triangles": float(triangle_share(d)),
    }
