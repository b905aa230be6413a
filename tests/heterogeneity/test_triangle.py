"""Tests of triangle inequalities and spectra, on the published matrices and on metrics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.highmmt.published import symmetric
from mmjax.heterogeneity import spectral_shares, triangle_share
from tests.heterogeneity.published import CROSSMODAL, UNIMODAL


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("distances", "factor", "all_triples", "distinct"),
    [
        (UNIMODAL, 1, 0.868, 0.8167),
        (UNIMODAL, 5, 0.956, 0.9389),
        (CROSSMODAL, 1, 0.8633, 0.7917),
        (CROSSMODAL, 5, 0.9609, 0.9405),
    ],
)
def test_the_published_matrices(distances, factor, all_triples, distinct, dtype, float64):
    """The paper prints 87 % and 86 %: shares of all triples."""
    d = jnp.asarray(distances, dtype)
    assert triangle_share(d, factor=factor, repeats=True) == pytest.approx(all_triples, abs=5e-5)
    assert triangle_share(d, factor=factor) == pytest.approx(distinct, abs=5e-5)


def test_a_literal_triangle():
    """d(0, 2) = 5 > 1 + 3 violates two of six ordered triples; at a factor of 5/4 it is met with equality."""
    d = jnp.asarray(symmetric([[1], [5, 3]]))
    assert triangle_share(d) == pytest.approx(4 / 6)
    assert triangle_share(d, factor=1.25) == 1 and triangle_share(d, factor=1.24) < 1
    assert triangle_share(d, repeats=True) == pytest.approx(25 / 27)


def test_points_on_a_line_hold_in_every_triple_though_sums_are_rounded():
    points = jax.random.uniform(jax.random.key(0), (3, 20))
    d = jnp.abs(points[:, :, None] - points[:, None])
    np.testing.assert_array_equal(jax.vmap(triangle_share)(d), 1)


def test_triangles_of_few_nodes_zeros_and_nan():
    assert np.isnan(triangle_share(jnp.zeros((2, 2)))) and triangle_share(jnp.zeros((1, 1)), repeats=True) == 1
    assert triangle_share(jnp.zeros((3, 3))) == 1
    assert np.isnan(triangle_share(jnp.asarray(symmetric([[1], [5, np.nan]]))))
    with pytest.raises(AssertionError):
        triangle_share(jnp.zeros((2, 3)))


@pytest.mark.parametrize(
    ("distances", "nuclear", "squared"), [(UNIMODAL, 0.9671, 0.9992), (CROSSMODAL, 0.9841, 0.9998)]
)
def test_three_singular_values_of_the_published_matrices(distances, nuclear, squared):
    found = spectral_shares(jnp.asarray(distances), 3)
    assert found.nuclear == pytest.approx(nuclear, abs=5e-5) and found.squared == pytest.approx(squared, abs=5e-5)


def test_spectra_of_known_rank():
    d = jnp.diag(jnp.asarray([3.0, 1.0, 4.0]))
    np.testing.assert_allclose(spectral_shares(d, 1), [4 / 8, 16 / 26], rtol=1e-6)
    np.testing.assert_allclose(spectral_shares(d, 3), 1, rtol=1e-6)
    outer = jnp.outer(jnp.arange(1.0, 5), jnp.arange(1.0, 5))
    np.testing.assert_allclose(spectral_shares(outer, 1), 1, rtol=1e-5)


def test_spectra_of_zeros_one_node_and_nan():
    assert spectral_shares(jnp.zeros((3, 3)), 1) == (1, 1) and spectral_shares(jnp.zeros((1, 1)), 1) == (1, 1)
    assert np.isnan(spectral_shares(jnp.full((2, 2), jnp.nan), 1)).all()
    slope = jax.grad(lambda d: spectral_shares(d, 1).nuclear)(jnp.zeros((3, 3)))
    assert np.all(np.isfinite(slope))
    with pytest.raises(ValueError, match=r"rank must be in \[1, 3\].*got 4"):
        spectral_shares(jnp.zeros((3, 3)), 4)


def test_derivatives_of_spectra(float64):
    d = jnp.asarray(symmetric([[1.0], [2.0, 4.0], [1.0, 0.5, 3.0]]))
    step = jnp.zeros((4, 4)).at[0, 1].set(1e-6)
    slope = jax.grad(lambda d: spectral_shares(d, 1).squared)(d)[0, 1]
    secant = (spectral_shares(d + step, 1).squared - spectral_shares(d - step, 1).squared) / 2e-6
    np.testing.assert_allclose(slope, secant, rtol=1e-6)
