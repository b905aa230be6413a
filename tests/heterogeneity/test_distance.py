"""Tests of distances: literal ones, the bias of clipping and its repair, gradients, checks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.heterogeneity import check_distances, distance
from tests.heterogeneity.published import CROSSMODAL, UNIMODAL

TRANSFER = np.asarray([[0.3, 1.0, -2.0], [0.5, 0.1, -1.0], [4.0, -3.0, -0.2]], np.float32)


def test_literal_distances():
    d = distance(jnp.asarray(TRANSFER))
    np.testing.assert_allclose(d, [[0, 1.5, 4], [1.5, 0, 0], [4, 0, 0]])
    check_distances(d)


def test_literal_distances_beyond_standard_errors():
    error = jnp.asarray([[0.0, 0.25, 0.0], [1.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    d = distance(jnp.asarray(TRANSFER), standard_error=error, num_errors=2.0)
    np.testing.assert_allclose(d, [[0, 0.5, 3], [0.5, 0, 0], [3, 0, 0]])
    assert jnp.array_equal(distance(TRANSFER, standard_error=error, num_errors=0.0), distance(TRANSFER))


@pytest.mark.parametrize(("num_errors", "bias"), [(None, 0.7979), (0.0, 0.7979), (1.0, 0.1666), (2.0, 0.0170)])
def test_noise_alone_gives_distances_which_thresholds_reduce(num_errors, bias):
    """Of transfers 0 with standard error s = 3: 2 (phi(c) - c (1 - Phi(c))) s on average, at threshold c."""
    noise = 3 * jax.random.normal(jax.random.key(0), (400, 20, 20))
    options = {} if num_errors is None else {"standard_error": jnp.full((20, 20), 3.0), "num_errors": num_errors}
    d = jax.jit(jax.vmap(lambda t: distance(t, **options)))(noise)
    mean = d[:, ~np.eye(20, dtype=bool)].mean() / 3
    assert mean == pytest.approx(bias, abs=0.01)


def test_jit_vmap_and_both_dtypes(float64):
    transfer = jax.random.normal(jax.random.key(0), (4, 5, 5))
    single = jax.vmap(distance)(transfer.astype(jnp.float32))
    assert single.dtype == jnp.float32 and distance(transfer[0]).dtype == jnp.float64
    np.testing.assert_allclose(jax.jit(jax.vmap(distance))(transfer), single, atol=1e-6)
    np.testing.assert_allclose(jnp.stack([distance(t) for t in transfer]), single, atol=1e-6)


def test_derivatives_are_those_of_the_directions_that_hinder():
    slope = jax.grad(lambda t: jnp.sum(distance(t)))(jnp.asarray(TRANSFER))
    np.testing.assert_array_equal(slope, [[0, 2, 0], [2, 0, 0], [2, 0, 0]])
    errors = jax.grad(lambda c: jnp.sum(distance(TRANSFER, standard_error=jnp.ones((3, 3)), num_errors=c)))(0.25)
    assert errors == -6, "three directions, each in two entries"
    assert jnp.all(jax.grad(lambda t: jnp.sum(distance(t)))(jnp.zeros((3, 3))) == 0)


def test_nan_passes_through_and_one_node_is_at_0():
    d = distance(jnp.asarray(TRANSFER).at[0, 1].set(jnp.nan))
    np.testing.assert_allclose(d, [[0, np.nan, 4], [np.nan, 0, 0], [4, 0, 0]])
    assert distance(jnp.asarray([[5.0]])).tolist() == [[0]]


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(AssertionError):
        distance(jnp.ones((2, 3)))
    with pytest.raises(AssertionError):
        distance(jnp.ones((2, 2)), standard_error=jnp.ones(2))


@pytest.mark.parametrize("published", [UNIMODAL, CROSSMODAL, np.zeros((1, 1)), CROSSMODAL.astype(np.float32) / 3])
def test_distances_pass(published):
    check_distances(published)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (np.zeros((0, 0)), r"square matrix.*\(0, 0\)"),
        (np.zeros((2, 3)), r"square matrix.*\(2, 3\)"),
        (np.zeros(4), "square matrix"),
        ([[0, np.nan], [np.nan, 0]], r"finite; got nan at \(0, 1\)"),
        ([[0, np.inf], [np.inf, 0]], "finite; got inf"),
        ([[0, -1], [-1, 0]], r"negative; got -1 at \(0, 1\).*`distance`"),
        ([[0, 1], [1, 2]], r"0 on the diagonal; got 2 at \(1, 1\)"),
        ([[0, 1], [2, 0]], "symmetric"),
    ],
)
def test_what_is_no_distance_is_refused_in_one_line(wrong, says):
    with pytest.raises(ValueError, match=says) as error:
        check_distances(wrong)
    assert "\n" not in str(error.value)
