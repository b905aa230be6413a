"""Linear programs that bound the least entropy of a joint table, written out in full for SciPy's solver."""

import jax.numpy as jnp
import numpy as np
from scipy.optimize import linprog

from mmjax.information import pairwise_marginals
from mmjax.numerics import xlogx
from mmjax.synergy._cell_polytope import crossing_edges, polytope_vertices
from mmjax.synergy._frechet import frechet_box

EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def _box_of(p):
    return tuple(np.asarray(x) for x in frechet_box(*pairwise_marginals(jnp.asarray(p))))


def chord_program(p):
    """Least sum of chords over joint tables, in nats."""
    lower, upper = _box_of(p)
    at_lower, at_upper = -np.asarray(xlogx(jnp.asarray(lower))), -np.asarray(xlogx(jnp.asarray(upper)))
    width = upper - lower
    slope = np.where(width > 1e-12, (at_upper - at_lower) / np.where(width > 1e-12, width, 1), 0)
    equations = np.array([np.eye(p.size).reshape(*p.shape, p.size).sum(axis)[at] for axis, at in _pairs(p.shape)])
    box = np.c_[lower.ravel(), upper.ravel()]
    result = linprog(slope.ravel(), A_eq=equations, b_eq=equations @ p.ravel(), bounds=box, options=EXACT)
    return result.fun + np.sum(at_lower - slope * lower) if result.status == 0 else -np.inf


def envelope_program(p, axes=(2, 1, 0)):
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
