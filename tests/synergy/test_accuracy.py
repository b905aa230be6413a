import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import information, synergy
from mmjax.synergy._accuracy import accuracy_from_conditional_entropy

XOR = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]) / 4


def _random_tables(num, shape, concentration=1.0, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.gamma(concentration, size=(num, *shape))
    return p / p.sum((1, 2, 3), keepdims=True)


@jax.jit
@jax.vmap
def _of_joint(p):
    """Bayes accuracy, and its limits from the exact H(Y|X1,X2) and the pairwise marginals."""
    entropy = information.conditional_entropy(p, given=(0, 1))
    pairs = information.pairwise_marginals(p)
    return jnp.sum(jnp.max(p, axis=2)), accuracy_from_conditional_entropy(entropy, entropy, *pairs), entropy


@pytest.mark.parametrize(
    ("bits", "num_classes", "expected"),
    [
        (0.0, 5, 1.0),
        (1.0, 5, 1 / 2),
        (np.log2(3), 5, 1 / 3),
        (0.5, 2, 0.75),
        (2.0, 4, 1 / 4),
        (3.0, 4, 1 / 4),
    ],
)
def test_lower_bound_of_literal_entropies(bits, num_classes, expected):
    bound = synergy.accuracy_lower_bound(jnp.array(bits), num_classes)
    np.testing.assert_allclose(bound, expected, atol=1e-5)
    assert bound <= np.float32(expected)


@pytest.mark.parametrize(
    ("bits", "num_classes", "expected"),
    # Binary entropy .5 bit at .1100279; e = .3 with three classes: h(.3) + .3 = 1.1812909 bit.
    [(0.0, 5, 1.0), (0.5, 2, 0.8899721), (1.1812909, 3, 0.7), (1.0, 2, 0.5), (2.0, 4, 0.25), (-0.1, 3, 1.0)],
)
def test_upper_bound_of_literal_entropies(float64, bits, num_classes, expected):
    bound = synergy.accuracy_upper_bound(jnp.array(bits), num_classes)
    np.testing.assert_allclose(bound, expected, atol=2e-7)
    assert bound >= expected - 1e-8


def test_units_and_one_class(float64):
    for bound in (synergy.accuracy_lower_bound, synergy.accuracy_upper_bound):
        np.testing.assert_allclose(bound(jnp.array(np.log(2) / 2), 3, base=np.e), bound(jnp.array(0.5), 3), rtol=1e-12)
        np.testing.assert_allclose(bound(jnp.array(0.0), 1), 1)


def test_the_two_inequalities_are_attained(float64):
    # Posteriors uniform on two or on three classes for the lower one, one likely class for the upper one.
    sharp = np.array([[0.5, 0.5, 0, 0], [1 / 3, 1 / 3, 1 / 3, 0]]) / 2
    fano = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1]]) / 2
    for p, bound in ((sharp, synergy.accuracy_lower_bound), (fano, synergy.accuracy_upper_bound)):
        entropy = information.conditional_entropy(p, given=0)
        np.testing.assert_allclose(bound(entropy, 4), p.max(1).sum(), atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("concentration", [1.0, 0.1])
@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 4, 5)])
def test_limits_hold_for_random_joints(shape, concentration, dtype):
    p = _random_tables(500, shape, concentration).astype(dtype)
    with jax.enable_x64(dtype is np.float64):
        accuracy, (lower, upper), entropy = _of_joint(p)
        rounding = 4 * np.finfo(dtype).eps
        assert lower.dtype == dtype
        assert (lower <= accuracy + rounding).all() and (accuracy <= upper + rounding).all()
        assert (lower >= 2.0 ** -np.asarray(entropy) - 100 * rounding).all()
        unimodal = np.maximum(p.sum(2).max(2).sum(1), p.sum(1).max(2).sum(1))
        assert (lower >= unimodal - 100 * rounding).all()


def test_limits_of_gates():
    gates = {"xor": XOR, "first": XOR.sum(2)[:, :, None] * np.eye(2)[:, None, :]}
    _, (lower, upper), _ = _of_joint(np.stack(list(gates.values())).astype(np.float32))
    np.testing.assert_allclose(lower, [1, 1], atol=1e-5)
    np.testing.assert_allclose(upper, [1, 1])
    # Its pairwise marginals leave H(Y|X1,X2) between 0 and 1 bit, and everything from chance to certainty.
    pairs = [jnp.asarray(XOR.sum(axis), jnp.float32) for axis in (2, 1, 0)]
    bounds = accuracy_from_conditional_entropy(jnp.array(0.0), jnp.array(1.0), *pairs)
    np.testing.assert_allclose(bounds, [0.5, 1], atol=1e-5)


def test_pairwise_marginals_limit_accuracy_where_the_entropy_says_nothing():
    """Two constant modalities leave half the mass to each of two labels, whatever the entropy."""
    pairs = [jnp.ones((1, 1)), jnp.full((1, 2), 0.5), jnp.full((1, 2), 0.5)]
    bounds = accuracy_from_conditional_entropy(jnp.array(0.0), jnp.array(1.0), *pairs)
    np.testing.assert_allclose(bounds, [0.5, 0.5], atol=1e-5)


@pytest.mark.parametrize("bound", [synergy.accuracy_lower_bound, synergy.accuracy_upper_bound])
def test_derivatives_of_the_inequalities(float64, bound):
    bits = jnp.array([0.01, 0.3, 0.9, 1.2, 1.9])
    f = jax.jit(jax.vmap(lambda h: bound(h, 4)))
    slope = jax.jit(jax.vmap(jax.grad(lambda h: bound(h, 4))))
    step = 1e-6
    np.testing.assert_allclose(slope(bits), (f(bits + step) - f(bits - step)) / (2 * step), rtol=1e-5)
    curvature = jax.vmap(jax.jacfwd(jax.grad(lambda h: bound(h, 4))))(bits)
    differences = (slope(bits + step) - slope(bits - step)) / (2 * step)
    np.testing.assert_allclose(curvature, differences, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bits", [0.0, 1.0, 2.0, 2.5, -0.5])
@pytest.mark.parametrize("bound", [synergy.accuracy_lower_bound, synergy.accuracy_upper_bound])
def test_derivatives_are_finite_at_corners(bound, bits):
    value, slope = jax.value_and_grad(lambda h: bound(h, 4))(jnp.array(bits))
    assert 0.25 <= value <= 1 and np.isfinite(slope)


def test_gradients_of_limits_are_finite_at_zeros_and_ties():
    pairs = [jnp.asarray(XOR.sum(axis), jnp.float32) for axis in (2, 1, 0)]
    for of in ("lower", "upper"):
        gradients = jax.grad(
            lambda *pairs, of=of: getattr(
                accuracy_from_conditional_entropy(jnp.array(0.2), jnp.array(0.9), *pairs), of
            ),
            argnums=(0, 1, 2),
        )(*pairs)
        assert all(np.isfinite(g).all() for g in gradients)


def test_no_table_gives_nan():
    pairs = [jnp.asarray(XOR.sum(axis), jnp.float32) for axis in (2, 1, 0)]
    broken = accuracy_from_conditional_entropy(jnp.array(0.0), jnp.array(1.0), pairs[0] * 2, *pairs[1:])
    assert np.isnan(broken.lower) and np.isnan(broken.upper)
    unknown = accuracy_from_conditional_entropy(jnp.array(np.nan), jnp.array(np.nan), *pairs)
    assert np.isnan(unknown.lower) and np.isnan(unknown.upper)


def test_no_entropy_is_no_accuracy():
    for bound in (synergy.accuracy_lower_bound, synergy.accuracy_upper_bound):
        assert np.isnan(bound(jnp.nan, 3))
        with pytest.raises(ValueError, match="num_classes must be at least 1"):
            bound(1.0, 0)
