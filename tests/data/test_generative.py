import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import GENERATIVE_RATIOS, generative_data, generative_posteriors

NUM_SAMPLES = 4000
DIM = 30


def sample(ratios, seed=0, **options):
    options = {"num_samples": NUM_SAMPLES, "transform_dim": DIM} | options
    return jax.tree.map(np.asarray, generative_data(jax.random.key(seed), ratios, **options))


def linear_accuracy(x, label):
    """Training accuracy of least squares from the first five principal components, which hold all of a latent."""
    basis = np.linalg.svd(x - x.mean(0), full_matrices=False)[0][:, :5]
    fitted = basis @ (basis.T @ (label - label.mean()))
    return np.mean((fitted > 0) == label)


def best_accuracy(num_seen):
    """Accuracy of the sign of a latent's sum, given how many of its five coordinates the score sees (ours).

    If m coordinates survive dropout, score and sum correlate by sqrt(m/5); sign agreement is Sheppard's formula.
    """
    return sum(
        math.comb(num_seen, m) * 0.8**m * 0.2 ** (num_seen - m) * (0.5 + math.asin(math.sqrt(m / 5)) / math.pi)
        for m in range(num_seen + 1)
    )


def test_modalities_share_the_common_latent_only():
    data = sample((0, 0, 1))
    assert data.x1.shape == data.x2.shape == (NUM_SAMPLES, 2 * DIM)
    np.testing.assert_array_equal(data.x1[:, DIM:], data.x2[:, DIM:])
    correlation = np.corrcoef(data.x1[:, :DIM], data.x2[:, :DIM], rowvar=False)[:DIM, DIM:]
    assert np.abs(correlation).max() < 0.1
    for block in (data.x1[:, :DIM], data.x2[:, :DIM], data.x1[:, DIM:]):
        singular = np.linalg.svd(block, compute_uv=False)
        assert singular[5] < 1e-4 * singular[4]


def test_latents_have_variance_one_and_a_half():
    # A column of T has five entries U(0,1): E |column|^2 = 5/3, so the mean variance is 1.5 * 5/3.
    variances = [sample((0, 0, 1), seed).x1.var(0).mean() for seed in range(9)]
    assert np.mean(variances) == pytest.approx(2.5, rel=0.05)


@pytest.mark.parametrize(
    ("ratios", "part", "num_seen"),
    [((1, 0, 0), "first", 5), ((0, 1, 0), "second", 5), ((0, 0, 1), "common", 5), ((0.5, 0, 0), "first", 2)],
)
def test_the_label_comes_from_the_latents_that_the_ratios_name(ratios, part, num_seen):
    data = sample(ratios)
    parts = {"first": data.x1[:, :DIM], "second": data.x2[:, :DIM], "common": data.x1[:, DIM:]}
    for name, x in parts.items():
        expected = best_accuracy(num_seen) if name == part else 0.5
        assert linear_accuracy(x, data.label) == pytest.approx(expected, abs=0.035)


def test_classes_are_quantiles():
    label = sample((1, 1, 0.5), num_samples=1001, num_classes=4).label
    assert label.dtype == np.int32
    np.testing.assert_array_equal(np.unique(label), range(4))
    counts = np.bincount(label)
    assert counts.max() - counts.min() <= 1


def test_sampling_is_pure_and_compiles():
    def draw(key):
        return generative_data(key, GENERATIVE_RATIOS["mix4"], num_samples=50, transform_dim=3)

    keys = jax.random.split(jax.random.key(0), 2)
    first, again = draw(keys[0]), draw(keys[0])
    jax.tree.map(np.testing.assert_array_equal, first, again)
    batch = jax.jit(jax.vmap(draw))(keys)
    np.testing.assert_allclose(batch.x2[0], first.x2, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(batch.label[0], first.label)
    assert not jnp.array_equal(batch.label[0], batch.label[1])


@pytest.mark.parametrize("ratios", [(0, 1), (0, 0, 1.5), (-0.1, 1, 1)])
def test_ratios_out_of_range_are_refused(ratios):
    with pytest.raises(ValueError, match=r"ratios must be three numbers in \[0, 1\]"):
        generative_data(jax.random.key(0), ratios)


def latents_of(key, num_samples):
    """The latents (num_samples, 3, 5) that `generative_posteriors` draws for a key."""
    draws = jax.vmap(lambda k: jax.random.normal(k, (3, 5)))(jax.random.split(key, num_samples))
    return np.sqrt(1.5) * np.asarray(draws, float)


@functools.cache
def posteriors(name, num_samples=400):
    return jax.tree.map(
        np.asarray, generative_posteriors(jax.random.key(5), GENERATIVE_RATIOS[name], num_samples=num_samples)
    )


@pytest.mark.parametrize("name", ["redundancy", "uniqueness0", "mix3"])
def test_posteriors_sum_to_one_and_are_fair_on_average(name):
    for p in posteriors(name):
        assert p.shape == (400, 2) and p.dtype == np.float32
        assert p.min() >= 0
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
        assert abs(p[:, 1].mean() - 0.5) <= 4 * p[:, 1].std() / 20 + 1e-6


def test_what_only_one_modality_knows():
    shared = posteriors("redundancy")
    np.testing.assert_allclose(shared.x1, shared.both, atol=1e-5)
    np.testing.assert_allclose(shared.x2, shared.both, atol=1e-5)
    own = posteriors("uniqueness0")
    np.testing.assert_allclose(own.x2, 0.5, atol=1e-5)
    np.testing.assert_allclose(own.x1, own.both, atol=1e-5)
    assert shared.both.std() > 0.2 and own.both.std() > 0.2


def score(rng, latents, counts):
    """The score of latents (n, 3, 5) as published: some coordinates at random, then dropout."""
    rank = rng.random(latents.shape).argsort(2).argsort(2)
    seen = (rank < np.array(counts)[None, :, None]) & (rng.random(latents.shape) < 0.8)
    return np.where(seen, latents, 0).sum((1, 2))


def test_posteriors_are_the_shares_of_simulated_labels():
    """Latents that a modality determines held fixed, the other one drawn anew; mix3 sees 5, 5 and 2 coordinates."""
    rng, num = np.random.default_rng(0), 20_000
    found = posteriors("mix3")
    for i, latents in enumerate(latents_of(jax.random.key(5), 400)[:6]):
        for p, lacks in ((found.x1, [1]), (found.x2, [0]), (found.both, [])):
            drawn = np.repeat(latents[None], num, axis=0)
            drawn[:, lacks] = np.sqrt(1.5) * rng.normal(size=drawn[:, lacks].shape)
            simulated = score(rng, drawn, (5, 5, 2))
            share = np.mean(simulated > 0) + np.mean(simulated == 0) / 2
            chance = float(p[i, 1])
            assert abs(share - chance) <= 4 * np.sqrt(chance * (1 - chance) / num) + 1e-5, (i, lacks)


@pytest.mark.parametrize(("name", "part"), [("redundancy", 2), ("uniqueness0", 0)])
def test_posteriors_know_the_accuracy_of_a_rule(name, part):
    """Their mean chance that the label is the sign of the latent's sum, which Sheppard's formula gives."""
    right = latents_of(jax.random.key(5), 400)[:, part].sum(1) > 0
    chance = np.where(right, posteriors(name).both[:, 1], posteriors(name).both[:, 0])
    assert abs(chance.mean() - best_accuracy(5)) <= 4 * chance.std() / 20


def test_posteriors_map_over_keys():
    keys = jnp.stack([jax.random.key(5), jax.random.key(6)])
    draw = functools.partial(generative_posteriors, ratios=GENERATIVE_RATIOS["mix3"], num_samples=400)
    together = jax.jit(jax.vmap(draw))(keys)
    for one, all_ in zip(posteriors("mix3"), together, strict=True):
        np.testing.assert_allclose(all_[0], one, atol=1e-5)
    assert not np.allclose(together.both[0], together.both[1])
