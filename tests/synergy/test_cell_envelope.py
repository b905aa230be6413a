"""The two linear programs against SciPy's solver, and their bounds when the solver is stopped early."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from mmjax.information import pairwise_marginals
from mmjax.numerics import xlogx
from mmjax.synergy import _linear_program
from mmjax.synergy._box_program import polytope
from mmjax.synergy._cell_envelope import cell_envelope_bound
from mmjax.synergy._cell_polytope import crossing_edges, polytope_vertices
from mmjax.synergy._chord import chord_bound
from mmjax.synergy._frechet import frechet_box
from tests.random_tables import KINDS, random_tables

pytestmark = pytest.mark.usefixtures("float64")

SHAPE = (3, 3, 3)
EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
MIXED = np.concatenate([random_tables(kind, 6, SHAPE, seed=2) for kind in KINDS])


def _over_lanes(tables, bound):
    """Run a bound as `lanes.batch_native` does: problems on the last axis, ranks promoted."""
    marginals = [jnp.moveaxis(p, 0, -1) for p in jax.vmap(pairwise_marginals)(jnp.asarray(tables))]
    with jax.numpy_rank_promotion("allow"):
        return jax.jit(lambda *marginals: bound(polytope(*marginals)))(*marginals)


def _entropy(p):
    return -np.asarray(jnp.sum(xlogx(jnp.asarray(p)), axis=(-3, -2, -1)))


def _box_of(p):
    return tuple(np.asarray(x) for x in frechet_box(*pairwise_marginals(jnp.asarray(p))))


def _chord_program(p):
    """Least sum of chords over joint tables, in nats."""
    lower, upper = _box_of(p)
    at_lower, at_upper = -np.asarray(xlogx(jnp.asarray(lower))), -np.asarray(xlogx(jnp.asarray(upper)))
    width = upper - lower
    slope = np.where(width > 1e-12, (at_upper - at_lower) / np.where(width > 1e-12, width, 1), 0)
    equations = np.array([np.eye(p.size).reshape(*p.shape, p.size).sum(axis)[at] for axis, at in _pairs(p.shape)])
    box = np.c_[lower.ravel(), upper.ravel()]
    result = linprog(slope.ravel(), A_eq=equations, b_eq=equations @ p.ravel(), bounds=box, options=EXACT)
    return result.fun + np.sum(at_lower - slope * lower) if result.status == 0 else -np.inf


def _envelope_program(p, axes=(2, 1, 0)):
    """Least t that is at least the convex envelope of the entropy along every axis, in nats.

    Variables: the entries, t, and the weights of all vertices.
    """
    lower, upper = _box_of(p)
    entries = np.arange(p.size).reshape(p.shape)
    columns, equations, right, inequalities = [], [], [], []
    for axis in axes:
        cost = []
        for a, b in np.ndindex(*np.delete(p.shape, axis)):
            line = [np.moveaxis(x, axis, 2)[a, b] for x in (lower, upper, entries, p)]
            vertices = _vertices_of(line[0], line[1], line[3].sum())
            first = len(columns)
            columns += list(vertices)
            cost += [(first + k, -np.sum(xlogx(jnp.asarray(v)))) for k, v in enumerate(vertices)]
            equations.append({("weight", first + k): 1 for k in range(len(vertices))})
            right.append(1)
            for i, entry in enumerate(line[2]):
                equations.append({("weight", first + k): v[i] for k, v in enumerate(vertices)} | {("entry", entry): -1})
                right.append(0)
        inequalities.append({("weight", k): c for k, c in cost} | {("t", 0): -1})
    for axis, at in _pairs(p.shape):
        if axis not in axes:
            equations.append({("entry", entry): 1 for entry in np.moveaxis(entries, axis, 2)[at]})
            right.append(np.sum(p, axis)[at])
    start = {"entry": 0, "t": p.size, "weight": p.size + 1}
    size = p.size + 1 + len(columns)

    def matrix(rows):
        dense = np.zeros((len(rows), size))
        for row, coefficients in zip(dense, rows, strict=True):
            for (name, k), value in coefficients.items():
                row[start[name] + k] += value
        return dense

    objective = np.zeros(size)
    objective[p.size] = 1
    least = {"A_ub": matrix(inequalities), "b_ub": np.zeros(len(axes))}
    result = linprog(objective, **least, A_eq=matrix(equations), b_eq=right, options=EXACT)
    return result.fun if result.status == 0 else -np.inf


def _vertices_of(lower, upper, mass):
    edges = crossing_edges(jnp.asarray(lower), jnp.asarray(upper), jnp.asarray(mass))
    vertices = polytope_vertices(edges, jnp.asarray(lower), jnp.asarray(upper), jnp.asarray(mass))
    return np.unique(np.asarray(vertices)[np.asarray(edges.valid)], axis=0)


def _pairs(shape):
    for axis in (2, 1, 0):
        for at in np.ndindex(*np.delete(shape, axis)):
            yield axis, at


def test_chord_bound_is_the_programs_value():
    found = _over_lanes(MIXED, lambda joint: chord_bound(joint, tolerance=1e-10))
    expected = [_chord_program(p) for p in MIXED]
    assert np.all(found.bound >= np.array(expected) - 2e-7)
    assert np.all(found.bound[:12] <= np.array(expected[:12]) + 2e-7)
    assert np.all(found.bound <= _entropy(MIXED) + 1e-12)


@pytest.mark.parametrize("axes", [(2,), (2, 1), (2, 1, 0)])
def test_envelope_bound_is_the_programs_value(axes):
    found = _over_lanes(MIXED, lambda joint: cell_envelope_bound(joint, axes=axes, tolerance=1e-10))
    some = np.arange(0, len(MIXED), 4)
    expected = np.array([_envelope_program(p, axes) for p in MIXED[some]])
    assert np.all(found.bound[some] >= expected - 5e-7)
    dirichlet = some < 6
    assert np.all(found.bound[some][dirichlet] <= expected[dirichlet] + 5e-7)
    assert np.all(found.bound <= _entropy(MIXED) + 1e-12)


@pytest.mark.parametrize("steps", [0, 3])
def test_bounds_hold_before_convergence(monkeypatch, steps):
    monkeypatch.setattr(_linear_program, "MAX_ITERATIONS", steps)
    found = _over_lanes(MIXED, lambda joint: cell_envelope_bound(joint, axes=(2, 1, 0), tolerance=1e-10))
    assert np.all(np.isfinite(found.bound))
    assert np.all(found.bound <= _entropy(MIXED) + 1e-12)
    assert np.mean(_entropy(MIXED) - found.bound) > 1e-3


def test_table_is_joint():
    found = _over_lanes(MIXED, lambda joint: cell_envelope_bound(joint, axes=(2, 1), tolerance=1e-10))
    tables = np.moveaxis(np.asarray(found.table), -1, 0)
    for axis in (1, 2, 3):
        np.testing.assert_allclose(tables.sum(axis), MIXED.sum(axis), atol=2e-6)
