"""CGGM: the shares, whose gradients they scale, the term of directions, what classifiers are trained on."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmjax.competition import joint
from mmjax.competition._cggm import cggm, cggm_coefficients
from mmjax.models import ConcatMLP
from tests.competition.checks import check_strategy, first_step, ratios_by_label
from tests.competition.conftest import gradients_of, model_of, samples, started

JOINT = joint()


def arrays(**values):
    return {name: jnp.asarray(value) for name, value in values.items()}


def test_shares():
    found = cggm_coefficients(arrays(a=0.3, b=0.1, c=0.0))
    np.testing.assert_allclose([found[x] for x in "abc"], [0.25, 0.75, 1], rtol=1e-5)
    assert cggm_coefficients(arrays(a=0.0, b=0.0)) == {"a": 1, "b": 1}
    assert cggm_coefficients(arrays(a=0.5, b=-0.5), 10.0) == {"a": -10, "b": 10}


def test_what_is_scaled_without_directions():
    gradients, aux, state = first_step(cggm(direction=0.0), 3)
    plain, *_ = first_step(JOINT, 3)
    assert {name: float(x) for name, x in state.items()} == {
        name: float(x) for name, x in aux.signals.accuracies.items()
    }
    accuracies = np.array([float(state[f"x{m}"]) for m in (1, 2, 3)])
    shares = 1 - accuracies / accuracies.sum()
    ratios = ratios_by_label(gradients, plain, model_of(3).labels)
    assert [ratios[f"encoder:x{m}"] for m in (1, 2, 3)] == pytest.approx(list(1.3 * shares), rel=1e-4)
    assert ratios["head"] == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("head", [None, ConcatMLP(3, features=(4,))])
def test_the_term_of_directions(head):
    model, batch = model_of(2, head), samples(jax.random.key(5))
    strategies = {x: cggm(direction=x) for x in (0.0, 0.5)}
    params, statistics, state = started(strategies[0.0], model)
    state = arrays(x1=0.1, x2=0.2)
    values = {}
    for x, strategy in strategies.items():
        values[x], aux = strategy.loss(model, params, statistics, state, batch, jax.random.key(5))
    latents, _ = model.encode({"params": params}, batch.modalities)
    cross_entropy = optax.softmax_cross_entropy_with_integer_labels
    fused = jax.grad(lambda z: cross_entropy(model.fuse({"params": params}, z), batch.label).mean())(latents)
    heads = jax.grad(
        lambda z: sum(cross_entropy(u, batch.label).mean() for u in model.unimodal({"params": params}, z).values())
    )(latents)
    expected = 0
    for name, factor in aux.signals.coefficients.items():
        x, y = fused[name].ravel(), heads[name].ravel()
        share = factor / 1.3
        expected += abs(share) - share * (x @ y) / jnp.linalg.norm(x) / jnp.linalg.norm(y)
    np.testing.assert_allclose(values[0.5] - values[0.0], 0.5 * expected / 2, rtol=1e-3)


def test_classifiers_learn_and_do_not_teach_the_encoders():
    model, batch, strategy = model_of(), samples(jax.random.key(5)), cggm(rho=0.0, direction=0.0)
    params, statistics, state = started(strategy, model)
    gradients, _, _ = gradients_of(strategy, model, params, statistics, state, batch)
    assert not any(jnp.any(x) for m in (1, 2) for x in jax.tree.leaves(gradients[f"encoders_x{m}"]))
    assert all(jnp.any(x) for x in jax.tree.leaves(gradients["unimodal_heads"]))


def test_a_batch_without_a_modality_leaves_its_accuracy():
    model, batch, strategy = model_of(), samples(jax.random.key(5)), cggm()
    params, statistics, _ = started(strategy, model)
    gone = batch._replace(masks=batch.masks | {"x1": jnp.zeros(8, bool)})
    _, aux = strategy.loss(model, params, statistics, arrays(x1=0.7, x2=0.2), gone, jax.random.key(5))
    assert float(aux.signals.accuracies["x1"]) == pytest.approx(0.7)


def test_one_modality_is_refused():
    with pytest.raises(ValueError, match="cggm compares two modalities or more; got \\['x1'\\]"):
        first_step(cggm(), 1)


def test_jit_vmap_and_hard_batches(thorough):
    check_strategy(lambda x: cggm(rho=x, direction=x), jnp.array([0.2, 1.3]), thorough=thorough)
