"""Held-out estimates: identities, coverage, validity for wrong posteriors; cross-fitting with a classifier in JAX."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from mmjax import pid
from mmjax.pid._cross_fitting import PredictFn, _folds
from tests.pid.alternating import union_information

pytestmark = pytest.mark.usefixtures("quickly_compiled")

NUM_SAMPLES = 400
NUM_REPETITIONS = 200
PARTS = ("redundancy", "unique1", "unique2", "synergy")

CELLS = 32


def held_out(*samples: np.ndarray) -> pid.HeldOutPID:
    """Of many samples of 400 posteriors and labels, one by one: what `cross_fitted` calls, hence one program."""
    found = [pid.held_out_pid(*sample, num_cells=CELLS, base=2.0, level=0.95) for sample in zip(*samples, strict=True)]
    return jax.tree.map(lambda *values: np.stack(values), *jax.device_get(found))


def draw(p: np.ndarray, num: int = NUM_REPETITIONS) -> tuple[np.ndarray, ...]:
    """True posteriors p(y|x1), p(y|x2), p(y|x1,x2) (num, 400, 2) and labels of samples of a table."""
    cells = np.random.default_rng(0).choice(p.size, (num, NUM_SAMPLES), p=p.ravel())
    i, j, y = np.unravel_index(cells, p.shape)
    a, b, c = (q / q.sum(-1, keepdims=True) for q in (p.sum(1), p.sum(0), p))
    return a[i], b[j], c[i, j], y


def truth_of(p: np.ndarray) -> dict[str, float]:
    """The parts and informations in bits."""

    def bits(q: np.ndarray) -> float:
        return np.sum(q * np.log2(q / (q.sum(1, keepdims=True) * q.sum(0, keepdims=True))))

    first, second, both = bits(p.sum(1)), bits(p.sum(0)), bits(p.reshape(-1, p.shape[2]))
    union = union_information(p.sum(1), p.sum(0)) / np.log(2)
    parts = dict(zip(PARTS, (first + second - union, union - second, union - first, both - union), strict=True))
    return parts | {"information1": first, "information2": second, "union": union}


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
@pytest.mark.parametrize("name", ["xor", *(pytest.param(seed, marks=pytest.mark.slow) for seed in "014")])
def test_intervals_cover_the_truth(name: str):
    p = noisy_gate(name) + 1e-12
    p = p / p.sum()
    truth, found = truth_of(p), held_out(*draw(p))
    for part in PARTS:
        estimate, value = getattr(found, part), truth[part]
        covered = np.mean((estimate.lower <= value) & (value <= estimate.upper))
        assert covered >= 0.9, (part, covered)
        assert np.mean(estimate.upper - estimate.lower) < 0.25
    np.testing.assert_allclose(found.redundancy.value + found.unique1.value, found.information1.value, atol=1e-12)
    np.testing.assert_allclose(found.synergy.value + found.union.value, found.information12.value, atol=1e-12)


def sharpened(posterior: np.ndarray, sharpness: float) -> np.ndarray:
    return posterior**sharpness / (posterior**sharpness).sum(-1, keepdims=True)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("sharpness", [pytest.param(0.3, marks=pytest.mark.slow), 3.0])
def test_wrong_posteriors_underestimate(sharpness: float):
    p = noisy_gate("0")
    *posteriors, y = draw(p)
    truth, found = truth_of(p), held_out(*(sharpened(q, sharpness) for q in posteriors), y)
    for name in ("information1", "information2", "union"):
        values = getattr(found, name).value
        assert np.mean(values) <= truth[name] + 3 * np.std(values) / NUM_REPETITIONS**0.5
    if sharpness > 1:  # the plug-in of over-confident posteriors does not: that is why labels are asked
        plug_in = pid.from_posteriors(*(sharpened(q[0, :80], sharpness) for q in posteriors))
        assert plug_in.union_lower + plug_in.synergy > 1.5 * np.mean(found.information12.value)


@pytest.mark.usefixtures("float64")
def test_held_out_degenerate_and_refused():
    a, b, c, y = draw(noisy_gate("1"), 4)
    wrong = [np.argmax(y[2] == 0), np.argmax(y[2] == 1)]  # one of each class, so that totals agree
    y[0] -= 1
    a[1] *= 2
    seen = y[2].copy()
    seen[wrong] = 1 - seen[wrong]
    b[2] = np.eye(2)[seen]
    found = held_out(a, b, c, y)
    assert np.isnan(found.union.value[:2]).all()
    assert found.information2.value[2] == -np.inf
    assert np.isfinite(found.union.value[3:]).all()
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\); got 95"):
        pid.held_out_pid(a[3], b[3], c[3], y[3], level=95)


@pytest.mark.usefixtures("float64")
def test_a_single_sample_has_no_standard_error():
    single = np.array([[1.0]])
    found = pid.held_out_pid(single, single, single, np.array([0]))
    assert found.information12.value == 0 and np.isnan(found.information12.standard_error)


def features(*xs: Array) -> Array:
    x = jnp.concatenate(xs, axis=1)
    return jnp.concatenate([x, x[:, :1] * x[:, -1:], jnp.ones_like(x[:, :1])], axis=1)


@jax.jit
def weights_of(x1: Array, x2: Array, label: Array) -> tuple[Array, ...]:
    """Softmax regression on quadratic features, by gradient descent, for each modality and both."""

    def fit(x: Array) -> Array:
        def loss(w: Array) -> Array:
            return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x @ w), label[:, None], axis=1))

        return jax.lax.fori_loop(0, 300, lambda _, w: w - 0.5 * jax.grad(loss)(w), jnp.zeros((x.shape[1], 2)))

    return tuple(fit(features(*xs)) for xs in ((x1,), (x2,), (x1, x2)))


@jax.jit
def logits_of(weights: tuple[Array, ...], x1: Array, x2: Array) -> tuple[Array, ...]:
    return tuple(features(*xs) @ w for xs, w in zip(((x1,), (x2,), (x1, x2)), weights, strict=True))


def logistic_regression(key: Array, x1: Array, x2: Array, label: Array) -> PredictFn:
    return functools.partial(logits_of, weights_of(x1, x2, label))


def modalities(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two conditionally independent Gaussian modalities of a fair label."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    x1, x2 = (s * (2 * label - 1)[:, None] + rng.normal(size=(n, 1)) for s in (0.7, 1.2))
    return x1, x2, label


@pytest.mark.usefixtures("float64")
def test_cross_fitting_of_gaussians():
    x1, x2, label = modalities(NUM_SAMPLES, 0)
    found = pid.cross_fitted(jax.random.key(0), logistic_regression, x1, x2, label, num_cells=CELLS, num_folds=2)
    assert found.warnings == ()
    assert sorted(np.bincount(found.fold)) == [200, 200]
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
    x1, x2, _ = modalities(NUM_SAMPLES, 1)
    label = (np.arange(NUM_SAMPLES) % 40 == 0).astype(int)

    def noise(key: Array, *_: Array) -> PredictFn:
        seed = int(jax.random.bits(key))
        return lambda x1, x2: tuple(100 * np.random.default_rng(seed).normal(size=(3, NUM_SAMPLES, 2)))

    found = pid.cross_fitted(jax.random.key(0), noise, x1, x2, label, num_folds=2, num_cells=CELLS)
    assert found.warnings[0] == ("class 1 has about 5 samples a fold; fewer than 10 leave its posteriors uncertain")
    np.testing.assert_allclose(found.posterior1.mean(0), [0.975, 0.025], atol=0.01)
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
        return lambda x1, x2: (np.zeros((40, 2)),) * 3

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
    broken = (np.full((40, 2), np.nan),) * 3
    with pytest.raises(ValueError, match="logits that are not finite"):
        pid.cross_fitted(key, lambda *_: lambda x1, x2: broken, x1, x2, label)
