"""Total correlation: its bound in plain numbers, pairs of latents, and permutations for three modalities."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmjax.competition import regression
from mmjax.competition._tcmax import tcmax, total_correlation_loss
from tests.competition.conftest import samples
from tests.competition.stage_checks import PlainModel, check_strategy, started


def loss_of(strategy, model, batch, key=0):
    params, statistics, state = started(strategy, model)
    return jax.jit(lambda batch: strategy.loss(model, params, statistics, state, batch, jax.random.key(key))[0])(batch)


def test_the_loss_of_the_public_code():
    """-mean log p[b, b, y_b] - log B, p the exponentials of all logits (B, B, C), normalised together."""
    batch = samples(jax.random.key(1), 6)
    for linear in (True, False):
        model = PlainModel(linear=linear)
        variables = {"params": started(tcmax(), model)[0]}
        latents, _ = model.encode(variables, batch.modalities)
        i, j = np.meshgrid(np.arange(6), np.arange(6), indexing="ij")
        pairs = {"x1": latents["x1"][i.ravel()], "x2": latents["x2"][j.ravel()]}
        p = np.exp(np.asarray(model.fuse(variables, pairs), np.float64)).reshape(6, 6, 3)
        p = p / p.sum()
        b = np.arange(6)
        expected = -np.log(p[b, b, batch.label]).mean() - np.log(6)
        np.testing.assert_allclose(loss_of(tcmax(), model, batch), expected, rtol=1e-5)


def test_of_one_sample_it_is_the_cross_entropy():
    model, batch = PlainModel(), samples(jax.random.key(1), 1)
    params = started(tcmax(), model)[0]
    latents, _ = model.encode({"params": params}, batch.modalities)
    logits = model.fuse({"params": params}, latents)
    expected = optax.softmax_cross_entropy_with_integer_labels(logits, batch.label)[0]
    np.testing.assert_allclose(loss_of(tcmax(), model, batch), expected, rtol=1e-6)


def test_it_is_minus_a_bound_of_total_correlation():
    """Where latents and label are one fair bit each way, the best critic gives 2 log 2, less log B + log C."""
    own = jnp.full(2, 20.0)
    tuples = jnp.array([[20.0, 0], [0, 0], [0, 0], [0, 20.0]])
    value = total_correlation_loss(own, jnp.ones(2), tuples, jnp.ones(4))
    np.testing.assert_allclose(value, -2 * np.log(2) + np.log(2) + np.log(2), atol=1e-6)


def test_samples_of_no_weight_are_in_no_pair():
    batch = samples(jax.random.key(1), 7)
    cut = jax.tree.map(lambda x: x[:5], batch)
    padded = batch._replace(weight=(jnp.arange(7) < 5).astype(float))
    np.testing.assert_allclose(loss_of(tcmax(), PlainModel(), padded), loss_of(tcmax(), PlainModel(), cut), rtol=1e-5)
    assert loss_of(tcmax(), PlainModel(), batch._replace(weight=jnp.zeros(7))) == 0


def test_permutations_stand_for_tuples_of_three():
    batch, model = samples(jax.random.key(1), 5, 3), PlainModel(3)
    params = started(tcmax(), model)[0]
    latents, _ = model.encode({"params": params}, batch.modalities)
    a = {name: latents[name] @ params["head"]["slices"][name]["kernel"] for name in latents}
    every = a["x1"][:, None, None] + a["x2"][None, :, None] + a["x3"][None, None]
    own = sum(a.values())[jnp.arange(5), batch.label]
    expected = total_correlation_loss(own, jnp.ones(5), every.reshape(125, 3), jnp.ones(125))
    np.testing.assert_allclose(loss_of(tcmax(num_permutations=4000), model, batch), expected, atol=0.01)


def test_jit_vmap_and_hard_batches(thorough):
    check_strategy(lambda _: tcmax(), jnp.zeros(2), thorough=thorough)
    check_strategy(lambda _: tcmax(num_permutations=4), jnp.zeros(2), 3, thorough=thorough)


def test_bad_arguments():
    with pytest.raises(ValueError, match="tcmax needs classes"):
        loss_of(tcmax(regression), PlainModel(num_outputs=2), samples(jax.random.key(0), label="targets"))
    with pytest.raises(ValueError, match="num_permutations is 0"):
        tcmax(num_permutations=0)
