"""Boosting: the loss of one modality against the others, whose turn it is, and what is held."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition import classification, regression
from mmjax.competition._reconboost import boosting_losses, memory_losses, reconboost
from tests.competition.conftest import gradients_of, samples
from tests.competition.stage_checks import PlainModel, check_strategy, moved, splits, started, states_of, tiny_run

MODEL, BATCH = PlainModel(3), samples(jax.random.key(5), num_modalities=3)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def test_losses_of_the_public_code():
    rng = np.random.default_rng(1)
    own, others, label = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), np.array([0, 2, 1, 1])
    target = np.eye(3)[label]
    log_p = np.log(softmax(own))
    expected = -5 * (target * log_p).mean(-1) + 2 * (target * softmax(others) * log_p).mean(-1)
    ours = boosting_losses(jnp.asarray(own), jnp.asarray(others), jnp.asarray(label), 5.0, 2.0)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)
    memory = memory_losses(jnp.asarray(own), jnp.asarray(others))
    np.testing.assert_allclose(memory, ((softmax(own) - softmax(others)) ** 2).mean(-1), rtol=1e-5)
    by_own, by_others = jax.grad(lambda x, y: memory_losses(x, y).sum(), (0, 1))(jnp.asarray(own), jnp.asarray(others))
    assert np.any(by_own) and not np.any(by_others)


def turns(strategy, num_segments):
    params, _, state = started(strategy, MODEL)
    found = []
    for _ in range(num_segments):
        rates = strategy.rates(MODEL, params, state)
        pairs = zip(jax.tree.leaves(MODEL.labels(params)), jax.tree.leaves(rates), strict=True)
        labels = {label for label, rate in pairs if rate}
        names = {label.partition(":")[2] for label in labels}
        assert labels == {f"{part}:{name}" for part in ("encoder", "head") for name in names}
        found.append("".join(sorted(name[1] for name in names)))
        _, state = strategy.on_segment(MODEL, {"params": params}, state, BATCH, BATCH)
    return found


def test_turns():
    assert turns(reconboost(), 7) == ["1", "123", "2", "123", "3", "123", "1"]
    assert turns(reconboost(num_alone=2, num_joint=0), 6) == ["1", "1", "2", "2", "3", "3"]


@jax.jit
def value_and_gradients(memory_weight, segment, batch):
    strategy = reconboost(memory_weight=memory_weight)
    params, statistics, _ = started(strategy, MODEL)
    loss = strategy.loss(MODEL, params, statistics, segment, batch, jax.random.key(1))[0]
    return loss, *gradients_of(strategy, MODEL, params, statistics, segment, batch)


def test_the_loss_of_each_turn():
    variables = MODEL.init(None)
    masks = BATCH.masks | {"x1": jnp.arange(8) > 2, "x2": jnp.arange(8) < 5}
    latents, _ = MODEL.encode(variables, BATCH.modalities, masks)
    logits = {name: np.where(masks[name][:, None], u, 0) for name, u in MODEL.unimodal(variables, latents).items()}
    batch = BATCH._replace(masks=masks)
    alone = boosting_losses(jnp.asarray(logits["x2"]), jnp.asarray(logits["x1"] + logits["x3"]), BATCH.label, 5.0, 1.0)[
        :5
    ].mean()
    memory = np.mean(memory_losses(jnp.asarray(logits["x2"]), jnp.asarray(logits["x1"]))[3:5])
    loss, gradients, _, aux = value_and_gradients(3.0, 2, batch)
    np.testing.assert_allclose(loss, alone + 3 * memory, rtol=1e-5)
    assert not np.any(gradients["encoders_x1"]["kernel"]) and np.any(gradients["encoders_x2"]["kernel"])
    changed = {name for name, mean in aux.statistics["running"].items() if np.any(mean)}
    assert changed == {"encoders_x2"}
    loss, _, _, aux = value_and_gradients(0.5, 3, batch)
    expected = classification.losses(jnp.asarray(sum(logits.values())), BATCH.label).mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert all(np.any(mean) for mean in aux.statistics["running"].values())
    first = [value_and_gradients(w, 0, batch)[0] for w in (0.0, 9.0)]
    assert first[0] == first[1]


def test_in_a_run():
    model = PlainModel()
    states, metrics = states_of(tiny_run(reconboost(), model, 3), {"learning_rate": jnp.float32(0.01)}, splits(), 3)
    expected = [{"encoder:x1", "head:x1"}, {"encoder:x1", "head:x1", "encoder:x2", "head:x2"}]
    for number, labels in enumerate([*expected, {"encoder:x2", "head:x2"}]):
        assert moved(model, states[number].params, states[number + 1].params) == labels
    assert np.array_equal(states[1].statistics["running"]["encoders_x2"], np.zeros(4))
    assert all(one["selectable"] for one in metrics)


def test_needs_classes():
    model, batch = PlainModel(num_outputs=2), samples(jax.random.key(0), label="targets")
    params, statistics, state = started(reconboost(), model)
    with pytest.raises(ValueError, match="reconboost needs classes"):
        reconboost(regression).loss(model, params, statistics, state, batch, jax.random.key(0))


def test_jit_vmap_and_hard_batches(thorough):
    check_strategy(
        lambda x: reconboost(memory_weight=x, label_weight=x, num_alone=x, num_joint=x),
        jnp.array([1.0, 2.0]),
        3,
        thorough=thorough,
    )
