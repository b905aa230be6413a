import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition._contrastive import nt_xent, same_class, same_sample

LATENTS = {"a": [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], "b": [[1.0, 0.5], [-1.0, 1.0], [0.0, 2.0]]}
LABEL = [0, 1, 0]


@functools.partial(jax.jit, static_argnames="alike")
def jitted(latents, label, masks, weight, temperature, alike):
    return nt_xent(latents, alike(label), masks, weight, temperature=temperature)


def loss(latents, label, *, masks=None, weight=None, alike=same_class, temperature=0.5):
    latents = {name: jnp.asarray(z, float) for name, z in latents.items()}
    num_samples = len(label)
    masks = {name: jnp.ones(num_samples, bool) for name in latents} | (masks or {})
    weight = jnp.ones(num_samples) if weight is None else jnp.asarray(weight, float)
    return jitted(latents, jnp.asarray(label), masks, weight, jnp.asarray(temperature, float), alike)


def plainly(latents, label, weight, temperature):
    """The formula pair by pair; a latent counts as often as its weight says."""
    z = np.concatenate(list(latents.values()))
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    s, y, w = z @ z.T / temperature, np.tile(label, len(latents)), np.concatenate(weight)
    sum_ = count = 0.0
    for a in range(len(y)):
        negatives = np.sum(w[y != y[a]] * np.exp(s[a, y != y[a]]))
        for p in range(len(y)):
            if p != a and y[p] == y[a]:
                sum_ += w[a] * w[p] * (np.log(np.exp(s[a, p]) + negatives) - s[a, p])
                count += w[a] * w[p]
    return sum_ / count


@pytest.mark.parametrize(("temperature", "expected"), [(0.5, 0.9312655189265613), (0.1, 1.8051939565837922)])
def test_the_values_of_pytorch_metric_learning(float64, temperature, expected):
    np.testing.assert_allclose(loss(LATENTS, LABEL, temperature=temperature), expected, rtol=1e-12)


def test_any_number_of_modalities_and_weights_by_the_plain_formula(float64):
    rng = np.random.default_rng(0)
    label, weight = np.array([0, 1, 0, 2, 1, 0]), np.array([1, 0.5, 2, 1, 1, 0])
    for num_modalities in (1, 2, 3):
        latents = {f"x{m}": rng.normal(size=(6, 4)) for m in range(num_modalities)}
        masks = {name: np.arange(6) != m for m, name in enumerate(latents)}
        got = loss(latents, label, masks=masks, weight=weight, temperature=0.3)
        expected = plainly(latents, label, [weight * mask for mask in masks.values()], 0.3)
        np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_each_sample_alone_makes_positives_across_modalities_only(float64):
    got = loss(LATENTS, LABEL, alike=same_sample)
    np.testing.assert_allclose(got, plainly(LATENTS, [0, 1, 2], np.ones((2, 3)), 0.5), rtol=1e-12)
    assert loss({"a": LATENTS["a"]}, LABEL, alike=same_sample) == 0


def test_classes_are_compared_and_samples_with_targets_are_not():
    np.testing.assert_array_equal(same_class(jnp.array(LABEL)), [[1, 0, 1], [0, 1, 0], [1, 0, 1]])
    np.testing.assert_array_equal(same_class(jnp.zeros((3, 1))), np.eye(3))


def test_samples_that_do_not_count_are_as_if_left_out():
    latents = {name: [*z, [3.0, -7.0]] for name, z in LATENTS.items()}
    gradient = jax.grad(lambda z: loss(z, [*LABEL, 1], weight=[1, 1, 1, 0]))(jax.tree.map(jnp.asarray, latents))
    np.testing.assert_allclose(loss(latents, [*LABEL, 1], weight=[1, 1, 1, 0]), loss(LATENTS, LABEL), rtol=1e-6)
    np.testing.assert_array_equal(jnp.asarray(gradient["a"])[3], 0)


@pytest.mark.parametrize(
    ("label", "weight"),
    [([0, 0, 0], [1, 1, 1]), ([0, 1, 2], [0, 0, 0]), ([0, 1, 1], [1, 0, 0]), ([0, 0, 1], [1, 1, 0])],
)
def test_one_class_or_no_weight_is_exactly_zero_with_zero_gradient(label, weight):
    value, gradient = jax.value_and_grad(lambda z: loss(z, label, weight=weight))(jnp_latents())
    assert value == 0
    assert all(jnp.all(g == 0) for g in gradient.values())


def jnp_latents():
    return {name: jnp.asarray(z) for name, z in LATENTS.items()}


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e4])
@pytest.mark.parametrize("temperature", [1e-3, 1e3])
def test_gradients_are_finite_at_zero_tiny_and_large_latents(scale, temperature):
    latents = jax.tree.map(lambda z: scale * z, jnp_latents())
    value, gradient = jax.value_and_grad(lambda z: loss(z, LABEL, temperature=temperature))(latents)
    assert jnp.isfinite(value)
    assert all(jnp.all(jnp.isfinite(g)) for g in gradient.values())


def test_a_positive_far_below_its_negatives_keeps_its_gradient_at_a_tiny_temperature():
    latents = {"a": jnp.array([[1.0, 0.1], [-1.0, 0.2], [1.0, 0.0]])}
    value, gradient = jax.value_and_grad(lambda z: loss(z, [0, 0, 1], temperature=1e-3))(latents)
    np.testing.assert_allclose(value, plainly_far(latents["a"], 1e-3), rtol=1e-4)
    assert jnp.linalg.norm(gradient["a"][0]) > 1


def plainly_far(z, temperature):
    z = np.asarray(z, np.float64)
    s = z / np.linalg.norm(z, axis=1, keepdims=True)
    s = s @ s.T / temperature
    return np.mean([np.logaddexp(s[a, p], s[a, 2]) - s[a, p] for a, p in ((0, 1), (1, 0))])


def test_derivatives_are_those_of_finite_differences(float64):
    jax.test_util.check_grads(lambda z: loss(z, LABEL, weight=[1, 2, 0.5]), (jnp_latents(),), order=1, modes=["rev"])


def test_nan_is_not_hidden():
    assert jnp.isnan(loss(LATENTS, LABEL, temperature=jnp.nan))
    assert jnp.isnan(loss(LATENTS | {"a": [[jnp.nan, 0], [0, 1], [1, 1]]}, LABEL))


def test_temperatures_under_vmap_are_as_one_by_one():
    temperatures = jnp.array([0.1, 0.5, 2.0])
    together = jax.vmap(lambda t: loss(LATENTS, LABEL, temperature=t))(temperatures)
    np.testing.assert_allclose(together, [loss(LATENTS, LABEL, temperature=t) for t in temperatures], rtol=1e-6)


def test_widths_that_differ_raise():
    with pytest.raises(ValueError, match=r"latents of one width; got .*2.*3"):
        loss({"a": jnp.ones((3, 2)), "b": jnp.ones((3, 3))}, LABEL)
