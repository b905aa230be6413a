"""Joint and individual subspaces of views that were made of known ones; both bounds against plain sampling."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.correlation._ajive import ajive

pytestmark = pytest.mark.usefixtures("quickly_compiled")

NUM_SAMPLES, SIZES, KEY = 40, (10, 12), jax.random.key(0)
of = jax.jit(functools.partial(ajive, num_draws=200), static_argnames=("signal_ranks", "joint_rank"))


def factored(seed, num_joint=2, num_individual=(2, 1), noise=0.02, sizes=SIZES):
    """Views of joint and individual factors, all orthonormal, with equal loadings; and these factors."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(NUM_SAMPLES, num_joint + sum(num_individual)))
    factors = np.linalg.qr(z - z.mean(0))[0]
    joint, *individual = np.split(factors, np.cumsum((num_joint, *num_individual))[:-1], axis=1)
    views = []
    for own, d in zip(individual, sizes, strict=True):
        signal = np.c_[joint, own]
        loadings = np.linalg.qr(rng.normal(size=(d, d)))[0][: signal.shape[1]]
        views.append(jnp.array(signal @ loadings + noise * rng.normal(size=(NUM_SAMPLES, d)) + 3, jnp.float32))
    return views, joint, individual


def gap(scores, truth):
    """The sine of the largest angle between the subspaces of scores and of the truth."""
    kept = np.asarray(scores)[:, : truth.shape[1]]
    return np.linalg.norm(kept - truth @ (truth.T @ kept), ord=2)


def thresholds(views):
    return np.array([of(views, key=key, signal_ranks=(4, 3)).threshold for key in jax.random.split(KEY, 10)])


def test_the_subspaces_are_those_of_the_factors():
    views, joint, individual = factored(0)
    found = of(views, key=KEY, signal_ranks=(4, 3))
    assert found.joint_rank == 2 and found.joint.shape == (NUM_SAMPLES, 3)
    np.testing.assert_allclose(found.joint.T @ found.joint, np.diag([1, 1, 0]), atol=1e-5)
    assert gap(found.joint, joint) < 0.15
    for scores, truth, rank in zip(found.individual, individual, (4, 3), strict=True):
        assert scores.shape == (NUM_SAMPLES, rank) and gap(scores, truth) < 0.2
        kept = np.arange(rank) < rank - 2
        np.testing.assert_allclose(scores.T @ scores, np.diag(kept), atol=1e-5)
        np.testing.assert_allclose(found.joint.T @ scores, 0, atol=1e-5)
    assert found.squared_values.shape == (7,) and np.all(np.diff(found.squared_values) <= 0)
    np.testing.assert_array_equal(found.squared_values > found.threshold, np.arange(7) < 2)


def test_the_joint_rank_is_found():
    ranks = [int(of(factored(seed)[0], key=KEY, signal_ranks=(4, 3)).joint_rank) for seed in range(20)]
    assert ranks.count(2) >= 19


def test_views_that_share_nothing_have_joint_rank_0():
    for noise in (0.02, 0.15):
        made = [factored(100 + seed, 0, (4, 3), noise) for seed in range(20)]
        found = [of(views, key=KEY, signal_ranks=(4, 3)) for views, _, _ in made]
        assert [int(f.joint_rank) for f in found].count(0) >= 19
        empty = next(f for f in found if f.joint_rank == 0)
        assert np.all(np.asarray(empty.joint) == 0) and np.isfinite(empty.threshold)
        np.testing.assert_allclose(empty.individual[1].T @ empty.individual[1], np.eye(3), atol=1e-5)


def test_three_views_and_a_direction_that_only_two_share():
    rng = np.random.default_rng(1)
    z = np.linalg.qr(rng.normal(size=(NUM_SAMPLES, 5)))[0]
    z = np.linalg.qr(z - z.mean(0))[0]
    parts = [z[:, [0, 1, 2]], z[:, [0, 1, 3]], z[:, [0, 4]]]  # 0 is in all, 1 in two
    views = [jnp.array(p @ rng.normal(size=(p.shape[1], 8)) + 0.01 * rng.normal(size=(NUM_SAMPLES, 8))) for p in parts]
    views = [view.astype(jnp.float32) for view in views]
    found = of(views, key=KEY, signal_ranks=(3, 3, 2))
    np.testing.assert_allclose(found.squared_values[:3], [3, 2, 1], atol=0.1)
    assert found.joint_rank == 1 and gap(found.joint, z[:, :1]) < 0.1 and found.joint.shape[1] == 2


def test_views_without_noise_keep_what_they_share():
    views, joint, individual = factored(2, noise=0.0)
    found = of(views, key=KEY, signal_ranks=(4, 3))
    assert found.joint_rank == 2 and gap(found.joint, joint) < 1e-4 and gap(found.individual[0], individual[0]) < 1e-4
    assert 2 - 1e-4 < found.threshold < 2


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_a_given_rank_is_taken(rank):
    views, joint, _ = factored(3)
    found = of(views, key=KEY, signal_ranks=(4, 3), joint_rank=rank)
    assert found.joint_rank == rank and found.threshold == 0
    assert np.count_nonzero(np.linalg.norm(found.joint, axis=0)) == rank
    assert [np.count_nonzero(np.linalg.norm(s, axis=0)) for s in found.individual] == [4 - rank, 3 - rank]
    assert gap(found.joint[:, : min(rank, 2)], joint) < 0.15 if rank else True


def test_the_chance_bound_is_that_of_random_subspaces():
    """Views of noise alone, where the other bound is low: against orthonormal bases of Gaussian matrices."""
    rng = np.random.default_rng(4)
    views = [jnp.array(rng.normal(size=(NUM_SAMPLES, d)), jnp.float32) for d in SIZES]
    found = thresholds(views)
    a, b = np.linalg.qr(rng.normal(size=(2000, 39, 4)))[0], np.linalg.qr(rng.normal(size=(2000, 39, 3)))[0]
    cosines = np.linalg.svd(a.transpose(0, 2, 1) @ b, compute_uv=False)[:, 0]
    assert found.mean() == pytest.approx(1 + np.percentile(cosines, 95), abs=0.02)


def test_the_bound_from_noise_is_that_of_random_directions_off_the_signal():
    views, _, _ = factored(5)
    found = thresholds(views)
    rng, left = np.random.default_rng(6), np.full(2000, 2.0)
    for view, rank in zip(views, (4, 3), strict=True):
        x = np.asarray(view)
        x = x - x.mean(0)
        u, values, vt = np.linalg.svd(x)
        off_left = np.linalg.svd(np.c_[np.ones(NUM_SAMPLES), u[:, :rank]])[0][:, rank + 1 :]
        norms = []
        for matrix, basis in ((x.T, off_left), (x, vt[rank:].T)):
            frames = np.linalg.qr(rng.normal(size=(2000, basis.shape[1], rank)))[0]
            norms.append(np.linalg.norm(matrix @ basis @ frames, ord=2, axis=(1, 2)))
        left -= np.minimum(np.maximum(*norms) / values[rank - 1], 1) ** 2
    assert np.all((found > 1.6) & (found < 1.99))
    assert found.mean() == pytest.approx(np.percentile(left, 5), abs=0.002)


def test_scores_do_not_depend_on_signs_and_units():
    views, _, _ = factored(7)
    found = of(views, key=KEY, signal_ranks=(4, 3))
    turned = of([-1e4 * views[0], 1e-4 * views[1]], key=KEY, signal_ranks=(4, 3))
    for scores, other in zip((found.joint, *found.individual), (turned.joint, *turned.individual), strict=True):
        np.testing.assert_allclose(other, scores, atol=1e-3)
        assert np.all(np.max(scores, axis=0) >= -np.min(scores, axis=0))


def test_the_key_decides_the_draws_alone():
    views, _, _ = factored(8)
    first, again, other = (of(views, key=key, signal_ranks=(4, 3)) for key in (KEY, KEY, jax.random.key(1)))
    assert first.threshold == again.threshold != other.threshold
    assert other.threshold == pytest.approx(float(first.threshold), abs=0.05)
    np.testing.assert_array_equal(first.joint, other.joint)


def test_jit_and_vmap():
    pairs = [factored(seed)[0] for seed in (9, 10)]
    stacked = [jnp.stack(views) for views in zip(*pairs, strict=True)]
    together = jax.vmap(functools.partial(of, key=KEY, signal_ranks=(4, 3)))(stacked)
    assert together.joint_rank.tolist() == [2, 2]
    one = of(pairs[1], key=KEY, signal_ranks=(4, 3))
    jax.tree.map(lambda t, o: np.testing.assert_allclose(t[1], o, atol=1e-3), together, one)
    given = of(pairs[1], key=KEY, signal_ranks=(4, 3), joint_rank=2)
    eager = ajive(pairs[1], (4, 3), key=KEY, joint_rank=2)
    jax.tree.map(lambda g, e: np.testing.assert_allclose(g, e, atol=1e-3), given, eager)


@pytest.mark.parametrize("both", [False, True])
def test_views_without_variance_share_nothing(both):
    x, _ = factored(11)[0]
    constant = jnp.full((NUM_SAMPLES, 12), 0.1)
    found = of([constant[:, :10] if both else x, constant], key=KEY, signal_ranks=(4, 3))
    assert found.joint_rank == 0 and np.all(np.asarray(found.individual[1]) == 0)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


def test_a_nan_is_not_hidden():
    x, y = factored(12)[0]
    found = of([x.at[3, 4].set(jnp.nan), y], key=KEY, signal_ranks=(4, 3))
    assert np.isnan(found.squared_values).all() and np.isnan(found.threshold) and np.isnan(found.joint).all()
    assert np.isnan(found.individual[0][:, 0]).all()


def test_ranks_that_cannot_be_are_refused():
    x, y = jnp.ones((9, 10)), jnp.ones((9, 4))
    with pytest.raises(ValueError, match=r"at most \[7, 3\]; got \[4, 4\]"):
        ajive([x, y], (4, 4), key=KEY)
    with pytest.raises(ValueError, match=r"at most \[8, 4\]; got \[9, 4\]"):
        ajive([x, y], (9, 4), key=KEY, joint_rank=1)
    with pytest.raises(ValueError, match=r"must be at least 1 and .* got \[0, 2\]"):
        ajive([x, y], (0, 2), key=KEY)
    with pytest.raises(ValueError, match=r"joint_rank must be in \[0, 2\]"):
        ajive([x, y], (4, 2), key=KEY, joint_rank=3)
    with pytest.raises(ValueError, match="each of 2 views takes a signal rank; got 1"):
        ajive([x, y], (4,), key=KEY)
    with pytest.raises(ValueError, match="at least 2 views are needed; got 1"):
        ajive([x], (4,), key=KEY)
