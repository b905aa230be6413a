import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import information, synergy

SHAPES = [(3, 2, 3), (2, 3, 2, 2)]


def _table(shape, seed):
    return np.random.default_rng(seed).dirichlet(np.full(np.prod(shape), 0.5)).reshape(shape)


def _potentials(shape, seed):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.normal(size=(n, shape[-1]))) for n in shape[:-1]]


@functools.partial(jax.jit, static_argnames="num_samples")
def _draw(key, p, potentials, num_samples):
    """Bounds from unlabelled tuples and, apart from them, labelled samples of each modality."""
    cells = jax.random.choice(key, p.size, (p.ndim, num_samples), p=p.ravel())
    *xs, _ = jnp.unravel_index(cells[0], p.shape)
    own = [jnp.unravel_index(row, p.shape) for row in cells[1:]]
    return synergy.unpaired_bounds(
        [b[x] for b, x in zip(potentials, xs, strict=True)],
        [b[ids[m]] for m, (b, ids) in enumerate(zip(potentials, own, strict=True))],
        [ids[-1] for ids in own],
    )


@pytest.mark.parametrize("shape", SHAPES, ids=["two modalities", "three modalities"])
def test_standard_errors_are_the_spread_of_valid_bounds(float64, shape):
    p, potentials = jnp.asarray(_table(shape, 0)), _potentials(shape, 1)
    draws = jax.vmap(lambda key: _draw(key, p, potentials, 400))(jax.random.split(jax.random.key(0), 400))
    for name in ("conditional_entropy", "information", "classifier_accuracy"):
        value, error = getattr(draws, name)
        np.testing.assert_allclose(np.mean(error), np.std(value), rtol=0.12)
    exact = information.conditional_entropy(p, given=tuple(range(p.ndim - 1)), base=np.e)
    label = information.entropy(information.marginal(p, (p.ndim - 1,)), base=np.e)
    assert np.mean(draws.conditional_entropy.value) > exact
    assert np.mean(draws.information.value) < label - exact
    best = p.max(-1).sum()
    assert np.mean(draws.accuracy.value) < best
    additive = functools.reduce(
        jnp.add, [jnp.expand_dims(b, [k for k in range(p.ndim - 1) if k != m]) for m, b in enumerate(potentials)]
    )
    right = jnp.take_along_axis(p, additive.argmax(-1)[..., None], axis=-1).sum()
    assert np.mean(draws.classifier_accuracy.value) < right


def test_a_literal_example():
    logits = jnp.array([[0.0, 0.0], [0.0, 0.0]])
    known = jnp.array([[9.0, -9.0], [-9.0, 9.0]])
    labels = jnp.array([0, 1])
    bounds = synergy.unpaired_bounds([known, logits], [known, logits], [labels, labels])
    nats = np.log1p(np.exp(-18.0))
    np.testing.assert_allclose(bounds.conditional_entropy.value, nats, atol=1e-6)
    np.testing.assert_allclose(bounds.information.value, np.log(2) - nats, rtol=1e-6)
    np.testing.assert_allclose(bounds.accuracy.value, 1, atol=1e-5)
    np.testing.assert_allclose(bounds.classifier_accuracy.value, 1, atol=1e-5)
    np.testing.assert_allclose([estimate.standard_error for estimate in bounds], 0, atol=1e-6)


def test_a_class_that_one_labelled_set_lacks():
    """The labels' entropy is that of all labelled samples together."""
    pair, own = [jnp.zeros((5, 3))] * 2, [jnp.zeros((4, 3))] * 2
    bounds = synergy.unpaired_bounds(pair, own, [jnp.array([0, 0, 1, 1]), jnp.array([2, 2, 0, 1])])
    frequency = np.array([3, 3, 2]) / 8
    np.testing.assert_allclose(bounds.information.value, -(frequency * np.log(frequency)).sum() - np.log(3), atol=1e-6)


def test_one_sample_has_no_standard_error_and_nan_stays_nan():
    one = synergy.unpaired_bounds([jnp.zeros((1, 2))], [jnp.zeros((1, 2))], [jnp.array([1])])
    assert np.isnan([estimate.standard_error for estimate in one]).all()
    lost = synergy.unpaired_bounds([jnp.full((3, 2), jnp.nan)], [jnp.zeros((3, 2))], [jnp.array([0, 1, 1])])
    assert np.isnan([estimate.value for estimate in lost]).all()


def test_large_logits_stay_finite():
    huge = jnp.array([[1e4, -1e4], [-1e4, 1e4]])
    right = synergy.unpaired_bounds([huge], [huge], [jnp.array([0, 1])])
    wrong = synergy.unpaired_bounds([huge], [huge], [jnp.array([1, 0])])
    np.testing.assert_allclose(right.conditional_entropy.value, 0, atol=1e-6)
    np.testing.assert_allclose(wrong.conditional_entropy.value, 2e4, rtol=1e-6)
    assert wrong.accuracy.value == 0.5


def test_entries_must_match():
    logits, labels = jnp.zeros((3, 2)), jnp.zeros(3, jnp.int32)
    with pytest.raises(ValueError, match="one entry for each modality; got 2, 1 and 1"):
        synergy.unpaired_bounds([logits, logits], [logits], [labels])
    with pytest.raises(AssertionError):
        synergy.unpaired_bounds([logits], [logits], [labels[:2]])
