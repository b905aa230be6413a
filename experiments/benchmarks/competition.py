"""Experiments, benchmarks: a step of MCR against joint training, and against the algorithm as it was released.

Two modalities of 100 numbers, encoders of layers 512, 512 and 100, five classes, 256 samples, 32 permutations, Adam,
single precision. The peer in PyTorch is a plain formulation of ours of what the released code does: it encodes each
batch twice and evaluates the head six times on all permuted copies. In rows of joint training the ratio is below 1 by
what the regulariser costs.
"""

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from experiments.benchmarks.timing import Comparison, compare, skip_missing
from mmjax import models
from mmjax.competition import Strategy, joint, mcr
from mmjax.data import Batch, Splits, batch_of
from mmjax.models import Model
from mmjax.sweep import map_trials
from mmjax.training import TrainConfig, make_train

NUM_SAMPLES, NUM_DRAWS, DIM, WIDTHS, NUM_CLASSES = 256, 32, 100, (512, 512, 100), 5
SIZE = f"{NUM_SAMPLES} samples, {NUM_DRAWS} permutations"
RATE = 1e-3
SENSITIVITY, UNIMODAL, CONTRASTIVE, TEMPERATURE = 0.1, 0.01, 1.0, 0.5
NUM_SETTINGS = 32

HEADS: dict[str, Callable[[], nn.Module]] = {
    "sum-type": lambda: models.LateLinear(NUM_CLASSES),
    "sum-type with hidden units": lambda: models.SumMLP(NUM_CLASSES, (64, 64)),
    "concatenation": lambda: models.ConcatMLP(NUM_CLASSES, (64,)),
    "FiLM": lambda: models.FiLM(NUM_CLASSES, "a"),
    "gated": lambda: models.GatedFusion(NUM_CLASSES, 64),
}


def measure(repetitions: int) -> Iterator[Comparison]:
    """Yield the comparisons."""
    for head in HEADS:
        yield _with_joint(head, repetitions)
    yield _settings(max(1, repetitions // 3))
    yield from skip_missing("MCR step", [_with_torch(repetitions)])


def _with_joint(head: str, repetitions: int) -> Comparison:
    model, batch = _model(HEADS[head]()), _batch()
    return compare(
        "MCR step",
        SIZE,
        1,
        f"step of joint training, {head} head",
        _step(model, mcr(), batch),
        _step(model, joint(), batch),
        repetitions=repetitions,
    )


def _settings(repetitions: int) -> Comparison:
    """Time whole runs of small models: all settings in one program against one after another."""
    key = jax.random.key(0)
    model = _model(HEADS["sum-type"](), (32, 32))
    config = TrainConfig(num_segments=2, steps_per_segment=50, batch_size=64)

    def strategy(hparams: Any) -> Strategy:
        return mcr(sensitivity_weight=hparams["sensitivity"], unimodal_weight=hparams["unimodal"])

    train = make_train(config, model, strategy)
    data = Splits(*[_batch()] * 3)
    hparams = {
        "learning_rate": np.full(NUM_SETTINGS, RATE),
        "sensitivity": np.geomspace(1e-3, 1, NUM_SETTINGS),
        "unimodal": np.geomspace(1e-3, 1, NUM_SETTINGS),
    }
    keys = jax.random.split(key, NUM_SETTINGS)

    def losses(key: Any, hparams: Any, data: Splits) -> Any:
        return train.train(key, hparams, data)["valid"]["loss"]

    alone = jax.jit(losses)

    def one_by_one() -> Any:
        return [
            alone(keys[i], {name: jnp.float32(x[i]) for name, x in hparams.items()}, data) for i in range(NUM_SETTINGS)
        ]

    return compare(
        "MCR run of 100 steps",
        "64 samples, 32 permutations, width 32",
        NUM_SETTINGS,
        "settings one by one, one compiled program",
        functools.partial(map_trials, losses, keys, hparams, data),
        one_by_one,
        repetitions=repetitions,
        note=f"{NUM_SETTINGS} settings",
    )


def _with_torch(repetitions: int) -> Iterator[Comparison]:
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    yield compare(
        "MCR step",
        SIZE,
        1,
        f"PyTorch, released algorithm, ours, {torch.get_num_threads()} threads",
        _step(_model(HEADS["sum-type"]()), mcr(), _batch()),
        _torch_step(),
        repetitions=repetitions,
    )


def _model(head: nn.Module, widths: tuple[int, ...] = WIDTHS) -> Model:
    encoders = {name: models.MLP(widths) for name in ("a", "b")}
    shapes = {name: jax.ShapeDtypeStruct((1, DIM), jnp.float32) for name in encoders}
    return models.functional(models.Multimodal(encoders, head, NUM_CLASSES), shapes)


def _arrays() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, NUM_SAMPLES, DIM)).astype(np.float32), rng.integers(0, NUM_CLASSES, NUM_SAMPLES)


def _batch() -> Batch:
    x, label = _arrays()
    return batch_of({"a": x[0], "b": x[1]}, label)


def _step(model: Model, strategy: Strategy, batch: Batch) -> Callable[[], Any]:
    """Return a training step on one batch, which starts from the same parameters each time."""
    optimizer = optax.adam(RATE)
    params, state = strategy.init(jax.random.key(1), model, model.init(jax.random.key(0))["params"])
    memory = optimizer.init(params)

    @jax.jit
    def step(params: Any, memory: Any, state: Any, batch: Batch, key: jax.Array) -> Any:
        gradients, aux = jax.grad(lambda p: strategy.loss(model, p, {}, state, batch, key), has_aux=True)(params)
        gradients, state = strategy.update(model, gradients, state, aux)
        updates, memory = optimizer.update(gradients, memory, params)
        return optax.apply_updates(params, updates), memory, state

    return functools.partial(step, params, memory, state, batch, jax.random.key(2))


def _torch_step() -> Callable[[], Any]:
    """Return a step of the released algorithm: four encoder passes, six of the head on permuted copies."""
    import torch
    from torch.nn import functional

    x, label = (torch.from_numpy(array) for array in _arrays())

    def encoder() -> torch.nn.Module:
        layers: list[torch.nn.Module] = []
        for size, width in zip((DIM, *WIDTHS[:-1]), WIDTHS, strict=True):
            layers += [torch.nn.Linear(size, width), torch.nn.ReLU()]
        return torch.nn.Sequential(*layers[:-1])

    encoders = torch.nn.ModuleList([encoder(), encoder()])
    slices = torch.nn.ModuleList([torch.nn.Linear(WIDTHS[-1], NUM_CLASSES, bias=False) for _ in range(2)])
    heads = torch.nn.ModuleList([torch.nn.Linear(WIDTHS[-1], NUM_CLASSES) for _ in range(2)])
    bias = torch.nn.Parameter(torch.zeros(NUM_CLASSES))
    parameters = [*encoders.parameters(), *slices.parameters(), *heads.parameters(), bias]
    optimizer = torch.optim.Adam(parameters, lr=RATE)

    def fused(z: Any, stopped: int | None = None) -> Any:
        parts = [part(latent) for part, latent in zip(slices, z, strict=True)]
        return sum(part.detach() if m == stopped else part for m, part in enumerate(parts)) + bias

    def divergence(logits: Any, other: Any) -> Any:
        p, q = functional.log_softmax(logits, 1), functional.log_softmax(other, 1)
        mean = torch.logaddexp(p, q) - float(np.log(2))
        return ((p.exp() * (p - mean)).sum(1) + (q.exp() * (q - mean)).sum(1)).mean() / 2

    def contrastive(z: Any) -> Any:
        every = torch.cat([functional.normalize(latent) for latent in z])
        similar = every @ every.T / TEMPERATURE
        labels = label.repeat(2)
        same = labels[:, None] == labels[None]
        negatives = torch.logsumexp(similar.masked_fill(same, -torch.inf), 1, keepdim=True)
        losses = torch.logaddexp(similar, negatives.expand_as(similar)) - similar
        return losses[same & ~torch.eye(len(labels), dtype=torch.bool)].mean()

    def permuted_copies() -> tuple[list[Any], list[list[Any]]]:
        again = [encode(one) for encode, one in zip(encoders, x, strict=True)]
        orders = [torch.randperm(NUM_SAMPLES) for _ in range(NUM_DRAWS)]
        repeated = [latent.repeat(NUM_DRAWS, 1) for latent in again]
        shuffled = [torch.cat([latent[order] for order in orders]) for latent in again]
        return repeated, [[shuffled[0], repeated[1]], [repeated[0], shuffled[1]]]

    def step() -> Any:
        optimizer.zero_grad()
        z = [encode(one) for encode, one in zip(encoders, x, strict=True)]
        loss = functional.cross_entropy(fused(z), label)
        loss = loss + UNIMODAL * sum(functional.cross_entropy(u(one), label) for u, one in zip(heads, z, strict=True))
        repeated, perturbed = permuted_copies()
        for m in range(2):
            for stopped in (None, 0, 1):
                moved = divergence(fused(repeated, stopped), fused(perturbed[m], stopped))
                sign = 0.0 if stopped is None else (-1.0 if stopped != m else 1.0)
                loss = loss + SENSITIVITY * sign * moved
        (loss + CONTRASTIVE * contrastive(z)).backward()
        optimizer.step()
        return loss.item()

    return step
