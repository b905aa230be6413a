"""Gaussian closed forms: literal values, identities, singular input, derivatives, what the corrections correct."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import digamma
from scipy.stats import norm

from mmjax import estimators

LOG2 = np.log(2)


def random_covariance(seed: int, dim: int) -> np.ndarray:
    factor = np.random.default_rng(seed).normal(size=(dim, dim + 2))
    return factor @ factor.T


def entropy(covariance: np.ndarray, *variables: int) -> float:
    """Differential entropy of some of the variables less their dimension's constant, in nats."""
    return np.linalg.slogdet(covariance[np.ix_(variables, variables)])[1] / 2


def normal_samples(seed: int, covariance: np.ndarray, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(*shape, len(covariance))) @ np.linalg.cholesky(covariance).T


@jax.jit
def informations(covariance):
    """Information, its gradient and the ranks of (4,) and (3,) variables: one program for all pairs of blocks."""
    value, gradient = jax.value_and_grad(estimators.gaussian_information)(covariance, (4, 3))
    return value, gradient, estimators.block_correlation(covariance, (4, 3))


def spread(covariance: np.ndarray, size: int, rest: float = 1.0) -> np.ndarray:
    """The covariance of the first `size` variables and the others as blocks of 4 and 3, filled up with noise."""
    places = [*range(size), *range(4, 4 + len(covariance) - size)]
    whole = rest * np.eye(7)
    whole[np.ix_(places, places)] = covariance
    return whole


@functools.partial(jax.jit, static_argnames="sizes")
def multivariate(covariance, sizes=None):
    """Total correlation, its dual and their difference by the third function."""
    return (
        estimators.gaussian_total_correlation(covariance, sizes),
        estimators.gaussian_dual_total_correlation(covariance, sizes),
        estimators.gaussian_o_information(covariance, sizes),
    )


def five(covariance: np.ndarray) -> np.ndarray:
    """A covariance filled up to five variables with independent ones, which change nothing."""
    whole = np.eye(5)
    whole[: len(covariance), : len(covariance)] = covariance
    return whole


def test_information_of_two_variables(float64):
    covariance = np.array([[4.0, 3.0], [3.0, 3.0]])  # correlation^2 = 3/4
    np.testing.assert_allclose(informations(spread(covariance, 1))[0], LOG2, rtol=1e-14)
    np.testing.assert_allclose(informations(spread(covariance, 1, rest=0))[0], LOG2, rtol=1e-14)


def test_information_is_that_of_the_entropies(float64):
    covariance = random_covariance(0, 7)
    expected = entropy(covariance, 0, 1, 2, 3) + entropy(covariance, 4, 5, 6) - entropy(covariance, *range(7))
    np.testing.assert_allclose(informations(covariance)[0], expected, rtol=1e-12)


def test_information_is_blind_to_units_and_to_rotations_of_a_side(float64):
    covariance, change = random_covariance(1, 4), np.zeros((4, 4))
    change[:2, :2], change[2:, 2:] = [[1e6, 3e6], [0, 1]], [[1e-5, 0], [2, 1e-3]]
    value = informations(spread(change @ covariance @ change.T, 2))[0]
    np.testing.assert_allclose(value, informations(spread(covariance, 2))[0], rtol=1e-9)
    expected = entropy(covariance, 0, 1) + entropy(covariance, 2, 3) - entropy(covariance, *range(4))
    np.testing.assert_allclose(value, expected, rtol=1e-9)


def test_block_correlation_holds_the_canonical_correlations(float64):
    covariance = np.eye(4)
    covariance[0, 3] = covariance[3, 0] = 0.6
    covariance[1, 2] = covariance[2, 1] = -0.2
    matrix, ranks = informations(spread(covariance, 2))[2]
    np.testing.assert_allclose(np.linalg.svd(matrix[:4, 4:], compute_uv=False), [0.6, 0.2, 0], atol=1e-14)
    np.testing.assert_array_equal(matrix[:4, :4], np.eye(4))
    np.testing.assert_array_equal(ranks, [4, 3])


@pytest.mark.parametrize("sizes", [None, (2, 1, 2)])
def test_multivariate_informations_are_those_of_the_entropies(float64, sizes):
    covariance = random_covariance(2, 5)
    blocks = [(0,), (1,), (2,), (3,), (4,)] if sizes is None else [(0, 1), (2,), (3, 4)]
    whole = entropy(covariance, *range(5))
    alone = sum(entropy(covariance, *block) for block in blocks)
    rest = sum(entropy(covariance, *(set(range(5)) - set(block))) for block in blocks)
    total, dual = alone - whole, rest - (len(blocks) - 1) * whole
    np.testing.assert_allclose(multivariate(covariance, sizes), (total, dual, total - dual), rtol=1e-12, atol=1e-12)


def test_o_information_tells_redundancy_from_synergy(float64):
    common = 0.5 * np.eye(3) + 0.5
    # x3 = x1 + x2 + noise: 1/2 log(3) - 1/2 log(2) each way less the total information 1/2 log(3)
    sum_of_two = np.array([[1.0, 0, 1], [0, 1, 1], [1, 1, 3]])
    assert multivariate(five(common))[2] > 0.01
    np.testing.assert_allclose(multivariate(five(sum_of_two))[2], np.log(1.5) - np.log(3) / 2, rtol=1e-12)
    assert abs(estimators.gaussian_o_information(random_covariance(3, 4), (1, 3))) < 1e-12


def test_independent_variables_have_none(float64):
    np.testing.assert_allclose(multivariate(np.diag([1.0, 1e-8, 1e8, 1, 1]))[:2], 0, atol=1e-15)


def test_features_without_variance_add_nothing(float64):
    covariance = random_covariance(4, 4)
    # x gets a constant and the sum of its features, y a copy.
    change = np.array(
        [[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    )
    value, gradient, (_, ranks) = informations(change @ covariance @ change.T)
    expected = entropy(covariance, 0, 1) + entropy(covariance, 2, 3) - entropy(covariance, *range(4))
    np.testing.assert_allclose(value, expected, rtol=1e-9)
    np.testing.assert_array_equal(ranks, [2, 2])
    assert np.isfinite(gradient).all()


def test_a_side_that_determines_the_other_has_infinite_information(float64):
    copies = np.array([[1.0, 0.5, 1], [0.5, 1, 0.5], [1, 0.5, 1]])
    assert informations(spread(copies, 2))[0] == np.inf
    total, dual, difference = multivariate(five(copies))
    assert total == np.inf and dual == np.inf and np.isnan(difference)


@pytest.mark.parametrize(
    "covariance",
    [
        [[1.0, 2], [2, 1]],
        [[1.0, 0.5], [0.3, 1]],
        [[-1.0, 0], [0, 1]],
        [[0.0, 1e-6], [1e-6, 1]],
        [[1.0, np.nan], [np.nan, 1]],
        [[np.inf, 0], [0, 1]],
    ],
    ids=["indefinite", "asymmetric", "negative", "covarying constant", "nan", "inf"],
)
def test_what_is_no_covariance_gives_nan(float64, covariance):
    assert np.isnan(multivariate(five(np.array(covariance)))).all()
    value, _, (_, ranks) = informations(spread(np.array(covariance), 1))
    assert np.isnan(value) and np.isnan(ranks).all()


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="sum to 3"):
        estimators.gaussian_total_correlation(jnp.eye(3), (1, 1))
    with pytest.raises(ValueError, match="positive"):
        estimators.gaussian_total_correlation(jnp.eye(3), (3, 0))
    with pytest.raises(ValueError, match="two sizes"):
        estimators.gaussian_information(jnp.eye(3), (1, 1, 1))


def test_derivatives(float64):
    covariance = random_covariance(5, 4)
    direction = np.random.default_rng(0).normal(size=(4, 4))
    direction = direction + direction.T

    def line(t: jax.Array) -> jax.Array:
        moved, sizes = covariance + t * direction, (1, 2, 1)
        return estimators.gaussian_total_correlation(moved, sizes) + 3 * estimators.gaussian_o_information(moved, sizes)

    @jax.jit
    def all_three(t: jax.Array) -> tuple[jax.Array, ...]:
        slope, curvature = jax.value_and_grad(jax.grad(line))(t)
        return line(t), slope, curvature

    lower, middle, upper = (all_three(t) for t in (-1e-5, 0.0, 1e-5))
    for k in range(2):
        np.testing.assert_allclose(middle[k + 1], (upper[k] - lower[k]) / 2e-5, rtol=1e-6)


def test_batches_and_float32():
    covariances = np.stack([random_covariance(seed, 4) for seed in range(3)]).astype(np.float32)
    o_information = functools.partial(estimators.gaussian_o_information, sizes=(1, 2, 1))
    together = jax.jit(jax.vmap(o_information))(covariances)
    assert together.dtype == np.float32
    with jax.enable_x64(True):
        np.testing.assert_allclose(together, [o_information(c.astype(float)) for c in covariances], atol=1e-4)


def test_bias_of_the_plug_in_is_that_of_chi_squared_variables(float64):
    # 1/2 [psi(19/2) - psi(17/2)] + 1/2 [psi(9) - psi(8)] = 1/2 (2/17 + 1/8)
    bias = estimators.gaussian_information_bias(20, jnp.array(2.0), jnp.array(2.0), max_rank=3)
    np.testing.assert_allclose(bias, (2 / 17 + 1 / 8) / 2, rtol=1e-12)
    swapped = [
        estimators.gaussian_information_bias(20, jnp.array(a), jnp.array(b), max_rank=3)
        for a, b in ((3.0, 2.0), (2.0, 3.0))
    ]
    np.testing.assert_allclose(*swapped, rtol=1e-12)


def test_estimate_from_samples_is_unbiased(float64):
    covariance = random_covariance(6, 5)
    samples = normal_samples(0, covariance, 4000, 15) + 100
    estimates = jax.jit(jax.vmap(estimators.gaussian_information_from_samples))(samples[..., :2], samples[..., 2:])
    truth = entropy(covariance, 0, 1) + entropy(covariance, 2, 3, 4) - entropy(covariance, *range(5))
    error = np.mean(estimates) - truth
    standard_error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(error) < 4 * standard_error < 0.05
    bias = sum(digamma((15 - i) / 2) - digamma((13 - i) / 2) for i in (1, 2, 3)) / 2
    assert bias > 10 * standard_error  # what the test would see without the correction


NUM = 200


@jax.jit
def from_samples(x, y):
    """Both estimates, and the gradient of that from ranks; of x (200, 3) in most tests, hence one program."""
    value, gradient = jax.value_and_grad(estimators.gaussian_copula_information)(x, y)
    return estimators.gaussian_information_from_samples(x, y), value, gradient


def by_hand(x: np.ndarray, y: np.ndarray) -> float:
    """The estimate for two vectors: that of their correlation less the bias."""
    bias = (digamma((len(x) - 1) / 2) - digamma((len(x) - 2) / 2)) / 2
    return -np.log(1 - np.corrcoef(x, y)[0, 1] ** 2) / 2 - bias


def test_constant_and_repeated_features_of_samples_change_nothing(float64):
    x, y = normal_samples(1, random_covariance(7, 2), NUM).T
    constant = np.full(NUM, 0.1)
    linear, copula, _ = from_samples(np.stack([x, constant, 2 * x], axis=1), y)
    np.testing.assert_allclose(linear, by_hand(x, y), rtol=1e-9)
    scores = (norm.ppf((z.argsort().argsort() + 1) / (NUM + 1)) for z in (x, y))
    np.testing.assert_allclose(copula, by_hand(*scores), rtol=1e-9)
    nothing = from_samples(np.stack([constant, constant, constant - 7], axis=1), y)
    np.testing.assert_allclose(nothing[:2], 0, atol=1e-15)


@pytest.mark.parametrize("num", [1, 2])
def test_too_few_samples_give_nan(float64, num):
    x, y = normal_samples(2, np.eye(2), num).T
    assert np.isnan(from_samples(x, y)[:2]).all()


def test_normal_scores():
    x = np.array([[3.0, 1], [-1e4, 1], [1e4, 1], [3, 1]])
    expected = norm.ppf([2.5 / 5, 1 / 5, 4 / 5, 2.5 / 5])
    scores = estimators.normal_scores(x)
    np.testing.assert_allclose(scores[:, 0], expected, atol=1e-6)
    np.testing.assert_allclose(scores[:, 1], 0, atol=1e-6)
    broken = np.array([[1.0, 1], [np.nan, 2], [0, 3], [0, 4]])
    assert np.isnan(estimators.normal_scores(broken)).tolist() == [[True, False]] * 4


def test_copula_information_is_blind_to_increasing_maps(float64):
    samples = normal_samples(4, random_covariance(8, 4), NUM)
    x, y = samples[:, :3], samples[:, 3]
    value, gradient = from_samples(x, y)[1:]
    np.testing.assert_allclose(from_samples(np.exp(x), y**3)[1], value, rtol=1e-12)
    assert value > 0.01 and not np.any(gradient)


def test_copula_information_of_heavy_tails(float64):
    x, y = np.sinh(2 * normal_samples(5, np.array([[1, np.sqrt(0.75)], [np.sqrt(0.75), 1]]), 20000)).T
    linear, copula, _ = from_samples(x, y)
    assert abs(copula - LOG2) < 0.03
    assert linear < LOG2 - 0.1  # of their covariance


def test_samples_that_are_not_finite_give_nan(float64):
    samples = normal_samples(6, np.eye(4), NUM)
    assert np.isfinite(from_samples(samples[:, :3], samples[:, 3])[:2]).all()
    samples[3, 0] = np.nan
    assert np.isnan(from_samples(samples[:, :3], samples[:, 3])[:2]).all()
    for function in (estimators.gaussian_information_from_samples, estimators.gaussian_copula_information):
        assert not function.is_bound


def test_unpaired_samples_are_refused():
    for function in (estimators.gaussian_information_from_samples, estimators.gaussian_copula_information):
        with pytest.raises(AssertionError):
            function(jnp.arange(4.0), jnp.arange(5.0))
