"""The Gaussian decomposition: closed forms, canonical examples, a numerical optimum, singular input, samples."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from mmjax import pid

pytestmark = pytest.mark.usefixtures("quickly_compiled")

PARTS = ("redundancy", "unique1", "unique2", "synergy")
SIZES = (2, 3, 2)


def parts(result: pid.PID) -> np.ndarray:
    return np.stack([getattr(result, part) for part in PARTS], axis=-1)


def channels(gain1: np.ndarray, gain2: np.ndarray, noise: np.ndarray | None = None) -> np.ndarray:
    """Covariance of (x1, x2, y) with y ~ N(0, I) and (x1, x2) = (gain1; gain2) y + N(0, noise)."""
    gain = np.concatenate([gain1, gain2])
    noise = np.eye(len(gain)) if noise is None else noise
    return np.block([[gain @ gain.T + noise, gain], [gain.T, np.eye(gain.shape[1])]])


def random_covariance(seed: int, sizes: tuple[int, int, int] = SIZES) -> np.ndarray:
    factor = np.random.default_rng(seed).normal(size=(sum(sizes), sum(sizes) + 2))
    return factor @ factor.T


def scalar_channels(gain1: float, gain2: float, noise: float) -> np.ndarray:
    return channels(np.array([[gain1]]), np.array([[gain2]]), np.array([[1, noise], [noise, 1]]))


def turned_gains(gain1: float, gain2: float, angle: float) -> np.ndarray:
    """x1 sees the first coordinate of the turned y with gain1, x2 the second of y with gain2, the others with 1."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return channels(np.diag([gain1, 1.0]) @ turn, np.diag([1.0, gain2]))


def bits(snr: float) -> float:
    return np.log2(1 + snr) / 2


def test_scalar_examples(float64):
    # The canonical examples of Venkatesh et al. 2023 (arXiv 2307.10515, figure 1), which have closed forms.
    for noise in (0.0, 0.3, 0.9, 0.99):
        total = bits(1 / (1 - noise**2))
        unique_and_synergy = parts(pid.gaussian(scalar_channels(1, 0, noise), (1, 1, 1)))
        np.testing.assert_allclose(unique_and_synergy, [0, 0.5, 0, total - 0.5], atol=1e-12)
        total = bits(2 / (1 + noise))
        redundant_and_synergy = parts(pid.gaussian(scalar_channels(1, 1, noise), (1, 1, 1)))
        np.testing.assert_allclose(redundant_and_synergy, [0.5, 0, 0, total - 0.5], atol=1e-12)
    for variance in (0.0, 1.0, 10.0, 100.0):  # x2 is x1 and more noise
        covariance = np.array([[2.0, 2, 1], [2, 2 + variance, 1], [1, 1, 1]])
        second = bits(1 / (1 + variance))
        np.testing.assert_allclose(parts(pid.gaussian(covariance, (1, 1, 1))), [second, 0.5 - second, 0, 0], atol=1e-12)


def test_vector_examples_of_another_solver(float64):
    # Values of the gradient descent of gpid (github.com/praveenv253/gpid, commit b63967f, run 2026-11-21) on
    # turned_gains: it regularises the noise by 1e-7, hence the tolerance.
    cases = {
        (np.sqrt(2), np.sqrt(2), np.pi / 8): (1.021996457473, 0.270484792888, 0.270484792888, 0.430401016333),
        (np.sqrt(2), np.sqrt(2), np.pi / 4): (1.084962546105, 0.207518704256, 0.207518704256, 0.477098093539),
        (np.sqrt(2), np.sqrt(2), np.pi / 2): (1.292481250361, 0, 0, 0.660963941646),
        (3, np.sqrt(2), 0): (1.000000064921, 1.160963982523, 0.292481185440, 0.276270456757),
        (3, 2, 1): (1.358102770094, 0.802861277350, 0.302861277350, 0.343621303561),
        (0.5, 4, 0.3): (0.660964047444, 0, 1.882767373181, 0.143483715979),
    }
    ours = jax.vmap(lambda covariance: pid.gaussian(covariance, (2, 2, 2)))(np.stack([turned_gains(*c) for c in cases]))
    np.testing.assert_allclose(parts(ours), list(cases.values()), rtol=0, atol=2e-7)
    assert (ours.gap < 1e-14).all()
    # Here their descent stops 1.1e-4 above the minimum: x1 tells all that x2 does, so R = I(X2;Y) = 1 bit.
    np.testing.assert_allclose(parts(pid.gaussian(turned_gains(2, 1, 0.7), (2, 2, 2)))[[0, 2]], [1, 0], atol=1e-12)


def test_parallel_channels_add(float64):
    # Coordinate by coordinate R = min; then mixed by maps within x1, x2 and y, which change nothing.
    gain1, gain2 = np.array([2.0, 0.5, 1.0]), np.array([1.0, 3.0, 0.0])
    single1, single2, both = bits(gain1**2), bits(gain2**2), bits(gain1**2 + gain2**2)
    shared = np.minimum(single1, single2)
    expected = [part.sum() for part in (shared, single1 - shared, single2 - shared, both - single1 - single2 + shared)]
    rng = np.random.default_rng(0)
    mixing = np.zeros((9, 9))
    for block in range(3):
        mixing[3 * block : 3 * block + 3, 3 * block : 3 * block + 3] = rng.normal(size=(3, 3)) * 10.0 ** (3 * block - 3)
    covariance = mixing @ channels(np.diag(gain1), np.diag(gain2)) @ mixing.T
    result = pid.gaussian((covariance + covariance.T) / 2, (3, 3, 3))
    np.testing.assert_allclose(parts(result), expected, atol=1e-9)
    assert result.converged


@jax.jit
@jax.value_and_grad
def union_candidate(k: jax.Array, gain: jax.Array) -> jax.Array:
    """I(X1,X2;Y) in nats of whitened noises with cross-covariance K (I + K^T K)^(-1/2), whose norm is below 1."""
    left, values, right = jnp.linalg.svd(k.reshape(2, 2))
    cross = left @ jnp.diag(values / jnp.sqrt(1 + values**2)) @ right
    noise = jnp.block([[jnp.eye(2), cross], [cross.T, jnp.eye(2)]])
    return jnp.linalg.slogdet(jnp.eye(2) + gain.T @ jnp.linalg.solve(noise, gain))[1] / 2


@pytest.mark.parametrize("seed", range(3))
def test_no_gaussian_with_the_same_pairs_has_less_information(float64, seed):
    rng = np.random.default_rng(seed)
    gain = rng.normal(size=(4, 2))
    found = scipy.optimize.minimize(
        union_candidate, rng.normal(size=4), (gain,), jac=True, method="BFGS", options={"gtol": 1e-10}
    )
    result = pid.gaussian(channels(gain[:2], gain[2:]), (2, 2, 2), base=np.e)
    np.testing.assert_allclose(result.union_upper, found.fun, atol=1e-6)
    assert result.union_lower <= found.fun + 1e-12


def test_scalar_label_gives_the_smaller_information(float64):
    result = pid.gaussian(random_covariance(1, (3, 2, 1)), (3, 2, 1))
    assert min(abs(result.unique1), abs(result.unique2)) < 1e-13
    assert max(result.unique1, result.unique2) > 0.01


def test_swapping_the_modalities_swaps_the_unique_parts(float64):
    covariance = random_covariance(2)
    order = np.array([2, 3, 4, 0, 1, 5, 6])
    swapped = pid.gaussian(covariance[np.ix_(order, order)], (3, 2, 2))
    np.testing.assert_allclose(parts(swapped)[[0, 2, 1, 3]], parts(pid.gaussian(covariance, SIZES)), atol=1e-12)


def test_parts_are_nonnegative_and_add_up(float64):
    covariances = np.stack([random_covariance(seed) for seed in range(200)])
    result = jax.vmap(functools.partial(pid.gaussian, sizes=SIZES))(covariances)
    assert parts(result).min() > -1e-12
    assert result.converged.all() and result.gap.min() >= 0 and result.gap.max() < 1e-12

    def log_det(c):
        return np.linalg.slogdet(c)[1] / np.log(4)

    total = log_det(covariances[:, :5, :5]) + log_det(covariances[:, 5:, 5:]) - log_det(covariances)
    np.testing.assert_allclose(parts(result).sum(axis=1), total, atol=1e-10)
    alone = pid.gaussian(covariances[7], SIZES)
    np.testing.assert_allclose(parts(result)[7], parts(alone), atol=1e-12)
    single = pid.gaussian(covariances[7].astype(np.float32), SIZES)
    assert single.redundancy.dtype == np.float32
    np.testing.assert_allclose(parts(single), parts(alone), atol=1e-4)


def test_gradient(float64):
    covariance = random_covariance(3)
    direction = random_covariance(4) - random_covariance(5)
    weights = jnp.array([1.0, -2, 3, 0.5])

    @jax.jit
    def value(covariance: jax.Array) -> jax.Array:
        return jnp.dot(jnp.stack(pid.gaussian(covariance, SIZES)[:4]), weights)

    step = 1e-5
    slope = (value(covariance + step * direction) - value(covariance - step * direction)) / (2 * step)
    np.testing.assert_allclose(np.sum(jax.grad(value)(covariance) * direction), slope, rtol=1e-6)
    np.testing.assert_allclose(jax.jvp(value, (covariance,), (direction,))[1], slope, rtol=1e-6)
    with pytest.raises(TypeError, match="second derivatives"):
        jax.hessian(value)(covariance)


def test_degenerate_modalities(float64):
    decompose = functools.partial(pid.gaussian, sizes=(2, 2, 2))
    gain = np.array([[1.0, 2], [0, 1]])
    information = bits(np.linalg.det(np.eye(2) + gain.T @ gain) - 1)
    copies = channels(gain, gain, np.block([[np.eye(2), np.eye(2)], [np.eye(2), np.eye(2)]]))
    np.testing.assert_allclose(parts(decompose(copies)), [information, 0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(parts(decompose(channels(gain, 0 * gain))), [0, information, 0, 0], atol=1e-12)
    constant = channels(gain, 0 * gain, np.diag([1.0, 1, 0, 0]))
    np.testing.assert_allclose(parts(decompose(constant)), [0, information, 0, 0], atol=1e-12)
    once = parts(decompose(channels(gain, gain)))
    wider = np.eye(6)[[0, 1, 2, 3, 4, 5, 4]]
    np.testing.assert_allclose(parts(pid.gaussian(wider @ channels(gain, gain) @ wider.T, (2, 2, 3))), once, atol=1e-9)


def test_a_determined_label_has_infinite_information(float64):
    sum_of_both = np.array([[1.0, 0, 1], [0, 1, 1], [1, 1, 2]])
    result = pid.gaussian(sum_of_both, (1, 1, 1))
    np.testing.assert_allclose(parts(result)[:3], [0.5, 0, 0], atol=1e-12)
    assert result.synergy == np.inf
    result = pid.gaussian(np.array([[1.0, 0, 1], [0, 1, 0], [1, 0, 1]]), (1, 1, 1))
    assert result.unique1 == np.inf
    assert np.isnan(result.redundancy) and not result.converged


def test_what_is_no_covariance_gives_nan(float64):
    for bad in ([[1, 0, 2], [0, 1, 0], [2, 0, 1]], [[1, 0, np.nan], [0, 1, 0], [np.nan, 0, 1]]):
        result = pid.gaussian(np.array(bad, float), (1, 1, 1))
        assert np.isnan(parts(result)).all() and np.isnan(result.gap) and not result.converged


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="three sizes"):
        pid.gaussian(jnp.eye(3), (1, 2))
    with pytest.raises(ValueError, match="sum to 3"):
        pid.gaussian(jnp.eye(3), (1, 1, 2))


def samples(covariance: np.ndarray, *shape: int) -> tuple[np.ndarray, ...]:
    draws = np.random.default_rng(0).normal(size=(*shape, len(covariance))) @ np.linalg.cholesky(covariance).T + 10
    return draws[..., :2], draws[..., 2:4], draws[..., 4:]


def test_the_correction_reduces_the_bias(float64):
    x1, x2, y = samples(turned_gains(2, 1.5, 1.0), 1000, 40)
    truth = parts(pid.gaussian(turned_gains(2, 1.5, 1.0), (2, 2, 2)))

    def both(sample):
        covariance = jnp.cov(jnp.concatenate(sample, axis=1), rowvar=False)
        return pid.gaussian_from_samples(*sample), pid.gaussian(covariance, (2, 2, 2))

    estimates = jax.jit(lambda sample: jax.lax.map(both, sample, batch_size=20))((x1, x2, y))
    corrected, plain = (parts(estimate).mean(axis=0) for estimate in estimates)
    assert (plain - truth).sum() > 0.15
    assert abs((corrected - truth).sum()) < 0.02  # the total is corrected exactly
    assert abs(corrected - truth).sum() < abs(plain - truth).sum() / 2


def test_corrected_parts_are_nonnegative_where_there_is_nothing(float64):
    x1, x2, y = samples(np.eye(6), 50, 20)
    result = jax.lax.map(lambda sample: pid.gaussian_from_samples(*sample), (x1, x2, y), batch_size=10)
    assert parts(result).min() > -1e-12
    assert parts(result).sum(axis=1).mean() < 0.3  # .48 uncorrected
    np.testing.assert_allclose(result.gap, 0, atol=1e-12)


def test_samples_with_idle_features_too_few_unpaired_and_nan(float64):
    x1, x2, y = samples(turned_gains(2, 1.5, 1.0), 30)
    wider = np.concatenate([x1, x1[:, :1] + x1[:, 1:], np.full((30, 1), 0.1)], axis=1)
    estimate = pid.gaussian_from_samples
    np.testing.assert_allclose(parts(estimate(wider, x2, y)), parts(estimate(x1, x2, y)), atol=1e-9)
    assert np.isnan(parts(estimate(x1[:6], x2[:6], y[:6]))).all()
    x1[3, 0] = np.nan
    assert np.isnan(parts(estimate(x1, x2, y))).all()
    with pytest.raises(AssertionError):
        estimate(x1, x2[:-1], y)
