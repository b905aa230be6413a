"""PMR: prototypes, similarities, the rules for two and more modalities, segments, what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmjax.competition import joint, regression
from mmjax.competition._pmr import pmr, pmr_coefficients, pmr_weights, prototype_similarities
from tests.competition.checks import check_strategy, first_step, labels_that_differ, ratios_by_label
from tests.competition.conftest import gradients_of, model_of, samples, started

JOINT = joint()


def arrays(**values):
    return {name: jnp.asarray(value) for name, value in values.items()}


def test_rules():
    assert pmr_weights(arrays(a=0.6, b=0.2), 1.75) == {"a": 0, "b": 1.75}
    assert pmr_weights(arrays(a=0.3, b=0.3), 1.75) == {"a": 0, "b": 0}
    found = pmr_coefficients(arrays(a=0.6, b=0.2, c=0.3), 0.5)
    expected = [1 - np.tanh(0.5 * 3), 1, 1 - np.tanh(0.5 * 1.5)]
    np.testing.assert_allclose([found[x] for x in "abc"], expected, rtol=1e-6)


def test_similarities_and_their_derivative_at_a_prototype():
    z, means = jnp.array([[0.0, 0.0], [3.0, 4.0]]), jnp.array([[0.0, 0.0], [3.0, 0.0], [9.0, 9.0]])
    known = jnp.array([True, True, False])
    np.testing.assert_allclose(prototype_similarities(z, means, known)[:, :2], [[0, -3], [-5, -4]], rtol=1e-6)
    assert not jnp.any(jax.nn.softmax(prototype_similarities(z, means, known))[:, 2])
    gradient = jax.grad(lambda z: prototype_similarities(z, means, known)[:, 0].sum())(z)
    np.testing.assert_allclose(gradient, [[0, 0], [-0.6, -0.8]], rtol=1e-6)


def started_with_prototypes(strategy, num_modalities, key=5):
    model, batch = model_of(num_modalities), samples(jax.random.key(key), num_modalities=num_modalities)
    params, statistics, state = started(strategy, model)
    _, state = strategy.on_segment(model, {"params": params}, state, batch, batch)
    run = jax.jit(lambda state: gradients_of(strategy, model, params, statistics, state, batch)[::2])
    return model, batch, params, state, run


def test_prototypes_are_class_means_and_move_with_momentum():
    strategy = pmr(momentum=0.8)
    model, batch, params, state, _ = started_with_prototypes(strategy, 2, key=1)
    latents, _ = model.encode({"params": params}, batch.modalities)
    label = np.asarray(batch.label)
    assert set(label) == {0, 1, 2}
    means = np.stack([np.asarray(latents["x1"])[label == k].mean(axis=0) for k in range(3)])
    np.testing.assert_allclose(state.means["x1"], means, atol=1e-5)
    fewer = batch._replace(weight=(batch.label != 0).astype(float), masks=batch.masks | {"x2": jnp.zeros(8, bool)})
    _, later = strategy.on_segment(model, {"params": jax.tree.map(jnp.zeros_like, params)}, state, fewer, fewer)
    np.testing.assert_allclose(later.means["x1"], means * np.array([[1.0], [0.8], [0.8]]), atol=1e-5)
    np.testing.assert_array_equal(later.means["x2"], state.means["x2"])


def test_two_modalities_draw_the_one_that_lags():
    strategy = pmr(alpha=1.5)
    model, batch, params, state, run = started_with_prototypes(strategy, 2, key=1)

    @jax.jit
    def plain(params):
        def loss(params, alpha):
            latents, _ = model.encode({"params": params}, batch.modalities)
            distance = {m: jnp.linalg.norm(z[:, None] - state.means[m][None], axis=2) for m, z in latents.items()}
            losses = {
                m: optax.softmax_cross_entropy_with_integer_labels(-d, batch.label).mean() for m, d in distance.items()
            }
            right = {m: jax.nn.softmax(-d)[jnp.arange(8), batch.label].mean() for m, d in distance.items()}
            fused = optax.softmax_cross_entropy_with_integer_labels(
                model.fuse({"params": params}, latents), batch.label
            )
            return fused.mean() + alpha * jnp.where(right["x1"] < right["x2"], losses["x1"], losses["x2"])

        return jax.grad(loss)(params, 0.0), jax.grad(loss)(params, 1.5)

    gradients, _ = run(state)
    without, expected = plain(params)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5), gradients, expected)
    assert len(labels_that_differ(gradients, without, model.labels)) == 1


def test_three_modalities_scale_the_encoders():
    model, _, _, state, run = started_with_prototypes(pmr(eta=0.3), 3)
    gradients, aux = run(state)
    plain, *_ = first_step(JOINT, 3)
    factors = {label: float(x) for label, x in aux.signals.items()}
    assert sorted(factors.values())[1] < 1 == max(factors.values())
    ratios = ratios_by_label(gradients, plain, model.labels)
    assert {label: ratios[label] for label in factors} == pytest.approx(factors, rel=1e-4)
    assert labels_that_differ(gradients, plain, model.labels) == {label for label, x in factors.items() if x < 1}


def test_joint_in_the_first_segment_and_outside_of_its_segments():
    plain, *_ = first_step(JOINT)
    labels = model_of().labels
    assert not labels_that_differ(first_step(pmr())[0], plain, labels)
    _, _, _, state, run = started_with_prototypes(pmr(last=1), 2)
    assert labels_that_differ(run(state)[0], plain, labels)
    assert not labels_that_differ(run(state._replace(segment=jnp.asarray(2.0)))[0], plain, labels)


def test_what_it_refuses():
    with pytest.raises(ValueError, match="pmr needs classes"):
        first_step(pmr(regression), label="targets")
    model = model_of()._replace(labels=lambda tree: jax.tree.map(lambda _: "head", tree))
    with pytest.raises(ValueError, match="linear unimodal heads"):
        pmr().init(jax.random.key(0), model, model.init(jax.random.key(0))["params"])


def test_jit_vmap_and_hard_batches(thorough):
    check_strategy(lambda x: pmr(eta=x, momentum=x), jnp.array([0.1, 0.5]), thorough=thorough)
    check_strategy(lambda x: pmr(alpha=x, momentum=x), jnp.array([0.1, 0.5]), thorough=thorough)
