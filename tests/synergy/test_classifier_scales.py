import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from mmjax import information, synergy

pytestmark = pytest.mark.usefixtures("quickly_compiled")


def _terms(p, log_classifiers):
    """Logits on all cells repeated by their counts, a table of multiples of 1/120."""
    counts = np.rint(np.asarray(p) * 120).astype(int)
    *xs, y = np.repeat(np.stack(np.unravel_index(np.arange(p.size), p.shape)), counts.ravel(), axis=1)
    both = list(zip(log_classifiers, xs, strict=True))
    return [f[x] for f, x in both], [f[x, y] for f, x in both]


def _table(seed):
    rng = np.random.default_rng(seed)
    return rng.multinomial(120, rng.dirichlet(np.ones(18))).reshape(3, 3, 2) / 120


def _bound(terms, scales):
    pair_logits, label_logits = ([t * b for t, b in zip(scales, logits, strict=True)] for logits in terms)
    return synergy.conditional_entropy_bound(pair_logits, label_logits)


@pytest.mark.parametrize("seed", range(3))
def test_the_best_scales_are_the_minimum_of_a_convex_function(float64, seed):
    p = _table(seed)
    log_classifiers = [jax.nn.log_softmax(2 * np.random.default_rng(seed).normal(size=(3, 2))) for _ in range(2)]
    terms = _terms(p, log_classifiers)
    scales = synergy.classifier_scales(*terms, caution=0)
    found = optimize.minimize(lambda t: float(_bound(terms, t)), [0.5, 0.5], method="Nelder-Mead", tol=1e-12)
    np.testing.assert_allclose(_bound(terms, scales), found.fun, atol=1e-9)
    np.testing.assert_allclose(jax.grad(lambda t: _bound(terms, t))(scales), 0, atol=1e-5)
    assert _bound(terms, scales) >= information.conditional_entropy(p, given=(0, 1), base=np.e) - 1e-12


def test_never_worse_than_a_classifier_or_their_mean(float64):
    p = _table(3)
    rng = np.random.default_rng(3)
    terms = _terms(p, [jax.nn.log_softmax(rng.normal(size=(3, 2))) for _ in range(2)])
    best = _bound(terms, synergy.classifier_scales(*terms, caution=0))
    for t in ([1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 0.0]):
        assert best <= _bound(terms, t) + 1e-12


def test_three_classifiers_and_one_that_says_nothing():
    rng = np.random.default_rng(0)
    pair = [jnp.asarray(rng.normal(size=(50, 3)), jnp.float32) for _ in range(2)] + [jnp.zeros((50, 3))]
    own = [b[jnp.arange(50), jnp.asarray(rng.integers(3, size=50))] for b in pair]
    scales = synergy.classifier_scales(pair, own)
    assert scales.shape == (3,) and np.isfinite(scales).all()
    assert _bound((pair, own), scales) <= np.log(3) + 0.01


def test_accurate_classifiers_do_not_run_away():
    """On samples of two good classifiers L has no minimum; with its standard error it has one, and holds elsewhere."""

    def draw(seed):
        rng = np.random.default_rng(seed)
        label, own = rng.integers(2, size=200), rng.integers(2, size=(2, 200))
        shown = (label, label, *own)
        margins = [np.outer(2 * y - 1, [-1, 1]) * rng.normal(4, 0.5, (200, 1)) for y in shown]
        logits = [jax.nn.log_softmax(jnp.asarray(margin, jnp.float32)) for margin in margins]
        return logits[:2], [b[jnp.arange(200), y] for b, y in zip(logits[2:], own, strict=True)]

    scales = synergy.classifier_scales(*draw(0))
    assert np.abs(scales).max() < 3
    held_out = _bound(draw(1), scales)
    assert -3 * synergy.conditional_entropy_standard_error(*draw(1)) < held_out < 0.2
