"""MMPareto: golden weight, gradients against plain NumPy, conflict, heads, lengths."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition import multi_loss, regression
from mmjax.competition._mmpareto import mmpareto, mmpareto_weight
from mmjax.competition._strategy import Auxiliary
from tests.competition.checks import check_strategy, first_step, labels_that_differ
from tests.competition.conftest import model_of, started


def weight(g0, g1):
    g0, g1 = jnp.asarray(g0), jnp.asarray(g1)
    return float(mmpareto_weight(g0 @ g0, g1 @ g1, g0 @ g1))


def test_weights(float64):
    assert weight([1.0, 0.0], [-0.5, 1.0]) == pytest.approx(0.5384615384615384, abs=1e-12)
    assert weight([1.0, 0.0], [0.5, 1.0]) == weight([0.0, 0.0], [0.0, 0.0]) == 0.5
    assert weight([1.0, 0.0], [0.0, 0.0]) == 0.001
    assert weight([0.0, 0.0], [1.0, 0.0]) == 0.999


def plain_rule(g0, g1, gamma):
    """Of the tensors of one encoder, in NumPy."""
    flat0, flat1 = (np.concatenate([x.ravel() for x in g]) for g in (g0, g1))
    product = flat0 @ flat1
    a = 0.5
    if product <= 0:
        a = np.clip((flat1 @ flat1 - product) / np.sum((flat0 - flat1) ** 2), 0.001, 0.999)
    joined = [2 * a * x + 2 * (1 - a) * y for x, y in zip(g0, g1, strict=True)]
    longer = [max(np.linalg.norm(x + y) / np.linalg.norm(j), 1) for x, y, j in zip(g0, g1, joined, strict=True)]
    return [gamma * factor * j for factor, j in zip(longer, joined, strict=True)]


@pytest.mark.parametrize("conflict", [1.0, -1.0])
def test_gradients_of_the_encoders_and_the_heads(conflict):
    model, strategy = model_of(3), mmpareto(gamma=1.5)
    params, _, state = started(strategy, model)
    keys = iter(jax.random.split(jax.random.key(7), 99))
    first = jax.tree.map(lambda x: jax.random.normal(next(keys), x.shape), params)
    others = [
        jax.tree.map(lambda x: conflict * x + 0.9 * jax.random.normal(next(keys), x.shape), first) for _ in range(3)
    ]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), first, *others)
    for place, name in enumerate(model.modalities, start=1):
        encoder = f"encoders_{name}"
        stacked[encoder] = jax.tree.map(
            lambda x, p=place: x * (jnp.isin(jnp.arange(4), jnp.array([0, p]))).reshape(-1, *[1] * (x.ndim - 1)),
            stacked[encoder],
        )
    found, _ = jax.jit(lambda g: strategy.update(model, g, state, Auxiliary(jnp.zeros(0), {})))(stacked)
    for place, name in enumerate(model.modalities, start=1):
        g0, g1 = ([np.asarray(x[k]) for x in jax.tree.leaves(stacked[f"encoders_{name}"])] for k in (0, place))
        for x, y in zip(jax.tree.leaves(found[f"encoders_{name}"]), plain_rule(g0, g1, 1.5), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)
    for part in ("head", "unimodal_heads"):
        for x, y in zip(jax.tree.leaves(found[part]), jax.tree.leaves(stacked[part]), strict=True):
            np.testing.assert_allclose(x, np.sum(y, axis=0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("task", "label"), [(None, "classes"), (regression, "targets")])
def test_only_encoders_are_touched(task, label):
    tasks = () if task is None else (task,)
    found, *_ = first_step(mmpareto(*tasks), 3, label=label)
    plain, *_ = first_step(multi_loss(*tasks), 3, label=label)
    assert labels_that_differ(found, plain, model_of(3).labels) == {f"encoder:x{m}" for m in (1, 2, 3)}


def test_jit_vmap_and_hard_batches(thorough):
    check_strategy(lambda gamma: mmpareto(gamma=gamma), jnp.array([1.0, 3.0]), thorough=thorough)
