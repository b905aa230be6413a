import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition._bottleneck import (
    bottleneck_loss,
    bottleneck_params,
    fused_logits,
    fused_probabilities,
    one_hot_label,
)
from mmjax.data import batch_of
from mmjax.models import MLP, LateLinear, Multimodal, functional

WIDTHS = {"a": 2, "b": 5}
SHAPES = {"hidden": (3, 5), "output": (5, 7)}


def model_of_widths():
    module = Multimodal({name: MLP((width,)) for name, width in WIDTHS.items()}, LateLinear(3), 3)
    return functional(module, {name: jnp.zeros((1, 4)) for name in WIDTHS})


def setting():
    rng = np.random.default_rng(0)
    latents = {name: rng.normal(size=(4, width)).astype(np.float32) for name, width in WIDTHS.items()}
    params = {
        "hidden": rng.normal(size=(3, 5)).astype(np.float32),
        "output": rng.normal(size=(5, 7)).astype(np.float32),
    }
    return params, rng.normal(size=(4, 3)).astype(np.float32), latents


def test_the_error_is_the_mean_over_samples_and_features():
    params, y, latents = setting()
    batch = batch_of({name: np.zeros((4, 4)) for name in WIDTHS}, [0, 1, 2, 0])
    error = (
        np.concatenate([latents["a"], latents["b"]], axis=1) - np.maximum(y @ params["hidden"], 0) @ params["output"]
    )
    np.testing.assert_allclose(bottleneck_loss(params, y, latents, batch), np.mean(error**2), rtol=1e-6)
    masked = batch._replace(
        masks=batch.masks | {"b": jnp.array([True, False, True, True])}, weight=jnp.array([1, 1, 0, 2])
    )
    counts = np.array([[1, 1, 0, 2]] * 2 + [[1, 0, 0, 2]] * 5).T
    expected = np.sum(counts * error**2) / counts.sum()
    np.testing.assert_allclose(bottleneck_loss(params, y, latents, masked), expected, rtol=1e-6)


def test_without_a_sample_that_counts_it_is_zero():
    params, y, latents = setting()
    batch = batch_of({name: np.zeros((4, 4)) for name in WIDTHS}, [0, 1, 2, 0], weight=[0] * 4)
    gradient = jax.grad(bottleneck_loss)(params, y, latents, batch)
    assert bottleneck_loss(params, y, latents, batch) == 0
    assert all(jnp.all(g == 0) for g in gradient.values())


def test_parameters_fit_the_widths_of_latents_and_logits():
    model = model_of_widths()
    params = model.init(jax.random.key(0))["params"]
    made = bottleneck_params(jax.random.key(1), model, params)
    assert jax.tree.map(jnp.shape, made) == SHAPES
    assert all(0.1 < jnp.std(x) < 1 for x in made.values())


def test_latents_of_unknown_width_raise():
    model = model_of_widths()
    params = model.init(jax.random.key(0))["params"]
    unlabelled = model._replace(labels=lambda tree: jax.tree.map(lambda _: "head", tree))
    with pytest.raises(ValueError, match="first axis of matrices 'head:a'; got widths"):
        bottleneck_params(jax.random.key(1), unlabelled, params)


def test_what_the_latents_are_predicted_from():
    logits, label = jnp.array([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]]), jnp.array([2, 0])
    np.testing.assert_array_equal(fused_logits(logits, label), logits)
    np.testing.assert_allclose(jnp.sum(fused_probabilities(logits, label), axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(one_hot_label(logits, label), [[0, 0, 1], [1, 0, 0]])
    for made in (fused_logits, fused_probabilities, one_hot_label):
        assert jnp.all(jax.grad(lambda x, made=made: jnp.sum(made(x, label) ** 2))(logits) == 0)


@pytest.mark.parametrize("function", [fused_probabilities, one_hot_label])
def test_what_is_for_classes_refuses_targets(function):
    with pytest.raises(ValueError, match=f"{function.__name__} needs classes, integer labels"):
        function(jnp.zeros((4, 1)), jnp.zeros((4, 1)))
