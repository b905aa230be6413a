"""Losses of unimodal heads: their sum, what each trains, absent modalities, and predictions."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmjax.competition import ensemble, joint, multi_loss, regression, unimodal
from tests.competition.conftest import gradients_of, model_of, samples, started

MODEL = model_of(3)
BATCH = samples(jax.random.key(5), num_modalities=3)


def value(strategy, batch=BATCH, model=MODEL):
    params, statistics, state = started(strategy, model)
    return strategy.loss(model, params, statistics, state, batch, jax.random.key(1))[0]


def labels_that_move(strategy):
    params, statistics, state = started(strategy, MODEL)
    gradients, _, _ = gradients_of(strategy, MODEL, params, statistics, state, BATCH)
    pairs = zip(jax.tree.leaves(MODEL.labels(params)), jax.tree.leaves(gradients), strict=True)
    return {label for label, gradient in pairs if jnp.any(gradient != 0)}


def test_the_sum_of_the_fused_and_the_unimodal_losses():
    variables = MODEL.init(jax.random.split(jax.random.key(0))[0])
    latents, _ = MODEL.encode(variables, BATCH.modalities)
    heads = MODEL.unimodal(variables, latents)
    alone = [optax.softmax_cross_entropy_with_integer_labels(logits, BATCH.label).mean() for logits in heads.values()]
    np.testing.assert_allclose(value(multi_loss()), value(joint()) + sum(alone), rtol=1e-6)
    np.testing.assert_allclose(value(multi_loss(unimodal_weight=0.1)), value(joint()) + 0.1 * sum(alone), rtol=1e-6)
    np.testing.assert_allclose(value(ensemble()), sum(alone), rtol=1e-6)
    np.testing.assert_allclose(value(unimodal("x2")), alone[1], rtol=1e-6)


def test_what_each_trains():
    heads, encoders = {f"head:x{m}" for m in (1, 2, 3)}, {f"encoder:x{m}" for m in (1, 2, 3)}
    assert labels_that_move(joint()) == labels_that_move(multi_loss()) == heads | encoders | {"head"}
    assert labels_that_move(ensemble()) == heads | encoders
    assert labels_that_move(unimodal("x2")) == {"head:x2", "encoder:x2"}


def test_samples_without_a_modality_do_not_count_for_its_head():
    masks = BATCH.masks | {"x2": jnp.arange(8) < 3}
    kept = jax.tree.map(lambda x: x[:3], BATCH)
    np.testing.assert_allclose(
        value(unimodal("x2"), BATCH._replace(masks=masks)), value(unimodal("x2"), kept), rtol=1e-6
    )
    assert value(unimodal("x2"), BATCH._replace(masks=BATCH.masks | {"x2": jnp.zeros(8, bool)})) == 0


def test_predictions():
    variables = MODEL.init(jax.random.key(0))
    masks = {"x1": jnp.arange(8) < 3, "x2": jnp.ones(8, bool), "x3": jnp.ones(8, bool)}
    latents, _ = MODEL.encode(variables, BATCH.modalities, masks)
    heads = MODEL.unimodal(variables, latents)
    chex.assert_trees_all_equal(unimodal("x3").predict(MODEL, variables, latents, masks), heads["x3"])
    got = ensemble().predict(MODEL, variables, latents, masks)
    np.testing.assert_allclose(got[5], heads["x2"][5] + heads["x3"][5], rtol=1e-6)
    np.testing.assert_allclose(got[0], sum(logits[0] for logits in heads.values()), rtol=1e-6)
    chex.assert_trees_all_equal(
        joint().predict(MODEL, variables, latents, masks), MODEL.fuse(variables, latents, masks)
    )


def test_numbers_instead_of_classes():
    model = model_of(2, num_outputs=2)
    batch = samples(jax.random.key(1), label="targets")
    variables = model.init(jax.random.split(jax.random.key(0))[0])
    latents, _ = model.encode(variables, batch.modalities)
    predictions = [model.fuse(variables, latents, batch.masks), *model.unimodal(variables, latents).values()]
    expected = sum(((batch.label - y) ** 2).mean() for y in predictions)
    np.testing.assert_allclose(value(multi_loss(regression), batch, model), expected, rtol=1e-6)


def test_a_modality_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="no modality 'sound'; the model has x1, x2, x3"):
        value(unimodal("sound"))
