"""Room training: a run as pure functions of a key, hyper-parameters and data.

`segment` makes some steps and evaluates: one compiled program that a host loop calls again and again, to show progress,
to checkpoint and to stop. `train` is a scan of segments: a whole run, to be vmapped over keys and hyper-parameters.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from mmjax.competition import with_rates
from mmjax.data import Batch, Splits, epoch_order, num_batches, take
from mmjax.training._config import Hparams, Metrics, TrainConfig, Tree
from mmjax.training._objective import Objective, Variables


class Best(NamedTuple):
    """The model of the segment with the lowest validation loss so far."""

    loss: Array
    """Its validation loss; inf before the first evaluation."""
    segment: Array
    """Its number, from 0."""
    variables: Variables
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
    memory: Tree
    """What the objective, or the strategy in it, remembers."""
    best: Best
    waited: Array
    """Segments since the best that might have been selected and were not."""


class Train(NamedTuple):
    """A training run, as pure functions that can be jitted and vmapped over keys and hyper-parameters."""

    init: Callable[[Array, Hparams], TrainState]
    """From a key and hyper-parameters to the state before the first step."""
    segment: Callable[[TrainState, Hparams, Splits], tuple[TrainState, Metrics]]
    """`steps_per_segment` steps and an evaluation. The state of a run that has stopped stays as it is."""
    train: Callable[[Array, Hparams, Splits], Metrics]
    """A whole run: the metrics of all segments, (num_segments,) each."""
    config: TrainConfig


def make_fit(config: TrainConfig, objective: Objective | Callable[[Hparams], Objective]) -> Train:
    """Make a training run that minimises an objective.

    Args:
      config: what is static.
      objective: what is minimised; or a function from hyper-parameters to it, for hyper-parameters of its own that
        differ from run to run, such as a temperature.

    Returns:
      the run. Its data are splits whose parts are a `Batch` or any pytree of them, such as a dict: then a step sees a
      batch of each, drawn independently, and an epoch of each is its own. Metrics are a dict of `train` (`loss`, the
      mean over the segment's steps), `valid` and `test` (what the objective's `evaluate` gives), `segment`, and
      `running`, False in the segments after the run has stopped, `selectable`, whether the objective lets the model
      be selected then.

    Raises:
      ValueError: when called, if the objective needs full batches and `drop_last` is False, or a set of samples fills
        no batch.
    """

    def objective_of(hparams: Hparams) -> Objective:
        chosen = objective if isinstance(objective, Objective) else objective(hparams)
        if chosen.full_batches and not config.drop_last:
            raise ValueError("this objective needs full batches; use TrainConfig(drop_last=True)")
        return chosen

    def init(key: Array, hparams: Hparams) -> TrainState:
        init_key, run_key = jax.random.split(key)
        chosen = objective_of(hparams)
        variables = dict(chosen.init(init_key))
        params, memory = chosen.begin(jax.random.fold_in(init_key, 1), variables["params"])
        return TrainState(
            key=run_key,
            segment=jnp.int32(0),
            params=params,
            statistics={name: tree for name, tree in variables.items() if name != "params"},
            optimizer=config.optimizer_fn(hparams).init(params),
            memory=memory,
            best=Best(jnp.asarray(jnp.inf, float), jnp.int32(-1), variables | {"params": params}),
            waited=jnp.int32(0),
        )

    def segment(state: TrainState, hparams: Hparams, data: Splits) -> tuple[TrainState, Metrics]:
        running = ~stopped(config, state)
        minimised = objective_of(hparams)
        step = _step(minimised, with_rates(config.optimizer_fn(hparams)))
        steps = _batches(config, state, data.train, minimised.steps_per_batch)
        moved, losses = jax.lax.scan(lambda state, x: step(state, data.train, *x), state, steps)
        metrics: Metrics = {
            "train": {"loss": jnp.mean(losses)},
            **{name: minimised.evaluate(_variables(moved), getattr(data, name)) for name in ("valid", "test")},
        }
        selectable = minimised.selectable(moved.memory)
        better = selectable & (metrics["valid"]["loss"] < state.best.loss)
        best = _best(state.best, moved, metrics["valid"]["loss"], better)  # what was evaluated
        waited = jnp.where(better, 0, state.waited + selectable.astype(jnp.int32))
        params, memory = minimised.on_segment(_variables(moved), moved.memory, data.train, data.valid)
        moved = moved._replace(params=params, memory=memory, best=best, waited=waited, segment=state.segment + 1)
        kept = jax.tree.map(lambda new, old: jnp.where(running, new, old), moved, state)
        return kept, {**metrics, "segment": state.segment, "running": running, "selectable": selectable}

    def train(key: Array, hparams: Hparams, data: Splits) -> Metrics:
        state = init(key, hparams)
        return jax.lax.scan(lambda state, _: segment(state, hparams, data), state, length=config.num_segments)[1]

    return Train(jax.jit(init), jax.jit(segment), jax.jit(train), config)


def best_of(train: Train, key: Array, hparams: Hparams, data: Splits) -> Best:
    """Make a whole run and return the model that its validation data chose; pure, as `train.train` is.

    It ends when the run has stopped: patience saves time here; mapped over runs, once all of them have.

    Args:
      train: what `make_fit` or `make_train` made.
      key: PRNG key of the run.
      hparams: names to numbers, which may be traced.
      data: train, valid and test parts.

    Returns:
      the model; its numbers are NaN where no segment had a finite validation loss.
    """
    start = train.init(key, hparams)
    if train.config.patience is None:
        state, _ = jax.lax.scan(
            lambda state, _: (train.segment(state, hparams, data)[0], None), start, length=train.config.num_segments
        )
    else:
        state = jax.lax.while_loop(
            lambda state: ~stopped(train.config, state), lambda state: train.segment(state, hparams, data)[0], start
        )
    found = jnp.isfinite(state.best.loss)

    def or_nan(x: Array) -> Array:
        return jnp.where(found, x, jnp.nan) if jnp.issubdtype(x.dtype, jnp.floating) else x

    return state.best._replace(variables=jax.tree.map(or_nan, state.best.variables))


def stopped(config: TrainConfig, state: TrainState) -> Array:
    """Say whether a run is over: it has made all segments, or `patience` of them without a lower validation loss."""
    over = state.segment >= config.num_segments
    if config.patience is None:
        return over
    return over | (state.waited >= config.patience)


def select(metrics: Metrics) -> Metrics:
    """Pick the metrics of the segment with the lowest validation loss; test data have no say.

    Args:
      metrics: of all segments, (num_segments,) each; map over runs by `vmap`.

    Returns:
      the same, scalars. Segments after the run has stopped, preparatory ones, or of NaN loss, are not picked unless
      all are.
    """
    loss = jnp.where(metrics["running"] & metrics["selectable"], metrics["valid"]["loss"], jnp.inf)
    best = jnp.argmin(jnp.where(jnp.isnan(loss), jnp.inf, loss))
    return jax.tree.map(lambda x: x[best], metrics)


class _Places(NamedTuple):
    """Which samples of a set are in each batch, with which weights."""

    indices: Array
    weight: Array


def _step(
    objective: Objective, optimizer: optax.GradientTransformationExtraArgs
) -> Callable[[TrainState, Any, Any, Array], tuple[TrainState, Array]]:
    def step(state: TrainState, data: Any, places: Any, key: Array) -> tuple[TrainState, Array]:
        batch = jax.tree.map(lambda of_set, set_: take(set_, *of_set), places, data, is_leaf=_is_places)

        def losses_of(params: Tree) -> tuple[Array, Any]:
            return objective.loss(params, state.statistics, state.memory, batch, key)

        losses, pull_back, aux = jax.vjp(losses_of, state.params, has_aux=True)
        gradients, memory = objective.update(_gradients(losses, pull_back), state.memory, aux)
        rates = objective.rates(state.params, memory)
        updates, optimizer_state = optimizer.update(gradients, state.optimizer, state.params, rates=rates)
        moved = state._replace(
            params=optax.apply_updates(state.params, updates),
            statistics=aux.statistics,
            optimizer=optimizer_state,
            memory=memory,
        )
        return moved, jnp.sum(losses)

    return step


def _gradients(losses: Array, pull_back: Callable[[Array], tuple[Tree]]) -> Tree:
    """Return the gradient of a scalar, or those of a vector of losses along a new first axis."""
    if losses.ndim == 0:
        return pull_back(jnp.ones_like(losses))[0]
    return jax.vmap(pull_back)(jnp.eye(losses.shape[0], dtype=losses.dtype))[0]


def _batches(config: TrainConfig, state: TrainState, data: Any, steps_per_batch: int) -> tuple[Any, Array]:
    """Return the places of each step's batch in each set of samples, and a key for each step."""
    order_key, noise_key = jax.random.split(state.key)
    sets, structure = jax.tree.flatten(data, is_leaf=lambda x: isinstance(x, Batch))
    keys = [order_key] if len(sets) == 1 else list(jax.random.split(order_key, len(sets)))
    first = state.segment * config.steps_per_segment
    places = [_places(config, first, key, set_.weight.shape[0]) for key, set_ in zip(keys, sets, strict=True)]
    places = jax.tree.map(lambda x: jnp.repeat(x, steps_per_batch, axis=0), places)
    steps = first * steps_per_batch + jnp.arange(config.steps_per_segment * steps_per_batch)
    noise_keys = jax.vmap(lambda step: jax.random.fold_in(noise_key, step))(steps)
    return jax.tree.unflatten(structure, places), noise_keys


def _places(config: TrainConfig, first: Array, order_key: Array, num_samples: int) -> _Places:
    """Return the places of the batches of the steps from `first` on."""
    per_epoch = num_batches(num_samples, config.batch_size, drop_last=config.drop_last)
    num_epochs = (config.steps_per_segment + per_epoch - 2) // per_epoch + 1
    epochs = first // per_epoch + jnp.arange(num_epochs)
    keys = jax.vmap(lambda epoch: jax.random.fold_in(order_key, epoch))(epochs)
    orders = jax.vmap(lambda key: epoch_order(key, num_samples, config.batch_size, drop_last=config.drop_last))(keys)

    def of_segment(x: Array) -> Array:
        flat = x.reshape(-1, x.shape[-1])
        return jax.lax.dynamic_slice_in_dim(flat, first % per_epoch, config.steps_per_segment)

    return _Places(*jax.tree.map(of_segment, orders))


def _is_places(x: Any) -> bool:
    return isinstance(x, _Places)


def _variables(state: TrainState) -> Variables:
    return {"params": state.params, **state.statistics}


def _best(best: Best, state: TrainState, loss: Array, better: Array) -> Best:
    new = Best(loss.astype(best.loss.dtype), state.segment, _variables(state))
    return jax.tree.map(lambda new, old: jnp.where(better, new, old), new, best)
