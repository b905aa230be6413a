"""What strategies may ask of a run: rates, steps of one batch, data between segments, parameters of their own."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np

from mmjax.competition import joint
from mmjax.training import TrainConfig, best_of, make_train, predict, run, select
from tests.training.conftest import few_metrics

CONFIG = TrainConfig(num_segments=4, steps_per_segment=5, batch_size=16, metrics_fn=few_metrics)
RATE = {"learning_rate": jnp.float32(0.05), "weight_decay": jnp.float32(0.1)}
KEY = jax.random.key(3)


def counting(**others):
    """Joint training that counts its steps."""

    def loss(model, params, statistics, state, batch, key):
        value, aux = joint().loss(model, params, statistics, state, batch, key)
        return value, aux._replace(signals=(batch.label, jax.random.key_data(key)))

    return joint()._replace(
        init=lambda key, model, params: (params, jnp.int32(0)),
        loss=loss,
        update=lambda model, gradients, state, aux: (gradients, state + 1),
        **others,
    )


def test_rates_of_zero_hold_a_part_against_weight_decay(linear_model, data):
    strategy = joint()._replace(rates=lambda model, params, state: {"a": jnp.zeros(()), "b": jnp.ones(())})
    train = make_train(CONFIG, linear_model, strategy)
    state = train.init(KEY, RATE)
    moved, _ = train.segment(state, RATE, data)
    chex.assert_trees_all_equal(moved.params["a"], state.params["a"])
    assert jnp.all(moved.params["b"] != state.params["b"])


def test_each_batch_is_shown_as_often_as_a_strategy_asks(linear_model, data):
    seen = []

    def update(model, gradients, state, aux):
        jax.debug.callback(lambda *x: seen.append(x), *aux.signals, ordered=True)
        return gradients, state + 1

    strategy = counting(steps_per_batch=3)._replace(update=update)
    train = make_train(CONFIG, linear_model, strategy)
    state, _ = train.segment(train.init(KEY, RATE), RATE, data)
    jax.effects_barrier()
    assert state.memory == 15 == len(seen)
    labels = np.array([x[0] for x in seen]).reshape(5, 3, -1)
    assert (labels == labels[:, :1]).all() and (labels[0] != labels[1]).any()
    assert len({tuple(x[1].tolist()) for x in seen}) == 15  # noise of its own for each step


def test_a_step_a_batch_is_what_it_was(linear_model, data):
    plain, asked = (make_train(CONFIG, linear_model, strategy) for strategy in (joint(), counting(steps_per_batch=1)))
    chex.assert_trees_all_equal(plain.train(KEY, RATE, data), asked.train(KEY, RATE, data))


def test_between_segments_a_strategy_sees_training_and_validation_data_only(linear_model, data):
    sizes = []

    def on_segment(model, variables, state, train, valid):
        sizes.append((train.label.shape, valid.label.shape))
        return jax.tree.map(lambda x: 0 * x, variables["params"]), state

    train = make_train(CONFIG, linear_model, joint()._replace(on_segment=on_segment))
    state, metrics = train.segment(train.init(KEY, RATE), RATE, data)
    assert sizes == [((70,), (40,))]
    assert jnp.all(state.params["a"] == 0) and metrics["valid"]["accuracy"] > 0.6  # measured before
    assert jnp.all(state.best.variables["params"]["a"] != 0)


def test_preparatory_segments_are_not_selected_and_do_not_spend_patience(linear_model, data):
    strategy = counting(selectable=lambda state: state > 15)
    config = dataclasses.replace(CONFIG, num_segments=6, patience=1)
    train = make_train(config, linear_model, strategy)
    finished = run(train, KEY, RATE, data)
    assert finished.metrics["selectable"].tolist()[:3] == [False] * 3 and finished.metrics["selectable"][3:].all()
    assert len(finished.metrics["segment"]) > 4 and finished.state.best.segment >= 3
    assert select(finished.metrics)["segment"] == finished.state.best.segment


def test_segments_that_may_not_be_selected_later_do_not_spend_patience_either(linear_model, data):
    """A rate of 0 from the sixth step on: no loss is lower after the second segment."""
    frozen = {"a": jnp.zeros(()), "b": jnp.zeros(())}
    strategy = counting(
        selectable=lambda state: state // 5 % 2 == 0,
        rates=lambda model, params, state: jax.tree.map(lambda x: jnp.where(state > 10, x, 1.0), frozen),
    )
    train = make_train(dataclasses.replace(CONFIG, num_segments=12, patience=2), linear_model, strategy)
    finished = run(train, KEY, RATE, data)
    assert finished.metrics["selectable"].tolist() == [False, True, False, True, False, True]
    assert int(finished.state.best.segment) == 1 and int(finished.state.waited) == 2


def test_parameters_of_a_strategy_are_trained_beside_the_models(linear_model, data):
    """A shift of the logits, with its own entry among the parameters."""

    def loss(model, params, statistics, state, batch, key):
        own = {name: value for name, value in params.items() if name != "strategy"}
        value, aux = joint().loss(model, own, statistics, state, batch, key)
        return value + jnp.sum((params["strategy"] - 3) ** 2), aux

    strategy = joint()._replace(
        init=lambda key, model, params: ({**params, "strategy": jnp.zeros(2)}, ()),
        loss=loss,
        update=lambda model, gradients, state, aux: (gradients, state),
    )
    best = best_of(make_train(CONFIG, linear_model, strategy), KEY, {"learning_rate": jnp.float32(0.5)}, data)
    assert jnp.all(jnp.abs(best.variables["params"]["strategy"] - 3) < 2)


def test_evaluation_and_prediction_are_the_strategys(linear_model, data):
    def of_one(model, variables, latents, masks):
        return model.unimodal(variables, latents)["a"]

    strategy = joint()._replace(predict=of_one)
    train = make_train(CONFIG, linear_model, strategy)
    state, metrics = train.segment(train.init(KEY, RATE), RATE, data)
    logits = data.test.modalities["a"] @ state.params["a"]
    variables = {"params": state.params, **state.statistics}
    chex.assert_trees_all_close(predict(CONFIG, linear_model, variables, data.test, strategy), logits, rtol=1e-5)
    chex.assert_trees_all_close(metrics["test"], few_metrics(logits, data.test.label, data.test.weight), rtol=1e-5)
