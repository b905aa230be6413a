"""The synergistic bottleneck: its divergences, what is withheld, and what it does to XOR and to a single cue."""

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.competition import joint, regression
from mmjax.competition._synib import divergence_from_normal, divergence_from_uniform, synib
from tests.competition.conftest import samples
from tests.competition.stage_checks import PlainModel, check_strategy, own_gradients, started


def test_divergences():
    logits = jnp.array([[1.0, 2.0, -2.0], [0.0, 0.0, 0.0], [1e4, 0.0, -1e4]])
    np.testing.assert_allclose(divergence_from_normal(logits), [4.5, 0, 1e8], rtol=1e-6)
    p = np.exp([1.0, 2.0, -2.0]) / np.exp([1.0, 2.0, -2.0]).sum()
    expected = np.log(3) + (p * np.log(p)).sum()
    np.testing.assert_allclose(divergence_from_uniform(logits), [expected, 0, np.log(3)], atol=1e-6)
    assert np.all(np.isfinite(jax.grad(lambda y: divergence_from_uniform(y).sum())(logits)))


def test_nothing_withheld_penalises_the_prediction_itself():
    model, batch = PlainModel(3), samples(jax.random.key(5), num_modalities=3)
    params, statistics, state = started(joint(), model)
    values = {
        name: strategy.loss(model, params, statistics, state, batch, jax.random.key(0))
        for name, strategy in {"joint": joint(), "synib": synib(weight=0.5, probability=0.0)}.items()
    }
    plain, aux = values["joint"]
    expected = plain + 0.5 * 3 * divergence_from_normal(aux.logits).mean()
    np.testing.assert_allclose(values["synib"][0], expected, rtol=1e-5)


def test_the_mean_over_draws_is_that_over_pairs():
    model, batch = PlainModel(), samples(jax.random.key(5), 5)
    params, statistics, state = started(joint(), model)
    latents, _ = model.encode({"params": params}, batch.modalities)
    a, b = (latents[name] @ params["head"]["slices"][name]["kernel"] for name in ("x1", "x2"))
    expected = 2 * divergence_from_normal(a[:, None] + b[None] + params["head"]["bias"][None, None]).mean()

    def penalty(key):
        one, none = (synib(weight=w).loss(model, params, statistics, state, batch, key)[0] for w in (1.0, 0.0))
        return one - none

    drawn = jax.jit(jax.vmap(penalty))(jax.random.split(jax.random.key(0), 2000))
    np.testing.assert_allclose(drawn.mean(), expected, atol=4 * drawn.std() / np.sqrt(2000))


def test_absent_and_weightless_samples_are_no_donors():
    model, batch = PlainModel(), samples(jax.random.key(5), 8)
    huge = jax.tree.map(lambda x: x.at[3:].set(1e6), batch.modalities)
    batch = batch._replace(modalities=huge, weight=(jnp.arange(8) < 3).astype(float))
    params, statistics, state = started(joint(), model)
    value = synib(weight=1.0).loss(model, params, statistics, state, batch, jax.random.key(0))[0]
    assert value < 1e3


def test_without_weight_it_is_joint():
    gradients, *_ = own_gradients(synib(weight=0.0), 3)
    plain, *_ = own_gradients(joint(), 3)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), gradients, plain)


def test_jit_vmap_and_hard_batches(thorough):
    def make(x):
        return synib(weight=x, probability=x, divergence=divergence_from_uniform)

    check_strategy(make, jnp.array([0.1, 0.9]), 3, thorough=thorough)


def test_targets():
    model, batch = PlainModel(num_outputs=2), samples(jax.random.key(5), label="targets")
    params, statistics, state = started(joint(), model)
    value, aux = synib(regression, weight=1.0, probability=0.0).loss(
        model, params, statistics, state, batch, jax.random.key(0)
    )
    expected = ((aux.logits - batch.label) ** 2).mean() + 2 * divergence_from_normal(aux.logits).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-5)
