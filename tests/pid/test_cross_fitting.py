"""Held-out estimates: identities, coverage, validity for wrong posteriors; cross-fitting with a classifier in JAX."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from mmjax import pid
from mmjax.pid._cross_fitting import PredictFn, _folds

NUM_SAMPLES = 400
NUM_REPETITIONS = 200
PARTS = ("redundancy", "unique1", "unique2", "synergy")


def draw(key: Array, p: Array) -> tuple[Array, ...]:
    """True posteriors p(y|x1), p(y|x2), p(y|x1,x2) and labels of a sample of a table."""
    cells = jax.random.choice(key, p.size, (NUM_SAMPLES,), p=p.ravel())
    i, j, y = jnp.unravel_index(cells, p.shape)
    first, second = p.sum(1), p.sum(0)
    a, b, c = (q / q.sum(-1, keepdims=True) for q in (first, second, p))
    return a[i], b[j], c[i, j], y


@pytest.fixture(scope="module")
def repeated() -> Callable[[Array, float], pid.HeldOutPID]:
    def one(key: Array, p: Array, sharpness: Array) -> pid.HeldOutPID:
        a, b, c, y = draw(key, p)
        sharp = (q**sharpness / (q**sharpness).sum(-1, keepdims=True) for q in (a, b, c))
        return pid.held_out_pid(*sharp, y, num_cells=8)

    keys = jax.random.split(jax.random.key(0), NUM_REPETITIONS)
    compiled = jax.jit(jax.vmap(one, in_axes=(0, None, None)))
    return lambda p, sharpness=1.0: compiled(keys, p, jnp.asarray(sharpness))


def noisy_gate(name: str) -> np.ndarray:
    p = np.full((3, 3, 2), 0.0)
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        p[a, b, a & b if name == "and" else a ^ b] = 0.225
    p[:2, :2] += 0.1 / 8
    p[2, 2] = 0
    return (
        p / p.sum()
        if name in ("and", "xor")
        else np.random.default_rng(int(name)).dirichlet(np.ones(18)).reshape(3, 3, 2)
    )


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", ["xor", "0", "1", "4"])
def test_intervals_cover_the_truth(name: str, repeated: Callable[..., pid.HeldOutPID]):
    p = jnp.asarray(noisy_gate(name) + 1e-12)
    p = p / p.sum()
    truth, found = pid.broja(p), repeated(p)
    for part in PARTS:
        estimate, value = getattr(found, part), getattr(truth, part)
        covered = jnp.mean((estimate.lower <= value) & (value <= estimate.upper))
        assert covered >= 0.9, (part, covered)
        assert jnp.mean(estimate.upper - estimate.lower) < 0.25
    np.testing.assert_allclose(found.redundancy.value + found.unique1.value, found.information1.value, atol=1e-12)
    np.testing.assert_allclose(found.synergy.value + found.union.value, found.information12.value, atol=1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("sharpness", [0.3, 3.0])
def test_wrong_posteriors_underestimate(sharpness: float, repeated: Callable[..., pid.HeldOutPID]):
    p = jnp.asarray(noisy_gate("0"))
    truth, found = pid.broja(p), repeated(p, sharpness)
    informations = (truth.redundancy + truth.unique1, truth.redundancy + truth.unique2, truth.union_upper)
    for estimate, value in zip((found.information1, found.information2, found.union), informations, strict=True):
        error = jnp.std(estimate.value) / NUM_REPETITIONS**0.5
        assert jnp.mean(estimate.value) <= value + 3 * error
    # The plug-in of over-confident posteriors does not: that is why labels are asked.
    a, b, c, _ = draw(jax.random.key(1), p)
    plug_in = pid.from_posteriors(*(q**3 / (q**3).sum(1, keepdims=True) for q in (a, b, c)), num_cells=8)
    assert plug_in.union_lower + plug_in.synergy > 1.5 * jnp.mean(found.information12.value)


@pytest.mark.usefixtures("float64")
def test_held_out_degenerate_and_refused():
    a, b, c, y = draw(jax.random.key(2), jnp.asarray(noisy_gate("1")))
    assert np.isnan(pid.held_out_pid(a, b, c, y - 1, num_cells=8).union.value)
    assert np.isnan(pid.held_out_pid(2 * a, b, c, y, num_cells=8).union.value)
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\); got 95"):
        pid.held_out_pid(a, b, c, y, level=95)
    wrong = jnp.asarray([jnp.argmax(y == 0), jnp.argmax(y == 1)])  # one of each class, so that totals agree
    certain = jnp.eye(2)[y.at[wrong].set(1 - y[wrong])]
    assert pid.held_out_pid(a, certain, c, y, num_cells=8).information2.value == -jnp.inf
    single = jnp.asarray([[1.0]])
    found = pid.held_out_pid(single, single, single, jnp.asarray([0]))
    assert found.information12.value == 0 and np.isnan(found.information12.standard_error)


def logistic_regression(key: Array, x1: Array, x2: Array, label: Array) -> PredictFn:
    """Softmax regression on quadratic features, by gradient descent."""

    def features(*xs: Array) -> Array:
        x = jnp.concatenate(xs, axis=1)
        return jnp.concatenate([x, x[:, :1] * x[:, -1:], jnp.ones_like(x[:, :1])], axis=1)

    def fit(x: Array) -> Array:
        def loss(w: Array) -> Array:
            return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x @ w), label[:, None], axis=1))

        return jax.lax.fori_loop(0, 300, lambda _, w: w - 0.5 * jax.grad(loss)(w), jnp.zeros((x.shape[1], 2)))

    w1, w2, w12 = (fit(features(*xs)) for xs in ((x1,), (x2,), (x1, x2)))
    return lambda x1, x2: (features(x1) @ w1, features(x2) @ w2, features(x1, x2) @ w12)


def modalities(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two conditionally independent Gaussian modalities of a fair label."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    x1, x2 = (s * (2 * label - 1)[:, None] + rng.normal(size=(n, 1)) for s in (0.7, 1.2))
    return x1, x2, label


@pytest.mark.usefixtures("float64")
def test_cross_fitting_of_gaussians():
    x1, x2, label = modalities(1000, 0)
    found = pid.cross_fitted(jax.random.key(0), logistic_regression, x1, x2, label, num_cells=32, num_folds=2)
    assert found.warnings == ()
    assert sorted(np.bincount(found.fold)) == [500, 500]
    estimate = found.estimate
    # I(X;Y) of a fair label and N(+-s, 1), by quadrature: s = .7, 1.2, and both together sqrt(.7^2 + 1.2^2).
    z = np.linspace(-12, 12, 20_001)
    for value, s in zip(
        (estimate.information1, estimate.information2, estimate.information12), (0.7, 1.2, 1.93**0.5), strict=True
    ):
        density = np.exp(-((z - s) ** 2) / 2) / np.sqrt(2 * np.pi)
        truth = 1 - np.trapezoid(density * np.log2(1 + np.exp(-2 * s * z)), z)
        assert value.lower - 0.01 <= truth <= value.upper + 0.01
    assert estimate.unique1.lower <= 0 <= estimate.unique1.upper + 1e-3  # the weaker of two ordered channels
    assert estimate.gap < 0.01


@pytest.mark.usefixtures("float64")
def test_warns_of_rare_classes_and_calibrates_noise_away():
    x1, x2, _ = modalities(1000, 1)
    label = (np.arange(1000) % 100 == 0).astype(int)

    def noise(key: Array, *_: Array) -> PredictFn:
        return lambda x1, x2: tuple(100 * jax.random.normal(k, (1000, 2)) for k in jax.random.split(key, 3))

    found = pid.cross_fitted(jax.random.key(0), noise, x1, x2, label, num_folds=2, num_cells=32)
    assert found.warnings[0] == ("class 1 has about 5 samples a fold; fewer than 10 leave its posteriors uncertain")
    np.testing.assert_allclose(found.posterior1.mean(0), [0.99, 0.01], atol=0.005)
    assert abs(found.estimate.information12.value) < 0.02


def test_folds_are_stratified_and_disjoint():
    label = np.repeat([0, 1, 2], [50, 30, 11])
    fold, calibrating = _folds(jax.random.key(3), label, 5)
    for c, size in enumerate((10, 6, 2.2)):
        counts = np.bincount(fold[label == c], minlength=5)
        assert np.all(np.abs(counts - size) <= 1)
    for k in range(5):
        assert not np.any(calibrating[k] & (fold == k))
        assert set(label[calibrating[k]]) == {0, 1, 2}
        assert set(label[(fold != k) & ~calibrating[k]]) == {0, 1, 2}


def test_refuses_bad_samples():
    x1, x2, label = modalities(40, 2)
    key = jax.random.key(0)

    def constant(*_: Array) -> PredictFn:
        return lambda x1, x2: (jnp.zeros((40, 2)),) * 3

    cases = (
        ((x1[:5], x2, label), {}, "must be of one length; got 5, 40"),
        ((x1, x2, label - 1), {}, "label must hold integers"),
        ((x1, x2, label * 1.0), {}, "label must hold integers"),
        ((x1, x2, label * 2), {}, "class 1 has 0 samples, too few for 5 folds"),
        ((x1, x2, label), {"num_folds": 1}, "num_folds must be 2 or more; got 1"),
    )
    for arguments, options, message in cases:
        with pytest.raises(ValueError, match=message):
            pid.cross_fitted(key, constant, *arguments, **options)
    with pytest.raises(ValueError, match="must return logits of shapes"):
        pid.cross_fitted(key, lambda *_: lambda x1, x2: (x1, x2, x1), x1, x2, label)
    broken = (jnp.full((40, 2), jnp.nan),) * 3
    with pytest.raises(ValueError, match="logits that are not finite"):
        pid.cross_fitted(key, lambda *_: lambda x1, x2: broken, x1, x2, label)
