"""MMCosine: logits, predictions, what is trained, heads it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition._mmcosine import cosine_logits, mmcosine
from mmjax.models import ConcatMLP, SumMLP
from tests.competition.checks import check_strategy, first_step
from tests.competition.conftest import model_of, samples, started

MODEL = model_of(3)


def test_logits():
    z = {"a": jnp.array([[3.0, 4.0], [0.0, 0.0]]), "b": jnp.array([[1.0], [-2.0]])}
    weights = {"a": jnp.array([[1.0, 0.0], [0.0, 2.0]]), "b": jnp.array([[5.0, -0.1]])}
    np.testing.assert_allclose(cosine_logits(z, weights, 10.0), [[6 + 10, 8 - 10], [-10, 10]], rtol=1e-6)
    gradient = jax.grad(lambda x: jnp.sum(cosine_logits({"a": x}, {"a": weights["a"]}, 10.0)[:, 0]))(z["a"])
    np.testing.assert_allclose(gradient, [[10 * 16 / 125, -10 * 12 / 125], [0, 0]], rtol=1e-5)


def test_predictions_are_the_logits_of_the_loss_and_have_no_bias():
    strategy, batch = mmcosine(scale=5.0), samples(jax.random.key(5), num_modalities=3)
    params, statistics, state = started(strategy, MODEL)
    batch = batch._replace(masks=batch.masks | {"x2": jnp.arange(8) < 4})
    params["head"]["bias"] += 7
    latents, _ = MODEL.encode({"params": params}, batch.modalities, batch.masks)
    found = strategy.predict(MODEL, {"params": params}, latents, batch.masks)
    kernels = params["head"]["slices"]
    expected = np.zeros((8, 3))
    for name in MODEL.modalities:
        z, w = np.asarray(latents[name]), np.asarray(kernels[name]["kernel"])
        lengths = np.linalg.norm(z, axis=1)[:, None] * np.linalg.norm(w, axis=0)[None]
        expected += np.where(np.asarray(batch.masks[name])[:, None], 5 * (z @ w) / np.maximum(lengths, 1e-9), 0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    _, aux = strategy.loss(MODEL, params, statistics, state, batch, jax.random.key(5))
    np.testing.assert_allclose(aux.logits, found, atol=1e-6)


def test_what_is_trained():
    gradients, *_ = first_step(mmcosine(), 3)
    leaves = zip(jax.tree.leaves(MODEL.labels(gradients)), jax.tree.leaves(gradients), strict=True)
    moved = {label for label, x in leaves if jnp.any(x != 0)}
    assert moved == {f"{part}:x{m}" for m in (1, 2, 3) for part in ("encoder", "head")}
    assert not jnp.any(gradients["head"]["bias"])
    assert not any(jnp.any(x) for x in jax.tree.leaves(gradients["unimodal_heads"]))


@pytest.mark.parametrize("head", [ConcatMLP(3), SumMLP(3)])
def test_heads_that_are_not_linear(head):
    with pytest.raises(ValueError, match="mmcosine needs a linear fusion head"):
        first_step(mmcosine(), head=head)


def test_jit_vmap_and_hard_batches(thorough):
    check_strategy(lambda scale: mmcosine(scale=scale), jnp.array([1.0, 15.0]), thorough=thorough)
