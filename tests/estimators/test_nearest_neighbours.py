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


def test_four_points_by_hand(float64):
    # Radii 2, 2, 2, 4; strictly nearer in x 1, 1, 0, 0 others and in y 0, 1, 2, 2: 11/6 - 3/2.
    x, y = np.array([0.0, 1, 3, 7]), np.array([0.0, 2, 3, 4])
    np.testing.assert_allclose(ksg(x, y, num_neighbours=1), 1 / 3, rtol=1e-14)


@pytest.mark.parametrize(("dim", "k"), [(5, 3), (5, 1), (1, 5)])
def test_agrees_with_trees(float64, dim, k):
    x, y = correlated_normals(dim + k, 700, dim, 1.0)  # more than one block of samples, the last one smaller
    np.testing.assert_allclose(ksg(x, y, num_neighbours=k), by_trees(x, y, k), rtol=0, atol=1e-12)


def test_sides_of_different_dimension_agree_with_trees(float64):
    x, y = correlated_normals(0, 300, 3, 1.0)
    np.testing.assert_allclose(ksg(x, y[:, 0]), by_trees(x, y[:, :1], 3), rtol=0, atol=1e-12)


def test_ties_are_counted_strictly(float64):
    x, y = (np.round(z) for z in correlated_normals(2, 200, 1, 0.5))
    np.testing.assert_allclose(ksg(x, y), by_trees(x, y, 3), rtol=0, atol=1e-12)


def test_agrees_with_scikit_learn_in_one_dimension(float64):
    x, y = (z / z.std() for z in correlated_normals(3, 1000, 1, 1.0))
    peer = mutual_info_regression(x, y[:, 0], n_neighbors=3, random_state=0)[0]
    np.testing.assert_allclose(ksg(x, y), peer, rtol=0, atol=1e-6)


@pytest.mark.parametrize("information", [0, 0.5, 1, 2, 4])
def test_bivariate_normals(float64, information):
    x, y = correlated_normals(4, 5000, 1, information)
    assert abs(ksg(x, y) - information) < 0.1


def test_underestimates_in_five_dimensions(float64):
    x, y = correlated_normals(5, 2000, 5, 2.0)
    assert 1.2 < ksg(x, y) < 1.7


def test_a_constant_side_has_no_information(float64):
    _, y = correlated_normals(6, 50, 2, 1.0)
    assert abs(ksg(np.ones(50), y)) < 1e-14


def test_is_symmetric_and_blind_to_order_and_shift(float64):
    x, y = correlated_normals(7, 60, 2, 1.0)
    order = np.random.default_rng(0).permutation(60)
    for value in (ksg(y, x), ksg(x[order], y[order]), ksg(x + 3, y - 1)):
        np.testing.assert_allclose(value, ksg(x, y), rtol=1e-10)


def test_batches_equal_single_calls_and_gradients_are_zero():
    x, y = (np.asarray(z, np.float32) for z in correlated_normals(8, 120, 2, 1.0))
    x, y = x.reshape(3, 40, 2), y.reshape(3, 40, 2)
    alone = [ksg(a, b) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(jax.vmap(ksg)(x, y), alone, rtol=1e-5)
    np.testing.assert_allclose(alone, [by_trees(*pair, 3) for pair in zip(x, y, strict=True)], atol=1e-5)
    assert not jax.grad(ksg)(x[0], y[0]).any()


def test_what_is_not_finite_gives_nan():
    x, y = correlated_normals(9, 20, 1, 1.0)
    for bad in (np.nan, np.inf):
        assert np.isnan(ksg(np.where(np.arange(20)[:, None] == 7, bad, x), y))


def test_large_values_do_no_harm():
    x, y = correlated_normals(10, 100, 1, 1.0)
    np.testing.assert_allclose(ksg(1e4 * x, 1e4 * y), ksg(x, y), atol=1e-3)


@pytest.mark.parametrize("k", [0, 4, 5])
def test_too_few_samples_are_refused(k):
    with pytest.raises(ValueError, match=f"1..n-1 for n=4 samples; got {k}"):
        ksg(jnp.arange(4.0), jnp.arange(4.0), num_neighbours=k)


def test_unpaired_samples_are_refused():
    with pytest.raises(AssertionError):
        ksg(jnp.arange(4.0), jnp.arange(5.0))


def test_says_that_it_is_no_bound():
    assert not ksg.is_bound
