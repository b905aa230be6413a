"""Room training: a training run as pure functions of a key, hyper-parameters and data.

`segment` makes some steps and evaluates: one compiled program that a host loop calls again and again, to show progress,
to checkpoint and to stop. `train` is a scan of segments: a whole run, to be vmapped over keys and hyper-parameters.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from mmjax.competition import Model, Strategy
from mmjax.data import Batch, Splits, epoch_order, num_batches, take
from mmjax.training._metrics import classification_metrics
from mmjax.training._optimizers import adam

Tree = Any
Hparams = Mapping[str, Array]
"""Names to numbers that may differ from run to run of one compiled program."""
Metrics = dict[str, Any]


def _adam_of(hparams: Hparams) -> optax.GradientTransformation:
    return adam(hparams["learning_rate"], weight_decay=hparams.get("weight_decay", 0.0))


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """What all runs of a compiled program have in common."""

    num_segments: int = 20
    """Segments of a run; each ends with an evaluation."""
    steps_per_segment: int = 50
    """Optimiser steps of a segment."""
    batch_size: int = 32
    """Samples of a step."""
    patience: int | None = None
    """Segments without a lower validation loss after which a run stops; None: it never does."""
    optimizer_fn: Callable[[Hparams], optax.GradientTransformation] = _adam_of
    """From hyper-parameters to an optimiser; by default Adam of `learning_rate` and, if given, `weight_decay` (L2)."""
    metrics_fn: Callable[[Array, Array, Array], dict[str, Array]] = classification_metrics
    """From logits, labels and weights to metrics; `loss` among them selects the best segment on validation data."""
    evaluation_batch: int = 1024
    """Samples evaluated at once."""

    def __post_init__(self) -> None:
        """Refuse sizes that do nothing."""
        for name in ("num_segments", "steps_per_segment", "batch_size", "evaluation_batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1, or None; got {self.patience}")


class Best(NamedTuple):
    """The model of the segment with the lowest validation loss so far."""

    loss: Array
    """Its validation loss; inf before the first evaluation."""
    segment: Array
    """Its number, from 0."""
    variables: dict[str, Tree]
    """Its parameters ("params") and running statistics."""


class TrainState(NamedTuple):
    """All that a run needs to go on."""

    key: Array
    """The run's key: with `step` it determines all randomness to come."""
    segment: Array
    """Segments made."""
    params: Tree
    statistics: dict[str, Tree]
    optimizer: Tree
    strategy: Tree
    best: Best


class Train(NamedTuple):
    """A training run, as pure functions that can be jitted and vmapped over keys and hyper-parameters."""

    init: Callable[[Array, Hparams], TrainState]
    """From a key and hyper-parameters to the state before the first step."""
    segment: Callable[[TrainState, Hparams, Splits], tuple[TrainState, Metrics]]
    """`steps_per_segment` steps and an evaluation. The state of a run that has stopped stays as it is."""
    train: Callable[[Array, Hparams, Splits], Metrics]
    """A whole run: the metrics of all segments, (num_segments,) each."""
    config: TrainConfig


def make_train(
    config: TrainConfig,
    model: Model,
    strategy: Strategy | Callable[[Hparams], Strategy],
) -> Train:
    """Make a training run from a model and a strategy.

    Args:
      config: what is static.
      model: pure functions, as `mmjax.models.functional` makes them; also `init(key) -> variables`.
      strategy: how losses and gradients are made; or a function from hyper-parameters to it, for hyper-parameters of
        its own that differ from run to run.

    Returns:
      the run. Metrics are a dict of `train` (`loss`, the mean over the segment's steps, in the strategy's unit),
      `valid` and `test` (what `config.metrics_fn` gives), `segment`, and `running`, False in the segments after the
      run has stopped.
    """

    def strategy_of(hparams: Hparams) -> Strategy:
        return strategy if isinstance(strategy, Strategy) else strategy(hparams)

    def init(key: Array, hparams: Hparams) -> TrainState:
        init_key, run_key = jax.random.split(key)
        variables = dict(model.init(init_key))
        params = variables["params"]
        statistics = {name: tree for name, tree in variables.items() if name != "params"}
        return TrainState(
            key=run_key,
            segment=jnp.int32(0),
            params=params,
            statistics=statistics,
            optimizer=config.optimizer_fn(hparams).init(params),
            strategy=strategy_of(hparams).init(model, params),
            best=Best(jnp.asarray(jnp.inf), jnp.int32(-1), variables),
        )

    def segment(state: TrainState, hparams: Hparams, data: Splits) -> tuple[TrainState, Metrics]:
        running = ~stopped(config, state)
        step = _step(model, strategy_of(hparams), config.optimizer_fn(hparams))
        orders, keys = _orders(config, state, data.train)
        moved, losses = jax.lax.scan(lambda state, x: step(state, data.train, *x), state, (*orders, keys))
        metrics: Metrics = {
            "train": {"loss": jnp.mean(losses)},
            **{name: _evaluate(config, model, moved, getattr(data, name)) for name in ("valid", "test")},
        }
        params, memory = strategy_of(hparams).on_segment(model, moved.params, moved.strategy, metrics)
        moved = moved._replace(params=params, strategy=memory, segment=state.segment + 1)
        moved = moved._replace(best=_better(state.best, moved, metrics["valid"]["loss"], state.segment))
        kept = jax.tree.map(lambda new, old: jnp.where(running, new, old), moved, state)
        return kept, {**metrics, "segment": state.segment, "running": running}

    def train(key: Array, hparams: Hparams, data: Splits) -> Metrics:
        state = init(key, hparams)
        return jax.lax.scan(lambda state, _: segment(state, hparams, data), state, length=config.num_segments)[1]

    return Train(jax.jit(init), jax.jit(segment), jax.jit(train), config)


def stopped(config: TrainConfig, state: TrainState) -> Array:
    """Say whether a run is over: it has made all segments, or `patience` of them without a lower validation loss."""
    over = state.segment >= config.num_segments
    if config.patience is None:
        return over
    return over | (state.segment - jnp.maximum(state.best.segment, 0) > config.patience)


def select(metrics: Metrics) -> Metrics:
    """Pick the metrics of the segment with the lowest validation loss; test data have no say.

    Args:
      metrics: of all segments, (num_segments,) each; map over runs by `vmap`.

    Returns:
      the same, scalars. Segments after the run has stopped, or of NaN loss, are not picked unless all are.
    """
    loss = jnp.where(metrics["running"], metrics["valid"]["loss"], jnp.inf)
    best = jnp.argmin(jnp.where(jnp.isnan(loss), jnp.inf, loss))
    return jax.tree.map(lambda x: x[best], metrics)


def _step(
    model: Model, strategy: Strategy, optimizer: optax.GradientTransformation
) -> Callable[[TrainState, Batch, Array, Array, Array], tuple[TrainState, Array]]:
    def step(state: TrainState, data: Batch, chosen: Array, weight: Array, key: Array) -> tuple[TrainState, Array]:
        batch = take(data, chosen, weight)

        def losses_of(params: Tree) -> tuple[Array, Any]:
            return strategy.loss(model, params, state.statistics, state.strategy, batch, key)

        losses, pull_back, aux = jax.vjp(losses_of, state.params, has_aux=True)
        gradients = _gradients(losses, pull_back)
        gradients, memory = strategy.update(model, gradients, state.strategy, aux)
        updates, optimizer_state = optimizer.update(gradients, state.optimizer, state.params)
        moved = state._replace(
            params=optax.apply_updates(state.params, updates),
            statistics=aux.statistics,
            optimizer=optimizer_state,
            strategy=memory,
        )
        return moved, jnp.sum(losses)

    return step


def _gradients(losses: Array, pull_back: Callable[[Array], tuple[Tree]]) -> Tree:
    """Return the gradient of a scalar, or those of a vector of losses along a new first axis."""
    if losses.ndim == 0:
        return pull_back(jnp.ones_like(losses))[0]
    return jax.vmap(pull_back)(jnp.eye(losses.shape[0], dtype=losses.dtype))[0]


def _orders(config: TrainConfig, state: TrainState, data: Batch) -> tuple[tuple[Array, Array], Array]:
    """Return which samples the segment's steps see, with which weights, and a key for each step."""
    order_key, noise_key = jax.random.split(state.key)
    num_samples = data.weight.shape[0]
    per_epoch = num_batches(num_samples, config.batch_size)
    first = state.segment * config.steps_per_segment
    num_epochs = (config.steps_per_segment + per_epoch - 2) // per_epoch + 1
    epochs = first // per_epoch + jnp.arange(num_epochs)
    keys = jax.vmap(lambda epoch: jax.random.fold_in(order_key, epoch))(epochs)
    orders = jax.vmap(lambda key: epoch_order(key, num_samples, config.batch_size))(keys)

    def of_segment(x: Array) -> Array:
        flat = x.reshape(-1, x.shape[-1])
        return jax.lax.dynamic_slice_in_dim(flat, first % per_epoch, config.steps_per_segment)

    steps = first + jnp.arange(config.steps_per_segment)
    return jax.tree.map(of_segment, orders), jax.vmap(lambda step: jax.random.fold_in(noise_key, step))(steps)


def _evaluate(config: TrainConfig, model: Model, state: TrainState, data: Batch) -> dict[str, Array]:
    return config.metrics_fn(predict(config, model, _variables(state), data), data.label, data.weight)


def predict(config: TrainConfig, model: Model, variables: dict[str, Tree], data: Batch) -> Array:
    """Compute fused logits (n, num_outputs) without noise, `evaluation_batch` samples at a time."""

    def logits_of(sample: tuple[dict[str, Array], dict[str, Array]]) -> Array:
        modalities, masks = jax.tree.map(lambda x: x[None], sample)
        latents, _ = model.encode(variables, modalities, masks)
        return model.fuse(variables, latents, masks)[0]

    return jax.lax.map(logits_of, (data.modalities, data.masks), batch_size=config.evaluation_batch)


def _variables(state: TrainState) -> dict[str, Tree]:
    return {"params": state.params, **state.statistics}


def _better(best: Best, state: TrainState, loss: Array, segment: Array) -> Best:
    lower = loss < best.loss
    new = Best(loss.astype(best.loss.dtype), segment, _variables(state))
    return jax.tree.map(lambda new, old: jnp.where(lower, new, old), new, best)
