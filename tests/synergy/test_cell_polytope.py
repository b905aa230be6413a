import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from mmjax.synergy._cell_polytope import crossing_edges, num_vertices, polytope_vertices

pytestmark = pytest.mark.usefixtures("float64")


@jax.jit
def _vertices(lower, upper, mass):
    edges = crossing_edges(lower, upper, mass)
    return polytope_vertices(edges, lower, upper, mass), edges.valid


def test_literal_vertices_of_a_triangle():
    vertices, valid = _vertices(jnp.zeros(3), jnp.full(3, 0.5), jnp.asarray(0.5))
    found = {tuple(v) for v in np.asarray(vertices)[np.asarray(valid)].tolist()}
    assert found == {(0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.5)}


def test_numbers_of_vertices():
    assert [num_vertices(m) for m in range(2, 7)] == [2, 6, 12, 30, 60]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.3, 0.6]), st.sampled_from([2, 4]))
def test_least_linear_cost_is_at_a_vertex(seed, fixed, length):
    rng = np.random.default_rng(seed)
    lower = rng.choice([0.0, 0.1, 0.25], size=length)
    width = rng.choice([0.1, 0.25, 0.5], size=length) * (rng.random(length) > fixed)
    point = lower + width * rng.choice([0.0, 0.5, 1.0], size=length)
    cost = rng.normal(size=length)
    vertices, valid = (np.asarray(x) for x in _vertices(lower, lower + width, np.float64(point.sum())))
    expected = linprog(cost, A_eq=np.ones((1, length)), b_eq=[point.sum()], bounds=np.c_[lower, lower + width]).fun
    assert np.all((vertices[valid] >= lower) & (vertices[valid] <= lower + width))
    np.testing.assert_allclose(vertices[valid].sum(1), point.sum(), atol=1e-12)
    np.testing.assert_allclose((vertices[valid] @ cost).min(), expected, atol=1e-9)


@pytest.mark.parametrize("mass", [0.0, 0.3, 0.3 + 1e-16, 0.1 + 0.2])
def test_a_polytope_of_one_point_keeps_it(mass):
    bounds = jnp.array([0.0, 0.1, 0.2]) if mass else jnp.zeros(3)
    vertices, valid = _vertices(bounds, bounds, jnp.asarray(mass))
    assert np.any(valid)
    np.testing.assert_array_equal(vertices[valid], np.broadcast_to(bounds, (int(valid.sum()), 3)))


def test_vertices_move_with_their_edges():
    lower, upper = jnp.array([0.0, 0.1, 0.0]), jnp.array([0.3, 0.5, 0.2])
    edges = crossing_edges(lower, upper, jnp.asarray(0.45))
    moved = jax.jacfwd(lambda mass: polytope_vertices(edges, lower, upper, mass))(jnp.asarray(0.45))
    np.testing.assert_array_equal(moved, edges.is_free)
