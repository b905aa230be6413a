"""Rates of parts: a rate of 0 holds a parameter and the optimiser's memory of it, whatever the optimiser."""

import chex
import jax
import jax.numpy as jnp
import optax
import pytest

from mmjax.competition import with_rates
from mmjax.competition._rates import rates_by_label, scale_by_label
from tests.competition.conftest import model_of

PARAMS = {"a": jnp.array([1.0, 2.0]), "b": jnp.array(3.0)}
GRADIENTS = {"a": jnp.array([0.5, -1.0]), "b": jnp.array(2.0)}
OPTIMIZERS = [
    optax.adamw(0.1, weight_decay=0.1),
    optax.sgd(0.1, momentum=0.9),
    optax.chain(optax.add_decayed_weights(0.1), optax.scale_by_adam(), optax.scale(-0.1)),
    optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(0.1, 10))),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_rate_of_zero_holds_parameter_and_memory(optimizer):
    rated = with_rates(optimizer)
    state = rated.init(PARAMS)
    updates, state = rated.update(GRADIENTS, state, PARAMS)
    plain_updates, plain = optimizer.update(GRADIENTS, optimizer.init(PARAMS), PARAMS)
    chex.assert_trees_all_equal((updates, state), (plain_updates, plain))

    rates = {"a": jnp.zeros(()), "b": jnp.full((), 0.5)}
    held, after = jax.jit(rated.update)(GRADIENTS, state, PARAMS, rates=rates)
    moved, moved_after = optimizer.update(GRADIENTS, state, PARAMS)
    assert jnp.all(held["a"] == 0) and jnp.all(moved["a"] != 0)
    chex.assert_trees_all_close(held["b"], 0.5 * moved["b"])

    def memory_of(name, tree):
        return [leaf for path, leaf in jax.tree.leaves_with_path(tree) if f"'{name}'" in jax.tree_util.keystr(path)]

    assert memory_of("a", after)
    chex.assert_trees_all_equal(memory_of("a", after), memory_of("a", state))
    chex.assert_trees_all_close(memory_of("b", after), memory_of("b", moved_after))


def test_a_rate_of_zero_holds_against_nan():
    rated = with_rates(optax.adam(0.1))
    wrong = {"a": jnp.full(2, jnp.nan), "b": jnp.array(1.0)}
    rates = {"a": jnp.zeros(()), "b": jnp.ones(())}
    updates, state = rated.update(wrong, rated.init(PARAMS), PARAMS, rates=rates)
    chex.assert_tree_all_finite((updates, state))


def test_labels_choose_the_part():
    model = model_of(3)
    params = model.init(jax.random.key(0))["params"]
    rates = rates_by_label(model, params, {"encoder:x2": jnp.zeros(())})
    scaled = scale_by_label(model, params, {"encoder:x2": jnp.zeros(()), "head:x1": jnp.full((), 2.0)})
    for label, rate, before, after in zip(
        *map(jax.tree.leaves, (model.labels(params), rates, params, scaled)), strict=True
    ):
        assert rate == (0 if label == "encoder:x2" else 1)
        chex.assert_trees_all_close(after, {"encoder:x2": 0, "head:x1": 2}.get(label, 1) * before)
