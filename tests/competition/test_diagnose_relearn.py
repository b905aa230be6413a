"""Diagnosing and re-learning: clusters and their purity, how far encoders are set back, and when."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.cluster import KMeans

from mmjax.competition import multi_loss, regression
from mmjax.competition._diagnose_relearn import diagnose_relearn, purities
from mmjax.competition._k_means import k_means, min_max_scaled, purity
from tests.competition.conftest import samples
from tests.competition.stage_checks import (
    FAST,
    PlainModel,
    check_strategy,
    own_gradients,
    splits,
    started,
    states_of,
    tiny_run,
)


def blobs(num_points, width=3):
    rng = np.random.default_rng(0)
    which = rng.integers(0, 4, num_points)
    points = rng.normal(size=(4, width))[which] * 10 + rng.normal(size=(num_points, width))
    return jnp.asarray(points, jnp.float32), which


four_means = jax.jit(functools.partial(k_means, num_clusters=4), compiler_options=FAST)


def test_clusters_are_those_of_scikit_learn():
    points, which = blobs(200)
    ours = four_means(jax.random.key(1), points, jnp.ones(200))
    theirs = KMeans(4, n_init=10, random_state=0).fit_predict(points)
    pairs = {(int(a), int(b)) for a, b in zip(ours, theirs, strict=True)}
    assert len(pairs) == 4
    np.testing.assert_allclose(purity(ours, jnp.asarray(which), jnp.ones(200), num_clusters=4, num_classes=4), 1)


def test_points_without_weight_do_not_count():
    points, _ = blobs(100)
    weight = (jnp.arange(200) < 100).astype(float)
    tails = [jnp.concatenate([points, tail]) for tail in (points - 1e3, 5 * points)]
    one, other = (four_means(jax.random.key(1), all_, weight)[:100] for all_ in tails)
    np.testing.assert_array_equal(one, other)
    scaled = min_max_scaled(tails[0], weight)
    assert scaled[:100].min() == -1 and scaled[:100].max() == 1 and np.all(scaled[100:] == -1)
    assert np.all(min_max_scaled(jnp.full((3, 2), 7.0), jnp.ones(3)) == -1)


def test_degenerate_clusters():
    same = jnp.ones((200, 3))
    for weight in (jnp.ones(200), jnp.zeros(200)):
        assert np.all(four_means(jax.random.key(0), same, weight) == 0)
    assert np.all(k_means(jax.random.key(0), same, jnp.ones(200), num_clusters=1, num_iterations=1) == 0)


def test_purity():
    clusters, label = jnp.array([0, 0, 0, 1, 1, 2]), jnp.array([1, 1, 0, 0, 2, 2])
    np.testing.assert_allclose(purity(clusters, label, jnp.ones(6), num_clusters=3, num_classes=3), 4 / 6)
    weight = jnp.array([1.0, 0, 0, 1, 0, 1])
    assert purity(clusters, label, weight, num_clusters=3, num_classes=3) == 1
    assert purity(clusters, label, jnp.zeros(6), num_clusters=3, num_classes=3) == 0


def test_encoders_are_set_back_as_far_as_they_have_memorised():
    """Latents of the training data are one point a class, those of the validation data noise."""
    model, strategy = PlainModel(), diagnose_relearn(period=2, max_times=1)
    train, valid = samples(jax.random.key(0), 30), samples(jax.random.key(1), 30)
    clear = train._replace(modalities={"x1": 3.0 * jax.nn.one_hot(train.label, 3), "x2": jnp.ones((30, 3))})
    params, statistics, state = started(strategy, model)
    changed = jax.tree.map(lambda x: x + 1, params)
    segment = jax.jit(
        lambda state: strategy.on_segment(model, {"params": changed, **statistics}, state, clear, valid),
        compiler_options=FAST,
    )
    kept, state = segment(state)
    chex.assert_trees_all_equal(kept, changed)
    key, _ = jax.random.split(state.key)
    back, state = segment(state)
    assert int(state.times) == 1
    measured = jax.jit(lambda key, data: purities(key, model, {"params": changed}, data), compiler_options=FAST)
    of_train, of_valid = (
        measured(jax.random.split(k)[1], data) for k, data in zip(jax.random.split(key), (clear, valid), strict=True)
    )
    assert of_train["x1"] == 1 and of_valid["x1"] < 1
    for name in ("x1", "x2"):  # from the initial parameters they are 1 away
        moved_back = changed[f"encoders_{name}"]["kernel"] - back[f"encoders_{name}"]["kernel"]
        share = np.tanh(3 * abs(of_train[name] - of_valid[name]))
        assert share > 0
        np.testing.assert_allclose(moved_back, np.full((3, 4), share), rtol=1e-4)
    chex.assert_trees_all_equal(back["head"], changed["head"])
    for _ in range(2):
        kept, state = segment(state)
    chex.assert_trees_all_equal(kept, changed)


def test_the_loss_is_multi_loss():
    chex.assert_trees_all_close(own_gradients(diagnose_relearn(), 3)[0], own_gradients(multi_loss(), 3)[0], rtol=1e-6)


def test_in_a_run():
    model, hparams = PlainModel(), {"learning_rate": jnp.float32(0.05)}
    states, _ = states_of(tiny_run(diagnose_relearn(period=2), model, 2), hparams, splits(), 2)
    assert [int(state.memory.times) for state in states] == [0, 0, 1]
    assert [int(state.memory.segment) for state in states] == [0, 1, 2]


def test_needs_classes():
    model, batch = PlainModel(num_outputs=2), samples(jax.random.key(0), label="targets")
    params, statistics, state = started(diagnose_relearn(), model)
    with pytest.raises(ValueError, match="diagnose_relearn needs classes"):
        diagnose_relearn(regression).loss(model, params, statistics, state, batch, jax.random.key(0))


def test_jit_vmap_and_hard_batches(thorough):
    check_strategy(
        lambda x: diagnose_relearn(strength=x, period=x, num_iterations=3), jnp.array([1.0, 2.0]), 3, thorough=thorough
    )
