"""Room competition: two strategies one after the other, the first to prepare the model for the second."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._strategy import Auxiliary, Model, Samples, Strategy, Tree, Variables


class StagedState(NamedTuple):
    """What two stages remember."""

    segment: Array
    """Segments made."""
    first: Tree
    """The first strategy's state."""
    second: Tree
    """The second strategy's state."""
    reached: Tree
    """Like the parameters, scalars: whether any derivative by it has been other than 0 in the first stage."""


class _Made(NamedTuple):
    """What the loss of one stage has made; zeros of the same shapes in the other stage."""

    losses: Array
    signals: Tree


def staged(first: Strategy, second: Strategy, *, num_segments: ArrayLike) -> Strategy:
    """Train by one strategy for some segments, then by another one.

    No segment of the first stage may be selected, and the predictions are those of the second strategy throughout, as
    the first only prepares. In the first stage a parameter that no derivative of its losses reaches, such as those of
    a fusion head that it does not train, is held by a rate of 0: otherwise weight decay alone would take it to 0, with
    Adam at the full learning rate.

    The optimiser goes on across the stages. What it remembers of a parameter that the first stage has trained, the
    second begins with; what it remembers of the others is as at the start, but Adam's count of steps is not: its
    corrections for a young memory are over, so the first tens of updates of such a parameter are larger than those of
    a fresh Adam, up to some six times with the usual decays of 0.9 and 0.999.

    Args:
      first: the strategy of the first stage.
      second: that of the second one, which begins with the first one's parameters and with a state made at the start
        of the run.
      num_segments: of the first stage, not negative; may be traced. A run needs more.

    Returns:
      the strategy. Its state is a `StagedState`. Only one stage's loss is computed, but under `vmap`, where both are.

    Raises:
      ValueError: if the two make different numbers of steps with a batch; or, from `init`, if both add parameters.
    """
    if first.steps_per_batch != second.steps_per_batch:
        raise ValueError(
            f"both stages must make one number of steps with a batch; got {first.steps_per_batch} and "
            f"{second.steps_per_batch}"
        )

    def preparing(state: StagedState) -> Array:
        return state.segment < jnp.asarray(num_segments)

    def init(key: Array, model: Model, params: Tree) -> tuple[Tree, StagedState]:
        first_key, second_key = jax.random.split(key)
        prepared, of_first = first.init(first_key, model, params)
        both, of_second = second.init(second_key, model, prepared)
        if "strategy" in prepared and both["strategy"] is not prepared["strategy"]:
            raise ValueError("both stages add parameters under 'strategy'; only one of them can")
        reached = jax.tree.map(lambda _: jnp.asarray(False), both)
        return both, StagedState(jnp.int32(0), of_first, of_second, reached)

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: StagedState, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        def of_first() -> tuple[Array, Auxiliary]:
            return first.loss(model, params, statistics, state.first, batch, key)

        def of_second() -> tuple[Array, Auxiliary]:
            return second.loss(model, params, statistics, state.second, batch, key)

        made = [_Made(losses, aux.signals) for losses, aux in jax.eval_shape(lambda: (of_first(), of_second()))]
        none = jax.tree.map(lambda x: _nothing(key, x), made)

        def prepare() -> tuple[Array, Auxiliary]:
            losses, aux = of_first()
            signals = _Made(jax.lax.stop_gradient(losses), aux.signals), none[1]
            return _padded(losses, made), aux._replace(signals=signals)

        def go_on() -> tuple[Array, Auxiliary]:
            losses, aux = of_second()
            signals = none[0], _Made(jax.lax.stop_gradient(losses), aux.signals)
            return _padded(losses, made), aux._replace(signals=signals)

        return jax.lax.cond(preparing(state), prepare, go_on)

    def update(model: Model, gradients: Tree, state: StagedState, aux: Auxiliary) -> tuple[Tree, StagedState]:
        made = aux.signals

        def of(strategy: Strategy, memory: Tree, own: _Made) -> tuple[Tree, Tree]:
            return strategy.update(model, _own(gradients, made, own.losses), memory, aux._replace(signals=own.signals))

        def prepare() -> tuple[Tree, StagedState]:
            updates, memory = of(first, state.first, made[0])
            reached = jax.tree.map(lambda before, g: before | jnp.any(g != 0), state.reached, gradients)
            return updates, state._replace(first=memory, reached=reached)

        def go_on() -> tuple[Tree, StagedState]:
            updates, memory = of(second, state.second, made[1])
            return updates, state._replace(second=memory)

        return jax.lax.cond(preparing(state), prepare, go_on)

    def on_segment(
        model: Model, variables: Variables, state: StagedState, train: Samples, valid: Samples
    ) -> tuple[Tree, StagedState]:
        def prepare() -> tuple[Tree, StagedState]:
            params, memory = first.on_segment(model, variables, state.first, train, valid)
            return params, state._replace(first=memory)

        def go_on() -> tuple[Tree, StagedState]:
            params, memory = second.on_segment(model, variables, state.second, train, valid)
            return params, state._replace(second=memory)

        params, state_ = jax.lax.cond(preparing(state), prepare, go_on)
        return params, state_._replace(segment=state.segment + 1)

    def rates(model: Model, params: Tree, state: StagedState) -> Tree:
        one = jax.tree.map(lambda _: jnp.ones(()), params)
        of_first, of_second = first.rates(model, params, state.first), second.rates(model, params, state.second)

        def rate(reached: Array, before: Array, after: Array) -> Array:
            return jnp.where(preparing(state), jnp.where(reached, before, 0), after)

        return jax.tree.map(
            rate, state.reached, one if of_first is None else of_first, one if of_second is None else of_second
        )

    return Strategy(
        init,
        loss,
        update,
        on_segment,
        rates,
        second.predict,
        lambda state: ~preparing(state) & second.selectable(state.second),
        second.steps_per_batch,
    )


def _nothing(key: Array, like: jax.ShapeDtypeStruct) -> Array:
    """Return zeros; for keys, which have none, a key."""
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(key, like.shape)
    return jnp.zeros(like.shape, like.dtype)


def _padded(losses: Array, made: list[_Made]) -> Array:
    """Bring the losses of one stage to the shape of both: as they are if that is one, else a vector with zeros."""
    shapes = [of_stage.losses.shape for of_stage in made]
    if shapes[0] == shapes[1]:
        return losses
    flat = jnp.atleast_1d(losses)
    return jnp.pad(flat, (0, max(shape[0] if shape else 1 for shape in shapes) - flat.size))


def _own(gradients: Tree, made: tuple[_Made, _Made], losses: Array) -> Tree:
    """Take from the gradients of the losses of both stages, padded, those of one stage's."""
    if made[0].losses.shape == made[1].losses.shape:
        return gradients
    return jax.tree.map(lambda g: g[: losses.shape[0]] if losses.ndim else g[0], gradients)
