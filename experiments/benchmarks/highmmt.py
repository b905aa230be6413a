"""Experiments, benchmarks: HighMMT's programs against the ways in which their parts are run one by one.

A fit is an entry of a transfer matrix. No other library measures transfer between modalities or shares parameters by a
plan, so plain formulations of ours stand for peers: a program an entry, a program a plan, a pair at a time.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from experiments.benchmarks.timing import Comparison, compare
from experiments.highmmt.config import Config
from experiments.highmmt.worlds import SEQUENCES, alone, draw, model_of
from mmjax.data import HETEROGENEITY_SUITE
from mmjax.heterogeneity import FitFn, SharingPlan, select_pairs, transfer_matrix
from mmjax.models.highmmt import Architecture, HighMMT, Layout, MeanHead, ModalitySpec, TaskSpec
from mmjax.training import Node, TrainConfig, node_fit, stack_nodes

SETTINGS = Config(large=True)
NUM_PLANS, BATCH, NUM_FUSED = 32, 32, 5
NUM_MANY, FUSED_OF_MANY = 50, (50, 150, 408)
"""Modalities, and how many of their 1225 pairs are fused: the last number is a third."""


def measure(repetitions: int) -> Iterator[Comparison]:
    """Measure a transfer matrix of 10 modalities, 32 sharing plans, and the fusion of pairs of 5 and 50 modalities."""
    yield from _matrix(repetitions)
    yield from _plans(repetitions)
    yield from _pairs(repetitions)
    yield from _some_of_many(repetitions)


def _matrix(repetitions: int) -> Iterator[Comparison]:
    suite = alone(HETEROGENEITY_SUITE.world)
    model, key = model_of(SETTINGS, suite), jax.random.key(0)
    names = [(task.name, task.modalities) for task in suite.tasks]
    nodes = stack_nodes(model.layout, draw(SETTINGS, suite, 0), names, own_codes=False)
    count = len(names)
    fit = _fit(model)
    matrix = jax.jit(lambda nodes: transfer_matrix(fit, nodes, key=key))
    entry = jax.jit(functools.partial(_entry, fit))

    def compiled_anew() -> Any:
        return jax.jit(lambda nodes: transfer_matrix(fit, nodes, key=key))(nodes)

    def entry_compiled_anew() -> Any:
        return jax.jit(functools.partial(_entry, fit))(nodes, 0, 1)

    work, size = "transfer matrix, 300 and 20 steps", f"{count} modalities"
    peers = {
        "each entry compiled and run by itself": (compiled_anew, entry_compiled_anew, "compiling included"),
        "each entry run by one compiled program": (lambda: matrix(nodes), lambda: entry(nodes, 0, 1), ""),
    }
    for peer, (ours, theirs, note) in peers.items():
        yield compare(
            work, size, count**2, peer, ours, theirs, repetitions=repetitions, theirs_batch=1, note=note or "an entry"
        )


def _fit(model: HighMMT) -> FitFn:
    return node_fit(
        model,
        {"learning_rate": jnp.asarray(3e-3)},
        num_modalities=1,
        num_outputs=4,
        direct=TrainConfig(num_segments=1, steps_per_segment=300),
        transferred=TrainConfig(num_segments=1, steps_per_segment=20),
    )


def _entry(fit: FitFn, nodes: Node, source: int, target: int) -> Array:
    """Train on the source, then on the target from its model: what an entry takes where none is shared."""
    first, second = (jax.tree.map(lambda x, place=place: x[place], nodes) for place in (source, target))
    model = fit(jax.random.key(source), first, None).model
    return fit(jax.random.key(target), second, model).losses


def _plans(repetitions: int) -> Iterator[Comparison]:
    model = model_of(SETTINGS, SEQUENCES)
    counts = len(model.layout.nodes), len(model.layout.pairs)
    keys = jax.random.split(jax.random.key(0), NUM_PLANS)
    plans = [SharingPlan.random(key, *counts, num_unimodal_groups=3, num_crossmodal_groups=3) for key in keys]
    params = model.init(jax.random.key(1), num_unimodal_groups=3, num_crossmodal_groups=3)
    inputs = {
        task.name: {
            name: jnp.ones((BATCH, *model.layout.modality(name).axes, model.layout.modality(name).channels))
            for name in task.modalities
        }
        for task in model.layout.tasks
    }

    def gradient(params: Any, plan: Any) -> Any:
        return jax.grad(lambda params: sum(jnp.sum(x**2) for x in model.apply(params, inputs, plan).values()))(params)

    stacked, one = SharingPlan.stack(plans), plans[0].indices()
    many, single = jax.jit(jax.vmap(gradient, (None, 0))), jax.jit(gradient)
    work, size = "gradient of 12 tasks, by plan", "6 modalities"
    run = functools.partial(many, params, stacked)
    peers: dict[str, tuple[int, Callable[[], Any]]] = {
        "one compiled program, plan after plan": (1, lambda: single(params, one)),
        "a program a plan, compiling included": (1, lambda: jax.jit(lambda p: gradient(p, plans[0]))(params)),
    }
    for peer, (batch, theirs) in peers.items():
        yield compare(work, size, NUM_PLANS, peer, run, theirs, repetitions=repetitions, theirs_batch=batch)


def _pairs(repetitions: int) -> Iterator[Comparison]:
    """Measure the fusion of all ordered pairs, at the paper's large sizes."""
    names = tuple(f"m{number}" for number in range(NUM_FUSED))
    modalities = tuple(ModalitySpec(name, (8,), 16, num_bands=3) for name in names)
    model = HighMMT(Architecture(head=MeanHead), Layout(modalities, (TaskSpec("t", names, 10),)))
    params, plan = model.init(jax.random.key(0)), model.layout.share_all()
    sizes = (4, model.architecture.num_latents, model.architecture.width)
    latents = {name: jax.random.normal(jax.random.key(number), sizes) for number, name in enumerate(names)}
    present = {name: jnp.ones(sizes[0], bool) for name in names}
    stack = model.architecture.crossmodal()

    def ours(params: Any) -> Any:
        return jnp.sum(model.fuse(params, {"t": latents}, {"t": present}, plan)["t"] ** 2)

    def pair_by_pair(group: Any) -> Any:
        def last(first: str, second: str) -> Any:
            return stack.apply({"params": group}, latents[first], latents[second])[:, -1]  # type: ignore[call-overload]

        return jnp.sum(jnp.stack([last(*pair) for pair in itertools.permutations(names, 2)]) ** 2)

    yield compare(
        "gradient of the fusion of pairs",
        f"{NUM_FUSED} modalities, {sizes[0]} samples",
        NUM_FUSED * (NUM_FUSED - 1),
        "pair by pair in one program, all latents computed",
        functools.partial(jax.jit(jax.grad(ours)), params),
        functools.partial(jax.jit(jax.grad(pair_by_pair)), jax.tree.map(lambda x: x[0], params["crossmodal"])),
        repetitions=repetitions,
    )


def _some_of_many(repetitions: int) -> Iterator[Comparison]:
    """Measure a gradient of a model of 50 modalities that fuses some of its pairs, against all, and their memory."""
    names = tuple(f"m{number:02}" for number in range(NUM_MANY))
    pairs = tuple(itertools.combinations(names, 2))
    inputs = {"t": {name: jax.random.normal(jax.random.key(place), (4, 8, 16)) for place, name in enumerate(names)}}
    all_pairs, all_memory = _gradient_of_many(names, pairs, inputs)
    chosen = jax.random.permutation(jax.random.key(0), len(pairs))
    for count in FUSED_OF_MANY:
        run, memory = _gradient_of_many(names, tuple(pairs[place] for place in sorted(chosen[:count].tolist())), inputs)
        yield compare(
            "gradient, some pairs of many modalities",
            f"{NUM_MANY} modalities, {count} pairs, 4 samples",
            1,
            f"all {len(pairs)} pairs",
            run,
            all_pairs,
            repetitions=repetitions,
            note=f"{memory:.0f} MB for {all_memory:.0f} MB of temporary memory",
        )
    similar = jnp.abs(jax.random.normal(jax.random.key(1), (len(pairs), len(pairs))))
    select = jax.jit(functools.partial(select_pairs, k=FUSED_OF_MANY[-1]))
    gains = jnp.abs(jax.random.normal(jax.random.key(2), (len(pairs),)))
    yield compare(
        "selection of a third of the pairs",
        f"{len(pairs)} pairs",
        1,
        "a gradient of all pairs",
        functools.partial(select, gains, similar),
        all_pairs,
        repetitions=repetitions,
    )


def _gradient_of_many(
    names: tuple[str, ...], pairs: tuple[tuple[str, str], ...], inputs: Any
) -> tuple[Callable[[], Any], float]:
    """Return the compiled gradient of a model that fuses some pairs, and the megabytes that it takes."""
    modalities = tuple(ModalitySpec(name, (8,), 16, num_bands=3) for name in names)
    sizes = Architecture(
        num_latents=4, width=16, head_size=8, num_latent_heads=2, num_crossmodal_heads=2, head=MeanHead
    )
    model = HighMMT(sizes, Layout(modalities, (TaskSpec("t", names, 10, pairs),)))
    params, plan = model.init(jax.random.key(0)), model.layout.share_all()

    def loss(params: Any) -> Array:
        return jnp.sum(model.apply(params, inputs, plan)["t"] ** 2)

    compiled = jax.jit(jax.grad(loss)).lower(params).compile()
    memory = compiled.memory_analysis()
    return functools.partial(compiled, params), (memory.temp_size_in_bytes if memory else 0) / 2**20
