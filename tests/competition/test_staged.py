"""Two stages: what each trains and holds, when a model may be selected, and runs that are cut off and go on."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition import ensemble, joint, multi_loss
from mmjax.competition._held import encoders_held
from mmjax.competition._mla import mla
from mmjax.competition._pretrained import finetuned, frozen
from mmjax.competition._staged import staged
from mmjax.training import run, select
from tests.competition.conftest import gradients_of, samples
from tests.competition.stage_checks import (
    PlainModel,
    check_strategy,
    moved,
    own_gradients,
    plain,
    splits,
    started,
    states_of,
    tiny_run,
)

MODEL = PlainModel()
ENCODERS, HEADS = {"encoder:x1", "encoder:x2"}, {"head:x1", "head:x2"}
RATE = {"learning_rate": jnp.float32(0.01)}


TRAIN = tiny_run(frozen(num_segments=2), MODEL, 4)


@pytest.fixture(scope="module")
def frozen_run():
    return states_of(TRAIN, RATE, splits(), 4)


def test_each_stage_moves_its_own_parts_bit_by_bit(frozen_run):
    states, _ = frozen_run
    for number in (0, 1):
        before, after = states[number], states[number + 1]
        assert moved(MODEL, before.params, after.params) == ENCODERS | HEADS
        chex.assert_trees_all_equal(before.params["head"], after.params["head"])  # its slices too
    for number in (2, 3):
        before, after = states[number], states[number + 1]
        assert moved(MODEL, before.params, after.params) == HEADS | {"head"}
        chex.assert_trees_all_equal(before.statistics, after.statistics)
        for name in ("encoders_x1", "encoders_x2"):
            of_adam = [state.optimizer[0] for state in (before, after)]
            assert np.any(of_adam[0].mu[name]["kernel"])
            chex.assert_trees_all_equal(*((memory.mu[name], memory.nu[name]) for memory in of_adam))
    with pytest.raises(AssertionError):
        chex.assert_trees_all_equal(states[0].statistics, states[1].statistics)


def test_no_preparatory_segment_is_selected(frozen_run):
    states, metrics = frozen_run
    assert [bool(one["selectable"]) for one in metrics] == [False, False, True, True]
    all_ = jax.tree.map(lambda *x: jnp.stack(x), *metrics)
    spoilt = all_ | {"valid": {"loss": all_["valid"]["loss"].at[:2].set(-1.0)}}
    assert int(select(spoilt)["segment"]) in (2, 3)
    assert jnp.isinf(states[2].best.loss) and int(states[4].best.segment) in (2, 3)


def test_finetuning_is_the_ensemble_and_then_joint():
    batch, strategy = samples(jax.random.key(5)), finetuned(num_segments=1)
    params, statistics, state = started(strategy, MODEL)
    step = jax.jit(lambda state: gradients_of(strategy, MODEL, params, statistics, state, batch))
    for base, labels in ((ensemble(), ENCODERS | HEADS), (joint(), ENCODERS | HEADS | {"head"})):
        gradients, state, _ = step(state)
        chex.assert_trees_all_close(gradients, own_gradients(base)[0], rtol=1e-5, atol=1e-7)
        rates = strategy.rates(MODEL, params, state)
        assert moved(MODEL, rates, jax.tree.map(jnp.zeros_like, rates)) == labels
        _, state = strategy.on_segment(MODEL, {"params": params}, state, batch, batch)


def test_a_run_goes_on_where_it_was_cut_off(tmp_path):
    whole = run(TRAIN, jax.random.key(3), RATE, splits())

    def stop(number, metrics):
        if number == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(TRAIN, jax.random.key(3), RATE, splits(), checkpoint=tmp_path / "run", progress=stop)
    rest = run(TRAIN, jax.random.key(3), RATE, splits(), checkpoint=tmp_path / "run")
    chex.assert_trees_all_equal(plain(rest.state), plain(whole.state))


def test_held_encoders_encode_as_in_evaluation():
    gradients, model, aux, (params, _, _) = own_gradients(encoders_held(joint()), 3)
    plain_gradients, *_ = own_gradients(joint(), 3)
    chex.assert_trees_all_close(gradients["head"], plain_gradients["head"], rtol=1e-4, atol=1e-7)
    assert not any(np.any(x) for name in gradients if name.startswith("enc") for x in jax.tree.leaves(gradients[name]))
    chex.assert_trees_all_equal(aux.statistics, {"running": model.init(None)["running"]})
    rates = encoders_held(joint()).rates(model, params, ())
    chex.assert_trees_all_equal(rates["encoders_x2"], {"kernel": 0.0})
    assert all(rate == 1 for rate in jax.tree.leaves(rates["head"]))


def vector(strategy, num_losses):
    """The strategy with its loss split into equal ones, whose gradients it adds up."""

    def loss(*arguments):
        value, aux = strategy.loss(*arguments)
        return jnp.full(num_losses, value / num_losses), aux._replace(signals=jax.random.key(0))

    def update(model, gradients, state, aux):
        assert all(x.shape[0] == num_losses for x in jax.tree.leaves(gradients))
        return jax.tree.map(lambda x: x.sum(0), gradients), state

    return strategy._replace(loss=loss, update=update)


@pytest.mark.parametrize(("first", "second"), [(1, 3), (3, 1), (2, 3), (2, 2)])
def test_stages_of_any_number_of_losses(first, second):
    def of(strategy, number):
        return strategy if number == 1 else vector(strategy, number)

    strategy = staged(of(ensemble(), first), of(multi_loss(), second), num_segments=1)
    batch = samples(jax.random.key(5))
    params, statistics, state = started(strategy, MODEL)
    for base in (ensemble(), multi_loss()):
        run_ = jax.jit(lambda state: gradients_of(strategy, MODEL, params, statistics, state, batch))
        gradients, state, _ = run_(state)
        chex.assert_trees_all_close(gradients, own_gradients(base)[0], rtol=1e-5, atol=1e-7)
        _, state = strategy.on_segment(MODEL, {"params": params}, state, batch, batch)


def test_strategies_that_do_not_go_together():
    with pytest.raises(ValueError, match="one number of steps with a batch; got 1 and 2"):
        staged(joint(), mla(width=4), num_segments=1)
    adds = joint()._replace(init=lambda key, model, params: ({**params, "strategy": {"a": jnp.ones(2)}}, ()))
    params, _, _ = started(staged(joint(), adds, num_segments=1), MODEL)
    assert "strategy" in params
    with pytest.raises(ValueError, match="only one of them can"):
        started(staged(adds, adds, num_segments=1), MODEL)


def test_jit_vmap_and_hard_batches():
    check_strategy(lambda n: frozen(num_segments=n), jnp.array([1, 2]), 3, thorough=True)
