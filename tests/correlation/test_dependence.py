"""How alike representations are: values by loops, invariances, bias, derivatives, constant and coinciding samples."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.correlation._dependence import centred, cka, distance_correlation, gaussian_kernel, hsic, svcca

pytestmark = pytest.mark.usefixtures("quickly_compiled")

EAGER = {
    "cka": cka,
    "cka, debiased": functools.partial(cka, debias=True),
    "distance correlation": functools.partial(distance_correlation, debias=False),
    "distance correlation, debiased": distance_correlation,
    "svcca": svcca,
    "hsic": lambda x, y: hsic(gaussian_kernel(x, 1.5), gaussian_kernel(y, 1.5), debias=False),
    "hsic, debiased": lambda x, y: hsic(gaussian_kernel(x), gaussian_kernel(y)),
}
MEASURES = {name: jax.jit(measure) for name, measure in EAGER.items()}
SLOPES = {name: jax.jit(jax.grad(measure, (0, 1))) for name, measure in EAGER.items() if name != "svcca"}
SCALE_FREE = [name for name in EAGER if "hsic" not in name]


def draws(seed, num_samples=12, sizes=(3, 3), dtype=np.float64):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(num_samples, 1))
    return [jnp.array(shared + rng.normal(size=(num_samples, d)), dtype) for d in sizes]


def distances(x):
    return np.array([[np.sqrt(np.sum((a - b) ** 2)) for b in np.asarray(x)] for a in np.asarray(x)])


def test_cka_of_single_features_is_their_squared_correlation(float64):
    x, y = jnp.array([[0.0], [1], [2], [3]]), jnp.array([[1.0], [0], [3], [2]])
    assert cka(x, y) == pytest.approx(0.36, abs=1e-12)
    assert cka(x, -5 * x + 3) == pytest.approx(1, abs=1e-12) == cka(x, x, debias=True)


def test_cka_is_that_of_covariances(float64):
    x, y = draws(0, 9, (3, 2))
    s = np.cov(np.c_[x, y], rowvar=False)
    s11, s12, s22 = s[:3, :3], s[:3, 3:], s[3:, 3:]
    expected = np.sum(s12**2) / np.linalg.norm(s11) / np.linalg.norm(s22)
    assert cka(x, y) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("sizes", [(3, 2), (12, 15), (3, 15), (60, 1)])
@pytest.mark.parametrize("debias", [False, True])
def test_features_give_what_linear_kernels_give(sizes, debias, float64):
    x, y = draws(1, 7, sizes)
    kernels = [10 + z @ z.T for z in (x, y)]
    of = jax.jit(functools.partial(hsic, debias=debias))
    cross, within1, within2 = of(*kernels), of(kernels[0], kernels[0]), of(kernels[1], kernels[1])
    assert MEASURES["cka, debiased" if debias else "cka"](x, y) == pytest.approx(
        float(cross / np.sqrt(within1 * within2)), abs=1e-10
    )


def test_unbiased_hsic_is_the_mean_over_all_quadruples(float64):
    a, b = (np.asarray(gaussian_kernel(z)) for z in draws(2, 7))
    terms = [a[i, j] * (b[i, j] + b[q, r] - 2 * b[i, q]) for i, j, q, r in itertools.permutations(range(7), 4)]
    assert hsic(a, b) == pytest.approx(np.mean(terms), abs=1e-13)
    assert hsic(a + np.diag(np.arange(7.0)), b) == pytest.approx(np.mean(terms), abs=1e-13)


def test_biased_hsic_is_a_trace(float64):
    a, b = (np.asarray(gaussian_kernel(z)) for z in draws(3, 6))
    h = np.eye(6) - 1 / 6
    assert hsic(a, b, debias=False) == pytest.approx(np.trace(a @ h @ b @ h) / 25, abs=1e-14)
    assert hsic(np.eye(6), np.eye(6), debias=False) == pytest.approx(1 / 5)
    assert hsic(np.eye(6), b) == 0


def test_the_kernel_has_the_median_distance_for_its_width(float64):
    x = jnp.array([[0.0], [1], [3]])  # distances 1, 2, 3
    expected = np.exp(-np.array([[0, 1, 9], [1, 0, 4], [9, 4, 0]]) / 8)
    np.testing.assert_allclose(gaussian_kernel(x), expected, rtol=1e-14)
    np.testing.assert_allclose(gaussian_kernel(x, 0.5), expected**16, rtol=1e-13)
    mostly_same = jnp.array([[0.0]] * 5 + [[6.0]])  # of 15 distances 10 are 0, so the mean, 2, is the width
    np.testing.assert_allclose(gaussian_kernel(mostly_same)[0], [1] * 5 + [np.exp(-4.5)], rtol=1e-14)
    np.testing.assert_array_equal(gaussian_kernel(jnp.full((4, 2), 0.1)), 1)


def test_the_median_is_held_by_derivatives(float64):
    x, y = draws(4)
    width, kernel = np.median(distances(x)[np.triu_indices(12, 1)]), gaussian_kernel(y)
    expected = jax.jit(jax.grad(lambda z: hsic(gaussian_kernel(z, width), kernel)))(x)
    np.testing.assert_allclose(SLOPES["hsic, debiased"](x, y)[0], expected, atol=1e-14)


def test_distance_correlation_by_centred_distances(float64):
    x, y = draws(5, 8)
    a, b = (d - d.mean(0) - d.mean(1, keepdims=True) + d.mean() for d in (distances(x), distances(y)))
    expected = np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))
    assert distance_correlation(x, y, debias=False) == pytest.approx(expected, abs=1e-12)


def test_corrected_distance_correlation_by_the_modified_matrices_of_2013(float64):
    """A*_ij = n/(n-1) (A_ij - a_ij/n), A*_ii = n/(n-1) (mean of row i - mean), V* = sum A* B* - n/(n-2) diagonals."""
    x, y = draws(6, 8)
    n = 8

    def modified(d):
        a = d - d.mean(0) - d.mean(1, keepdims=True) + d.mean() - d / n
        a[np.diag_indices(n)] = d.mean(1) - d.mean()
        return n / (n - 1) * a

    def product(a, b):
        return np.sum(a * b) - n / (n - 2) * np.sum(np.diag(a) * np.diag(b))

    a, b = modified(distances(x)), modified(distances(y))
    expected = product(a, b) / np.sqrt(product(a, a) * product(b, b))
    assert distance_correlation(x, y) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("share", "kept"), [(1.0, (3, 2)), (0.99, (2, 2)), (0.55, (1, 1))])
def test_svcca_keeps_the_fewest_components_that_hold_the_share(share, kept, float64):
    rng = np.random.default_rng(7)
    first, second = (np.linalg.qr(z - z.mean(0))[0] for z in rng.normal(size=(2, 12, 3)))
    turns = [np.linalg.qr(z)[0] for z in rng.normal(size=(2, 5, 5))]
    x, y = first * np.sqrt([0.9, 0.095, 0.005]) @ turns[0][:3], second[:, :2] * np.sqrt([0.6, 0.4]) @ turns[1][:2]
    values = np.linalg.svd(first[:, : kept[0]].T @ second[:, : kept[1]], compute_uv=False)
    assert svcca(x, y, share=share) == pytest.approx(values.mean(), abs=1e-10)


@pytest.mark.parametrize("name", SCALE_FREE)
def test_turns_scales_and_shifts_change_nothing(name, float64):
    x, y = draws(8)
    turn = np.linalg.qr(np.random.default_rng(9).normal(size=(3, 3)))[0]
    measure, expected = MEASURES[name], float(MEASURES[name](x, y))
    assert 0.01 < expected < 1
    assert measure(1e-3 * x @ turn + 7, 1e4 * y) == pytest.approx(expected, rel=1e-9)
    assert measure(y, x) == pytest.approx(expected, rel=1e-12)
    assert measure(x, x @ turn) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", SCALE_FREE)
def test_single_precision_stands_any_scale(name):
    x, y = draws(10, dtype=np.float32)
    assert MEASURES[name](1e15 * x, 1e-15 * y) == pytest.approx(float(MEASURES[name](x, y)), abs=1e-5)


def test_unbiased_estimates_are_right_on_average():
    """Of linear kernels HSIC is |S12|_F^2; here S12 is (1/2, 1/2)."""
    keys = jax.random.split(jax.random.key(0), 4000)

    def estimates(key):
        shared, other = jax.random.normal(key, (2, 8, 2))
        x, y = shared, shared.sum(1, keepdims=True) / 2 + other[:, :1]
        kernels = x @ x.T, y @ y.T
        return jnp.stack([hsic(*kernels), hsic(*kernels, debias=False)])

    found = jax.jit(jax.vmap(estimates))(keys)
    error = found[:, 0].std() / 4000**0.5
    assert abs(found[:, 0].mean() - 0.5) < 4 * error < 0.1
    assert found[:, 1].mean() > 0.5 + 10 * error


@pytest.mark.parametrize("measure", [cka, distance_correlation])
def test_independent_representations_are_unlike_without_the_bias(measure):
    samples = jax.random.normal(jax.random.key(1), (500, 2, 12, 5))
    plain, corrected = (jax.jit(jax.vmap(lambda s, d=d: measure(s[0], s[1], debias=d)))(samples) for d in (False, True))
    assert plain.mean() > 0.25
    assert abs(corrected.mean()) < 4 * corrected.std() / 500**0.5 < 0.05


@pytest.mark.parametrize("name", SLOPES)
def test_gradients_are_those_of_finite_differences(name, float64):
    x, y = draws(11)
    measure = MEASURES[name]
    if name == "hsic, debiased":  # by the widths that derivatives hold
        w1, w2 = (np.median(distances(z)[np.triu_indices(12, 1)]) for z in (x, y))
        measure = jax.jit(lambda x, y: hsic(gaussian_kernel(x, w1), gaussian_kernel(y, w2)))
    move = 1e-5 * jnp.array(np.random.default_rng(12).normal(size=x.shape))
    changes = measure(x + move, y) - measure(x - move, y), measure(x, y + move) - measure(x, y - move)
    for slope, change in zip(SLOPES[name](x, y), changes, strict=True):
        assert jnp.sum(slope * move) == pytest.approx(float(change) / 2, rel=1e-6, abs=1e-13)


@pytest.mark.parametrize("name", EAGER)
def test_jit_and_vmap(name):
    pairs = [draws(seed, dtype=np.float32) for seed in (13, 14)]
    expected = [EAGER[name](*pair) for pair in pairs]
    np.testing.assert_allclose(MEASURES[name](*pairs[0]), expected[0], rtol=1e-4, atol=1e-6)
    together = jax.jit(jax.vmap(EAGER[name]))(*(jnp.stack(views) for views in zip(*pairs, strict=True)))
    np.testing.assert_allclose(together, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", EAGER)
def test_constant_representations_are_like_nothing(name):
    x, y = draws(15, dtype=np.float32)
    constant = jnp.full_like(x, 0.1)  # whose mean, in single precision, is not .1
    for pair in ((constant, y), (y, constant), (constant, constant)):
        assert MEASURES[name](*pair) == pytest.approx(0, abs=1e-12)
        assert name not in SLOPES or all(np.isfinite(g).all() for g in SLOPES[name](*pair))
    assert np.isfinite(MEASURES[name](x.at[:, 0].set(3), y))


def test_samples_that_are_all_equally_far_apart_have_no_corrected_distances():
    corners, (_, y) = jnp.eye(12), draws(16, dtype=np.float32)
    assert distance_correlation(corners, y) == 0 == cka(corners, y, debias=True)
    assert distance_correlation(corners, y, debias=False) > 0.1


@pytest.mark.parametrize("name", SLOPES)
def test_samples_that_coincide_have_finite_gradients(name):
    x, y = draws(17, dtype=np.float32)
    assert all(np.isfinite(g).all() for g in SLOPES[name](x.at[1].set(x[0]), y.at[1].set(y[0])))


@pytest.mark.parametrize("name", EAGER)
def test_a_nan_is_not_hidden(name):
    x, y = draws(18, dtype=np.float32)
    spoilt = x.at[4, 1].set(jnp.nan)
    for pair in ((spoilt, y), (y, spoilt), (spoilt, jnp.ones_like(y))):
        assert np.isnan(MEASURES[name](*pair))


def test_half_precision_is_computed_in_single():
    x, y = (z.astype(jnp.bfloat16) for z in draws(19, dtype=np.float32))
    found = cka(x, y)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, cka(x.astype(jnp.float32), y.astype(jnp.float32)), rtol=1e-6)
    assert [z.dtype for z in centred((x, np.arange(24).reshape(12, 2)))] == [jnp.float32] * 2


def test_too_few_samples_are_refused():
    few = jnp.arange(6.0).reshape(3, 2)
    for call in (
        functools.partial(cka, few, few, debias=True),
        functools.partial(distance_correlation, few, few),
        functools.partial(hsic, jnp.eye(3), jnp.eye(3)),
    ):
        with pytest.raises(ValueError, match="without bias takes n of at least 4 samples; got n = 3"):
            call()
    assert cka(few, few) == pytest.approx(1) and distance_correlation(few, few, debias=False) == pytest.approx(1)
    for measure in (cka, svcca, functools.partial(distance_correlation, debias=False)):
        with pytest.raises(ValueError, match="at least 2 samples; got n = 1"):
            measure(few[:1], few[:1])
    with pytest.raises(ValueError, match="at least 2 samples; got n = 1"):
        gaussian_kernel(few[:1])


def test_what_is_no_pair_of_views_is_refused():
    x = jnp.ones((5, 2))
    with pytest.raises(ValueError, match="all of the same n samples"):
        cka(x, x[:-1])
    with pytest.raises(AssertionError):
        hsic(jnp.eye(5), jnp.eye(4))
    with pytest.raises(ValueError, match=r"in \(0, 1\]; got 0"):
        svcca(x, x, share=0)
