"""AGM: the published rule for two and three modalities, shares that add up, what flows back, running means."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmjax.competition import joint, regression
from mmjax.competition._agm import agm, agm_coefficients
from mmjax.models import ConcatMLP
from tests.competition.checks import check_strategy, first_step, labels_that_differ
from tests.competition.conftest import gradients_of, model_of, samples, started

JOINT = joint()
KEY = jax.random.key(5)


def arrays(**values):
    return {name: jnp.asarray(value) for name, value in values.items()}


def test_two_modalities():
    found = agm_coefficients(arrays(a=1.0, b=1.5), arrays(a=1.2, b=1.1), 2.0, 10)
    expected = [np.exp(2 * (np.exp(1.1 - 1.2) - np.exp(1.5 - 1))), np.exp(2 * (np.exp(1.2 - 1.1) - np.exp(1 - 1.5)))]
    np.testing.assert_allclose([found["a"], found["b"]], expected, rtol=1e-5)


def test_three_modalities_and_the_cap():
    losses, means = {"a": 1.0, "b": 1.5, "c": 0.8}, {"a": 0.1, "b": 4.0, "c": 0.8}
    found = agm_coefficients(arrays(**losses), arrays(**means), 0.5, 7)
    for name in losses:
        ratio, usual = (np.exp((np.mean(list(x.values())) - x[name]) * 3 / 2) for x in (losses, means))
        np.testing.assert_allclose(found[name], np.exp(0.5 * min(usual - ratio, 7)), rtol=1e-5)
    assert np.exp((np.mean(list(means.values())) - means["a"]) * 1.5) > 7
    assert agm_coefficients(arrays(a=1.0), arrays(a=3.0), 2.0, 10) == {"a": 1}


def mono_outputs(model, params, batch):
    """phi_1 and phi_2 of the published definition, by inputs of zeros."""

    def logits(*present):
        x = {name: batch.modalities[name] * (name in present) for name in ("x1", "x2")}
        latents, _ = model.encode({"params": params}, x)
        return model.fuse({"params": params}, latents)

    both, first, second = logits("x1", "x2"), logits("x1"), logits("x2")
    return (both - second + first) / 2, (both - first + second) / 2


@pytest.mark.parametrize("head", [None, ConcatMLP(3, features=(4,))])
def test_gradients_are_those_of_scaled_shares(head):
    model, batch, strategy = model_of(2, head), samples(jax.random.key(5)), agm(alpha=2.0)
    params, statistics, state = started(strategy, model)
    gradients, new, _ = jax.jit(lambda p: gradients_of(strategy, model, p, statistics, state, batch))(params)
    cross_entropy = optax.softmax_cross_entropy_with_integer_labels

    @jax.jit
    def plain(params):
        shares, pull_back = jax.vjp(lambda p: mono_outputs(model, p, batch), params)
        losses = [jnp.mean(cross_entropy(share, batch.label)) for share in shares]
        leads = jnp.exp(losses[1] - losses[0]), jnp.exp(losses[0] - losses[1])
        by_logits = jax.grad(lambda y: jnp.mean(cross_entropy(y, batch.label)))(sum(shares))
        return pull_back(tuple(jnp.exp(2 * (1 - lead)) * by_logits for lead in leads))[0], losses

    expected, losses = plain(params)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=2e-5), gradients, expected)
    assert new.step == 1
    np.testing.assert_allclose([new.means["x1"], new.means["x2"]], losses, rtol=1e-4)
    later = jax.jit(lambda new: gradients_of(strategy, model, params, statistics, new, batch)[1])(new)
    assert later.step == 2
    np.testing.assert_allclose(later.means["x1"], losses[0], rtol=1e-4)


def test_without_strength_it_is_joint():
    for num_modalities in (1, 3):
        gradients, *_ = first_step(agm(alpha=0.0), num_modalities)
        plain, *_ = first_step(JOINT, num_modalities)
        assert not labels_that_differ(gradients, plain, model_of(num_modalities).labels)


def test_a_batch_without_a_modality_leaves_its_mean():
    model, batch, strategy = model_of(), samples(jax.random.key(5)), agm()
    params, statistics, state = started(strategy, model)
    state = state._replace(step=jnp.asarray(3.0), means=arrays(x1=0.7, x2=0.9))
    gone = batch._replace(masks=batch.masks | {"x1": jnp.zeros(8, bool)})
    new = jax.jit(lambda batch: strategy.loss(model, params, statistics, state, batch, KEY)[1].signals)(gone)
    np.testing.assert_allclose(new.means["x1"], 0.7, rtol=1e-6)
    assert new.means["x2"] != 0.9


def test_jit_vmap_and_hard_batches(thorough):
    check_strategy(lambda alpha: agm(alpha=alpha), jnp.array([0.5, 3.0]), thorough=thorough)


def test_regression_and_three_modalities():
    _, _, state = first_step(agm(regression), 3, label="targets")
    assert state.step == 1 and min(state.means.values()) > 0
