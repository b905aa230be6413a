import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import information, synergy

AND = np.array([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]]) / 4


def _samples(p, num):
    """Every outcome of a table of multiples of 1/num, as often as the table says: ids of each axis."""
    counts = np.rint(p * num).astype(int)
    assert counts.sum() == num
    return np.repeat(np.stack(np.unravel_index(np.arange(p.size), p.shape)), counts.ravel(), axis=1)


def _random_counts(shape, num=60, seed=0):
    rng = np.random.default_rng(seed)
    return rng.multinomial(num, rng.dirichlet(np.full(np.prod(shape), 0.5))).reshape(shape) / num


def _terms(ids, potentials):
    """Logits on unlabelled tuples and of true labels, for potentials (n_m, ny) of each modality."""
    *xs, y = ids
    return [b[x] for b, x in zip(potentials, xs, strict=True)], [b[x, y] for b, x in zip(potentials, xs, strict=True)]


def test_a_literal_loss():
    pair_logits = jnp.array([[[0.0, 1.0], [2.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]])
    label_logits = (jnp.array([1.0, 2.0]), jnp.array([0.0, 0.0, 3.0]))
    expected = (np.log(2 * np.e) + np.log(np.e**2 + 1)) / 2 - 1.5 - 1
    for logits in (pair_logits, tuple(pair_logits)):
        np.testing.assert_allclose(synergy.conditional_entropy_bound(logits, label_logits), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 2, 3), (2, 3, 2, 3)], ids=["two modalities", "three modalities"])
def test_every_potential_bounds_the_conditional_entropy(float64, shape):
    rng = np.random.default_rng(1)
    bound = jax.jit(synergy.conditional_entropy_bound)
    for seed in range(3):
        p = _random_counts(shape, seed=seed)
        given = tuple(range(len(shape) - 1))
        exact = information.conditional_entropy(p, given=given, base=np.e)
        for scale in (0.1, 1, 10):
            potentials = [jnp.asarray(scale * rng.normal(size=(n, shape[-1]))) for n in shape[:-1]]
            assert bound(*_terms(_samples(p, 60), potentials)) >= exact - 1e-12


def test_training_reaches_the_largest_entropy_of_the_marginals(float64):
    """The AND gate is the only joint with its marginals: the trained loss falls to H(Y|X1,X2) = 0."""
    ids = _samples(AND, 4)

    def loss(potentials):
        return synergy.conditional_entropy_bound(*_terms(ids, potentials))

    def step(potentials, _):
        return jax.tree.map(lambda b, g: b - 20 * g, potentials, jax.grad(loss)(potentials)), None

    start = [jnp.zeros((2, 2)), jnp.zeros((2, 2))]
    np.testing.assert_allclose(loss(start), np.log(2), rtol=1e-12)
    trained = jax.jit(lambda start: jax.lax.scan(step, start, length=3000)[0])(start)
    assert 0 <= loss(trained) < 1e-3
    additive = trained[0][:, None, :] + trained[1][None, :, :]
    np.testing.assert_array_equal(jnp.argmax(additive, axis=2), [[0, 0], [0, 1]])


def test_only_marginals_matter(float64):
    """Unlabelled tuples and labelled modalities may come from different samples, of any number."""
    p = _random_counts((3, 2, 2))
    potentials = [jnp.asarray(np.random.default_rng(0).normal(size=(n, 2))) for n in (3, 2)]
    pair_logits, label_logits = _terms(_samples(p, 60), potentials)
    order = np.random.default_rng(1).permutation(60)
    again = [label_logits[0][order], jnp.tile(label_logits[1], 3)]
    np.testing.assert_allclose(
        synergy.conditional_entropy_bound(pair_logits, again),
        synergy.conditional_entropy_bound(pair_logits, label_logits),
        rtol=1e-12,
    )


def test_any_classifiers_give_a_disagreement_bound(float64):
    """H(Y|X1,X2) <= t CE(f1) + (1-t) CE(f2) - E[-log sum f1^t f2^(1-t)] for uncalibrated classifiers."""
    rng = np.random.default_rng(0)
    p = _random_counts((3, 3, 3))
    ids = _samples(p, 60)
    log_f1, log_f2 = (jax.nn.log_softmax(3 * rng.normal(size=(3, 3))) for _ in range(2))
    t = 0.3
    bound = synergy.conditional_entropy_bound(*_terms(ids, [t * log_f1, (1 - t) * log_f2]))
    x1, x2, y = ids
    overlap = np.log(np.exp(t * log_f1[x1] + (1 - t) * log_f2[x2]).sum(1))
    by_hand = -t * log_f1[x1, y].mean() - (1 - t) * log_f2[x2, y].mean() + overlap.mean()
    np.testing.assert_allclose(bound, by_hand, rtol=1e-12)
    assert bound >= information.conditional_entropy(p, given=(0, 1), base=np.e)


def test_a_calibrated_constant_classifier_claims_nothing(float64):
    """For x1 = x2 = y, f1 = 1/2 and f2 Bayes, disagreement alone would claim t bits of synergy."""
    ids = np.array([[0, 1], [0, 1], [0, 1]])
    certain = jnp.log(jnp.array([[1 - 1e-12, 1e-12], [1e-12, 1 - 1e-12]]))
    constant = jnp.full((2, 2), np.log(0.5))
    for t in (0.1, 0.5, 0.9):
        loss = synergy.conditional_entropy_bound(*_terms(ids, [t * constant, (1 - t) * certain]))
        assert 0 <= loss < 0.1


def test_the_standard_error_is_the_spread_over_repetitions():
    rng = np.random.default_rng(0)
    potentials = [jnp.asarray(rng.normal(size=(3, 2)), jnp.float32) for _ in range(2)]
    p = rng.dirichlet(np.ones(18)).reshape(3, 3, 2)

    def draw(seed):
        ids = np.random.default_rng(seed).choice(18, size=(3, 100), p=p.ravel())
        (x1, x2, _), (u, _, yu), (_, v, yv) = (np.unravel_index(row, p.shape) for row in ids)
        return (potentials[0][x1], potentials[1][x2]), (potentials[0][u, yu], potentials[1][v, yv])

    draws = [draw(seed) for seed in range(200)]
    bounds = [jax.jit(synergy.conditional_entropy_bound)(*d) for d in draws]
    errors = [jax.jit(synergy.conditional_entropy_standard_error)(*d) for d in draws[:50]]
    np.testing.assert_allclose(np.mean(errors), np.std(bounds), rtol=0.15)
    assert np.isnan(synergy.conditional_entropy_standard_error(*jax.tree.map(lambda x: x[:1], draws[0])))


def test_the_loss_is_stable_and_differentiable_for_large_logits():
    pair_logits = (jnp.array([[1e4, -1e4], [0.0, 0.0]]), jnp.zeros((2, 2)))
    label_logits = (jnp.array([1e4]), jnp.array([0.0]))
    value, gradient = jax.value_and_grad(synergy.conditional_entropy_bound)(pair_logits, label_logits)
    np.testing.assert_allclose(value, (1e4 + np.log(2)) / 2 - 1e4, rtol=1e-5)
    np.testing.assert_allclose(gradient[0], [[0.5, 0], [0.25, 0.25]], atol=1e-6)


def test_modalities_must_match():
    logits, labels = jnp.zeros((4, 2)), jnp.zeros(3)
    with pytest.raises(ValueError, match="one entry for each modality; got 2 and 1"):
        synergy.conditional_entropy_bound((logits, logits), (labels,))
    with pytest.raises(ValueError, match="got 0 and 0"):
        synergy.conditional_entropy_bound((), ())
    with pytest.raises(AssertionError):
        synergy.conditional_entropy_bound((logits, jnp.zeros((5, 2))), (labels, labels))
    with pytest.raises(AssertionError):
        synergy.conditional_entropy_bound((logits,), (logits,))
