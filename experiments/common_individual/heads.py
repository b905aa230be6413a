"""Experiments, common and individual: heads on frozen features, trained for correlation and against it.

Each view has a common head C_k and an individual head I_k, linear or with hidden units. Common heads maximise their
correlation. Individual heads maximise the share of the features that they explain beyond the common ones, and minimise
their correlation with all common representations, which their losses never move, and with each other (ours).
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from experiments.common_individual.leakage import Penalty
from mmjax import correlation, models
from mmjax.data import Batch, Splits, batch_of
from mmjax.models import Network
from mmjax.training import NewStatistics, Objective, TrainConfig, adamw, best_of, make_fit

Tree = Any


@dataclass(frozen=True)
class Heads:
    """What is trained and how."""

    num_common: int
    num_individual: int
    hidden: tuple[int, ...] = ()
    """Widths of hidden layers; none: linear heads."""
    residual: bool = True
    """Whether individual heads explain what common ones leave of the features; otherwise the features themselves."""
    decorrelation: float = 1.0
    """Weight of what individual heads must not correlate with."""
    penalty: Penalty | None = None
    """Of what individual representations tell about common ones beyond what is linear."""
    stages: bool = False
    """Whether common heads are trained first and individual ones after them; otherwise both at once."""
    ridge: float = 1e-3
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    num_steps: int = 600
    batch_size: int = 512


Representations = Callable[[Sequence[Array]], tuple[list[Array], list[Array]]]
"""From features of all views to common and individual representations."""


@functools.partial(jax.jit, static_argnames="heads")
def train(key: Array, heads: Heads, features: tuple[Array, ...]) -> Tree:
    """Train heads on features (n, p_k) of all views; returns their parameters."""
    start_key, key = jax.random.split(key)
    sizes = tuple(z.shape[1] for z in features)
    of_common, of_individual = _networks(heads, sizes)
    views = {f"z{k}": z for k, z in enumerate(features)}
    start = untrained(start_key, heads, sizes)
    if heads.penalty is not None:
        penalty_key = jax.random.fold_in(key, 0)
        start["penalty"] = heads.penalty.init(penalty_key, len(sizes), heads.num_individual, heads.num_common)

    def common_loss(params: Tree, batch: Batch, key: Array) -> Array:
        return -_common_objective(heads, _apply(of_common, params["common"], _of(batch, "z")))

    def individual_loss(params: Tree, batch: Batch, key: Array) -> Array:
        z = _of(batch, "z")
        common = _of(batch, "c") or _apply(of_common, params["common"], z)
        individual = _apply(of_individual, params["individual"], z)
        return _individual_objective(heads, params, key, individual, jax.lax.stop_gradient(common), z)

    def both(params: Tree, batch: Batch, key: Array) -> Array:
        return common_loss(params, batch, key) + individual_loss(params, batch, key)

    if not heads.stages:
        return _fit(key, heads, both, start, views)
    common = _fit(key, heads, common_loss, {"common": start.pop("common")}, views)
    fixed = {f"c{k}": c for k, c in enumerate(_apply(of_common, common["common"], features))}
    return common | _fit(jax.random.fold_in(key, 1), heads, individual_loss, start, views | fixed)


def untrained(key: Array, heads: Heads, sizes: Sequence[int]) -> Tree:
    """Return parameters as they are before training."""
    keys, networks = jax.random.split(key), _networks(heads, tuple(sizes))
    return {"common": _init(keys[0], networks[0]), "individual": _init(keys[1], networks[1])}


def representations(heads: Heads, params: Tree, sizes: Sequence[int]) -> Representations:
    """Return what trained heads make of features of these widths; differentiable."""
    of_common, of_individual = _networks(heads, tuple(sizes))
    return lambda z: (_apply(of_common, params["common"], z), _apply(of_individual, params["individual"], z))


def _common_objective(heads: Heads, common: Sequence[Array]) -> Array:
    if len(common) == 2:
        return correlation.trace_norm(*common, ridge=heads.ridge) / heads.num_common
    return correlation.maxvar(common, heads.num_common, ridge=heads.ridge) / heads.num_common


def _individual_objective(
    heads: Heads, params: Tree, key: Array, individual: list[Array], common: list[Array], features: list[Array]
) -> Array:
    value = jnp.zeros(())
    for k, own in enumerate(individual):
        known = common[k] if heads.residual else jnp.zeros_like(common[k])
        value -= correlation.explained_residual(own, known, features[k], ridge=heads.ridge)
        with_common = [correlation.mean_squared_correlation(own, c, ridge=heads.ridge) for c in common]
        others = individual[:k] + individual[k + 1 :]
        with_others = [correlation.mean_squared_correlation(own, other, ridge=heads.ridge) for other in others]
        value += heads.decorrelation * (sum(with_common) + sum(with_others) / 2)
    if heads.penalty is not None:
        value += heads.penalty.loss(params["penalty"], key, individual, common)
    return value


def _fit(
    key: Array, heads: Heads, loss: Callable[[Tree, Batch, Array], Array], start: Tree, arrays: dict[str, Array]
) -> Tree:
    """Minimise a loss for all steps; the last parameters."""
    num_samples = next(iter(arrays.values())).shape[0]
    batch_size = min(heads.batch_size, num_samples)
    config = TrainConfig(
        num_segments=1,
        steps_per_segment=heads.num_steps,
        batch_size=batch_size,
        drop_last=True,
        optimizer_fn=_optimizer(heads),
    )
    objective = Objective(
        init=lambda key: {"params": start},
        loss=lambda params, statistics, memory, batch, key: (loss(params, batch, key), NewStatistics(statistics)),
        evaluate=lambda variables, data: {"loss": jnp.zeros(())},  # one segment: the last model is kept
        full_batches=True,
    )
    data = batch_of(arrays, jnp.zeros(num_samples, jnp.int32))
    return best_of(make_fit(config, objective), key, {}, Splits(data, data, data)).variables["params"]


def _optimizer(heads: Heads) -> Callable[[Any], optax.GradientTransformation]:
    decay = optax.cosine_decay_schedule(1.0, heads.num_steps)
    return lambda hparams: adamw(heads.learning_rate, weight_decay=heads.weight_decay, schedule=decay)


def _networks(heads: Heads, sizes: tuple[int, ...]) -> tuple[list[Network], list[Network]]:
    """Return common and individual heads of all views as pure functions."""

    def of_width(width: int) -> list[Network]:
        module = models.MLP((*heads.hidden, width), activation=jax.nn.gelu)
        return [models.network(module, jax.ShapeDtypeStruct((1, size), jnp.float32)) for size in sizes]

    return of_width(heads.num_common), of_width(heads.num_individual)


def _init(key: Array, networks: Sequence[Network]) -> list[Tree]:
    return [net.init(k) for net, k in zip(networks, jax.random.split(key, len(networks)), strict=True)]


def _apply(networks: Sequence[Network], params: Sequence[Tree], inputs: Sequence[Array]) -> list[Array]:
    return [net.apply(of, x) for net, of, x in zip(networks, params, inputs, strict=True)]


def _of(batch: Batch, prefix: str) -> list[Array]:
    return [x for name, x in sorted(batch.modalities.items()) if name.startswith(prefix)]
