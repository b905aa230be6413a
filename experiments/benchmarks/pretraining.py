"""Experiments, benchmarks: a step of pre-training that lets modalities disagree, against others and PyTorch.

The networks, batches and views of `experiments.disagreement` on vectors, Adam, single precision. Rows of other
objectives have a ratio below 1 where these cost less. The peer in PyTorch is a plain formulation of ours of the same
step.
"""

import functools
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import optax

from experiments.benchmarks.timing import Comparison, compare, skip_missing
from experiments.disagreement.networks import TEMPERATURE, Network
from experiments.disagreement.objectives import OBJECTIVES
from experiments.disagreement.trial import pre_training
from experiments.disagreement.worlds import NOISE, WORLDS, Pairs
from mmjax.data import Batch, batch_of

BATCH, WIDTH, RATE = 128, 32, 1e-3
MEASURED = "disagreement"


def measure(repetitions: int) -> Iterator[Comparison]:
    """Yield the comparisons."""
    for name in OBJECTIVES:
        if name != MEASURED:
            yield _against(f"step of {name}", _step(name), repetitions)
    yield from skip_missing("step of disagreement", [_with_torch(repetitions)])


def _with_torch(repetitions: int) -> Iterator[Comparison]:
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    yield _against(f"PyTorch, ours, {torch.get_num_threads()} threads", _torch_step(), repetitions)


def _against(peer: str, theirs: Callable[[], Any], repetitions: int) -> Comparison:
    size = f"{BATCH} pairs of vectors, width {WIDTH}"
    return compare("step of disagreement", size, 1, peer, _step(MEASURED), theirs, repetitions=repetitions)


def _pairs() -> Pairs:
    return WORLDS["vectors"].draw(jax.random.key(0), BATCH)


def _step(name: str) -> Callable[[], Any]:
    """Return a training step on one batch, which starts from the same parameters each time."""
    pairs, optimizer = _pairs(), optax.adam(RATE)
    objective = pre_training(Network(WIDTH), WORLDS["vectors"], OBJECTIVES[name], lambda variables, data: {}, pairs)
    params = objective.init(jax.random.key(1))["params"]
    batch = batch_of({"x1": pairs.x1, "x2": pairs.x2}, pairs.labels["synergy"])

    @jax.jit
    def step(params: Any, memory: Any, batch: Batch, key: jax.Array) -> Any:
        gradients = jax.grad(lambda params: objective.loss(params, {}, (), batch, key)[0])(params)
        updates, memory = optimizer.update(gradients, memory, params)
        return optax.apply_updates(params, updates), memory

    return functools.partial(step, params, optimizer.init(params), batch, jax.random.key(2))


def _torch_step() -> Callable[[], Any]:
    """Return the step on the same network, with InfoNCE of the mean score, which the objective equals."""
    import torch
    from torch.nn import functional

    pairs = _pairs()
    modalities = [torch.from_numpy(np.array(x)) for x in (pairs.x1, pairs.x2)]

    def dense(*sizes: int) -> torch.nn.Sequential:
        layers: list[torch.nn.Module] = []
        for size, width in itertools.pairwise(sizes):
            layers += [torch.nn.Linear(size, width), torch.nn.ReLU()]
        return torch.nn.Sequential(*layers[:-1])

    encoders = torch.nn.ModuleList([dense(x.shape[1], 2 * WIDTH, WIDTH) for x in modalities])
    fusion = dense(2 * WIDTH, 4 * WIDTH, 2 * WIDTH)
    left = torch.nn.ModuleList([dense(WIDTH, WIDTH, WIDTH) for _ in modalities])
    right = torch.nn.ModuleList([dense(2 * WIDTH, WIDTH, WIDTH) for _ in modalities])
    parameters = [p for part in (encoders, fusion, left, right) for p in part.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=RATE)

    def encoded() -> list[Any]:
        return [encode(x + NOISE * torch.randn_like(x)) for encode, x in zip(encoders, modalities, strict=True)]

    def step() -> float:
        optimizer.zero_grad()
        here, there = encoded(), encoded()
        target = torch.relu(fusion(torch.relu(torch.cat(there, 1))))
        scores = [
            functional.normalize(mine(of)) @ functional.normalize(its(target)).T / TEMPERATURE
            for mine, its, of in zip(left, right, here, strict=True)
        ]
        loss = functional.cross_entropy((scores[0] + scores[1]) / 2, torch.arange(BATCH))
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step
