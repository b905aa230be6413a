import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from mmjax.information import pairwise_marginals
from mmjax.synergy._frechet import entry_doubt, frechet_box
from tests.random_tables import KINDS, random_tables

pytestmark = pytest.mark.usefixtures("float64")


@jax.jit
@jax.vmap
def _box(p):
    return frechet_box(*pairwise_marginals(p))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(2, 3, 2), (4, 2, 3)])
def test_every_joint_table_is_in_its_box(shape, kind):
    tables = random_tables(kind, 256, shape)
    lower, upper = _box(jnp.asarray(tables))
    assert np.all(lower <= tables + 1e-17)
    assert np.all(tables <= upper + 1e-17)


def test_boxes_are_the_exact_ranges_of_entries():
    for p in random_tables("dirichlet", 4, (2, 3, 2)):
        lower, upper = (np.asarray(x) for x in frechet_box(*pairwise_marginals(jnp.asarray(p))))
        equations = np.array([p_ij.ravel() for p_ij in _marginal_maps(p.shape)])
        for entry, cost in enumerate(np.eye(p.size)):
            ends = [sign * linprog(sign * cost, A_eq=equations, b_eq=equations @ p.ravel()).fun for sign in (1, -1)]
            np.testing.assert_allclose([lower.flat[entry], upper.flat[entry]], ends, atol=1e-9)


def test_literal_box():
    # Two fair bits that are equal, and a third: r(0, 1, y) = 0 and r(0, 0, y) = p(x1, y).
    p12, p1y = jnp.eye(2) / 2, jnp.array([[0.4, 0.1], [0.2, 0.3]])
    lower, upper = frechet_box(p12, p1y, p1y)
    expected = jnp.eye(2)[:, :, None] * p1y[:, None]
    np.testing.assert_allclose(lower, expected, atol=1e-14)
    np.testing.assert_allclose(upper, expected, atol=1e-14)


def test_marginals_without_joint_table_cross():
    equal, different = jnp.eye(2) / 2, jnp.eye(2)[::-1] / 2
    lower, upper = frechet_box(equal, equal, different)
    assert jnp.max(lower - upper) > 0.4


def test_boxes_allow_for_disagreement():
    p = jnp.asarray(random_tables("dirichlet", 1, (2, 3, 2))[0])
    p12, p1y, p2y = pairwise_marginals(p)
    moved = p12 + 1e-6 * jnp.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    lower, upper = frechet_box(moved, p1y, p2y)
    assert np.all((lower <= p) & (p <= upper))
    assert np.all(entry_doubt(upper, moved, p1y, p2y) >= 1e-6)


def _marginal_maps(shape):
    for axes in ((2,), (1,), (0,)):
        kept = [n for axis, n in enumerate(shape) if axis not in axes]
        for index in np.ndindex(*kept):
            table = np.zeros(shape)
            where = list(index)
            where.insert(axes[0], slice(None))
            table[tuple(where)] = 1
            yield table
