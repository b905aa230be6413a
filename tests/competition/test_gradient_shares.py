import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition._gradient_shares import gradient_shares, with_gradient_shares
from mmjax.competition._joint import joint
from mmjax.competition._strategy import Auxiliary, Strategy
from mmjax.competition._task import classification
from mmjax.data import Splits
from mmjax.models import LateLinear, Multimodal, functional
from mmjax.training import TrainConfig, make_train, run
from tests.competition.conftest import gradients_of, make_step, model_of, samples, started


def plain(model, gradients):
    norms = [
        np.sqrt(sum(np.sum(np.square(g)) for g in jax.tree.leaves(gradients[f"encoders_{name}"])))
        for name in model.modalities
    ]
    return dict(zip(model.modalities, np.array(norms) / sum(norms), strict=True))


def test_norms_of_encoders_over_their_sum():
    model, batch = model_of(3), samples(jax.random.key(0), num_modalities=3)
    params, statistics, state = started(joint(), model)
    gradients, *_ = gradients_of(joint(), model, params, statistics, state, batch)
    shares = jax.jit(lambda g: gradient_shares(model, g))(gradients)
    assert shares == pytest.approx(plain(model, gradients), rel=1e-5)
    assert float(sum(shares.values())) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("factor", "expected"), [(0.0, 0.0), (1e30, 0.5), (1e-30, 0.5)])
def test_no_gradient_and_gradients_whose_squares_have_no_float(factor, expected):
    model = model_of()
    params, *_ = started(joint(), model)
    shares = gradient_shares(model, jax.tree.map(lambda x: jnp.full_like(x, factor), params))
    assert shares == pytest.approx({"x1": expected, "x2": expected})


class Identity(LateLinear):
    """An encoder without parameters."""

    def setup(self):
        pass

    def __call__(self, x, mask=None, *, train=False):
        return x


def test_an_encoder_without_parameters_has_no_share():
    module = Multimodal({"x1": Identity(3), "x2": Identity(3)}, LateLinear(3), 3)
    model = functional(module, {name: jnp.zeros((1, 3)) for name in ("x1", "x2")})
    assert gradient_shares(model, model.init(jax.random.key(0))["params"]) == {"x1": 0, "x2": 0}


def lopsided():
    """A strategy with a state, a vector of losses and an update of its own: nothing for the second encoder."""

    def loss(model, params, statistics, state, batch, key):
        value, aux = joint().loss(model, params, statistics, state, batch, key)
        return jnp.stack([value, state]), Auxiliary(aux.logits, aux.statistics)

    def update(model, gradients, state, aux):
        labels = model.labels(gradients)
        chosen = jax.tree.map(lambda g, label: g[0] * (label != "encoder:x2"), gradients, labels)
        return chosen, state + 1

    return Strategy(
        lambda key, model, params: (params, jnp.float32(0)),
        loss,
        update,
        on_segment=lambda model, variables, state, train, valid: (variables["params"], state + 100),
        rates=lambda model, params, state: jax.tree.map(lambda _: state, params),
        selectable=lambda state: state > 100,
        steps_per_batch=2,
    )


def test_a_recorded_strategy_trains_as_it_did():
    model, batch = model_of(), samples(jax.random.key(0))
    ends = []
    for strategy in (lopsided(), with_gradient_shares(lopsided(), 2)):
        params, statistics, state = started(strategy, model)
        step, optimizer = make_step(strategy, model)
        memory = optimizer.init(params)
        for key in jax.random.split(jax.random.key(5), 2):
            params, statistics, state, memory = step(params, statistics, state, memory, batch, key)
        selectable = [strategy.selectable(state)]
        params, state = strategy.on_segment(model, {"params": params}, state, batch, batch)
        selectable.append(strategy.selectable(state))
        ends.append((params, state if len(ends) == 0 else state.strategy, selectable, strategy.steps_per_batch))
    jax.tree.map(lambda *x: np.testing.assert_allclose(*x, rtol=1e-5), *ends)
    assert float(ends[0][1]) == 102
    np.testing.assert_array_equal(state.history["x1"], [1, np.nan])
    np.testing.assert_array_equal(state.history["x2"], [0, np.nan])


def test_means_over_the_steps_of_each_segment_are_recorded():
    model, batch = model_of(), samples(jax.random.key(0))
    strategy = with_gradient_shares(joint(), 3)
    params, statistics, state = started(strategy, model)
    step, optimizer = make_step(strategy, model)
    memory, expected = optimizer.init(params), []
    for segment in range(2):
        shares = []
        for key in jax.random.split(jax.random.key(segment), 2 + segment):
            gradients, *_ = gradients_of(joint(), model, params, statistics, (), batch, key)
            shares.append(plain(model, gradients)["x1"])
            params, statistics, state, memory = step(params, statistics, state, memory, batch, key)
        params, state = strategy.on_segment(model, {"params": params}, state, batch, batch)
        expected.append(np.mean(shares))
    np.testing.assert_allclose(state.history["x1"], [*expected, np.nan], rtol=1e-5)
    np.testing.assert_allclose(state.history["x2"], [*(1 - np.array(expected)), np.nan], rtol=1e-5)


def test_a_run_leaves_its_record():
    model, batch = model_of(), samples(jax.random.key(0), 16)
    config = TrainConfig(
        num_segments=2,
        steps_per_segment=2,
        batch_size=8,
        metrics_fn=lambda logits, label, weight: {"loss": jnp.mean(classification.losses(logits, label))},
    )
    made = make_train(config, model, with_gradient_shares(joint(), 2))
    done = run(made, jax.random.key(0), {"learning_rate": 1e-2}, Splits(batch, batch, batch))
    history = done.state.memory.history
    np.testing.assert_allclose(history["x1"] + history["x2"], 1, atol=1e-6)
