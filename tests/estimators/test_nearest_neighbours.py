"""KSG: an example by hand, two other implementations, normals of known information, ties and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import KDTree
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_regression

from mmjax import estimators

ksg = estimators.ksg


def correlated_normals(seed: int, num: int, dim: int, information: float) -> tuple[np.ndarray, np.ndarray]:
    """Samples (num, dim) of x and y with `information` nats between them, the same in each of the dimensions."""
    correlation = np.sqrt(-np.expm1(-2 * information / dim))
    x, noise = np.random.default_rng(seed).normal(size=(2, num, dim))
    return x, correlation * x + np.sqrt(1 - correlation**2) * noise


def by_trees(x: np.ndarray, y: np.ndarray, k: int) -> float:
    """The estimate by three k-d trees."""
    joint = np.concatenate([x, y], axis=1)
    radius = KDTree(joint).query(joint, k + 1, p=np.inf)[0][:, -1]
    inside = np.nextafter(radius, -1)
    terms = [
        digamma(KDTree(z).query_ball_point(z, inside, p=np.inf, return_length=True) + (radius == 0)) for z in (x, y)
    ]
    return digamma(k) + digamma(len(x)) - np.mean(sum(terms))


NUM, DIM = 1900, 5  # more than one block of samples, the last one smaller


def estimate(x: np.ndarray, y: np.ndarray) -> float:
    """KSG with 3 neighbours; constant coordinates, which move no distance, make one program serve most tests."""
    return float(ksg(*(np.pad(z, [(0, 0), (0, DIM - z.shape[1])], constant_values=2.0) for z in (x, y))))


def test_four_points_by_hand(float64):
    # Radii 2, 2, 2, 4; strictly nearer in x 1, 1, 0, 0 others and in y 0, 1, 2, 2: 11/6 - 3/2.
    x, y = np.array([0.0, 1, 3, 7]), np.array([0.0, 2, 3, 4])
    np.testing.assert_allclose(ksg(x, y, num_neighbours=1), 1 / 3, rtol=1e-14)


def test_agrees_with_trees(float64):
    x, y = correlated_normals(8, NUM, DIM, 1.0)
    np.testing.assert_allclose(estimate(x, y), by_trees(x, y, 3), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("dim_x", "dim_y", "k"), [(3, 1, 5), (1, 2, 1)])
def test_sides_of_different_dimension_agree_with_trees(float64, dim_x, dim_y, k):
    x, y = correlated_normals(0, 700, 3, 1.0)
    x, y = x[:, :dim_x], y[:, :dim_y]
    np.testing.assert_allclose(ksg(x, y, num_neighbours=k), by_trees(x, y, k), rtol=0, atol=1e-12)


def test_ties_are_counted_strictly(float64):
    x, y = (np.round(z) for z in correlated_normals(2, NUM, 1, 0.5))
    np.testing.assert_allclose(estimate(x, y), by_trees(x, y, 3), rtol=0, atol=1e-12)


def test_agrees_with_scikit_learn_in_one_dimension(float64):
    x, y = (z / z.std() for z in correlated_normals(3, NUM, 1, 1.0))
    peer = mutual_info_regression(x, y[:, 0], n_neighbors=3, random_state=0)[0]
    np.testing.assert_allclose(estimate(x, y), peer, rtol=0, atol=1e-6)


@pytest.mark.parametrize("information", [0, 0.5, 1, 2, 4])
def test_bivariate_normals(float64, information):
    assert abs(estimate(*correlated_normals(4, NUM, 1, information)) - information) < 0.1


def test_underestimates_in_five_dimensions(float64):
    assert 1.2 < estimate(*correlated_normals(5, NUM, 5, 2.0)) < 1.7


def test_a_constant_side_has_no_information(float64):
    _, y = correlated_normals(6, NUM, 2, 1.0)
    assert abs(estimate(np.ones((NUM, 1)), y)) < 1e-13


def test_is_symmetric_and_blind_to_order_and_shift(float64):
    x, y = correlated_normals(7, NUM, 2, 1.0)
    order = np.random.default_rng(0).permutation(NUM)
    for value in (estimate(y, x), estimate(x[order], y[order]), estimate(x + 3, y - 1)):
        np.testing.assert_allclose(value, estimate(x, y), rtol=1e-10)


with_gradient = jax.jit(jax.value_and_grad(ksg))


def test_batches_equal_single_calls_and_gradients_are_zero():
    x, y = (z.astype(np.float32) for z in correlated_normals(8, 120, 2, 1.0))
    x, y = x.reshape(3, 40, 2), y.reshape(3, 40, 2)
    values, gradients = zip(*(with_gradient(a, b) for a, b in zip(x, y, strict=True)), strict=True)
    np.testing.assert_allclose(jax.jit(jax.vmap(ksg))(x, y), values, rtol=1e-5)
    np.testing.assert_allclose(values, [by_trees(*pair, 3) for pair in zip(x, y, strict=True)], atol=1e-5)
    assert not np.any(gradients)


def test_what_is_not_finite_gives_nan():
    x, y = (z.astype(np.float32) for z in correlated_normals(9, 40, 2, 1.0))
    for bad in (np.nan, np.inf):
        assert np.isnan(with_gradient(np.where(np.arange(40)[:, None] == 7, np.float32(bad), x), y)[0])


def test_large_values_do_no_harm():
    x, y = (z.astype(np.float32) for z in correlated_normals(10, 40, 2, 1.0))
    large = with_gradient(1e4 * x, 1e4 * y)[0]
    np.testing.assert_allclose(large, with_gradient(x, y)[0], atol=1e-3)


@pytest.mark.parametrize("k", [0, 4, 5])
def test_too_few_samples_are_refused(k):
    with pytest.raises(ValueError, match=f"1..n-1 for n=4 samples; got {k}"):
        ksg(jnp.arange(4.0), jnp.arange(4.0), num_neighbours=k)


def test_unpaired_samples_are_refused():
    with pytest.raises(AssertionError):
        ksg(jnp.arange(4.0), jnp.arange(5.0))


def test_says_that_it_is_no_bound():
    assert not ksg.is_bound
