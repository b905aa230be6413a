"""The two linear programs against SciPy's solver, and their bounds when the solver is stopped early."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.information import pairwise_marginals
from mmjax.numerics import xlogx
from mmjax.synergy import _linear_program
from mmjax.synergy._box_program import polytope
from mmjax.synergy._cell_envelope import cell_envelope_bound
from mmjax.synergy._chord import chord_bound
from tests.entropy_programs import chord_program, envelope_program
from tests.random_tables import KINDS, random_tables

pytestmark = pytest.mark.usefixtures("quickly_compiled", "float64")

SHAPE = (3, 3, 3)
MIXED = np.concatenate([random_tables(kind, 6, SHAPE, seed=2) for kind in KINDS])


def _over_lanes(tables, bound):
    """Run a bound as `lanes.batch_native` does: problems on the last axis, ranks promoted."""
    marginals = [jnp.moveaxis(p, 0, -1) for p in jax.vmap(pairwise_marginals)(jnp.asarray(tables))]
    with jax.numpy_rank_promotion("allow"):
        return jax.jit(lambda *marginals: bound(polytope(*marginals)))(*marginals)


@functools.cache
def _envelope(axes):
    return _over_lanes(MIXED, lambda joint: cell_envelope_bound(joint, axes=axes, tolerance=1e-10))


def _entropy(p):
    return -np.asarray(jnp.sum(xlogx(jnp.asarray(p)), axis=(-3, -2, -1)))


def test_chord_bound_is_the_programs_value():
    found = _over_lanes(MIXED, lambda joint: chord_bound(joint, tolerance=1e-10))
    expected = [chord_program(p) for p in MIXED]
    assert np.all(found.bound >= np.array(expected) - 2e-7)
    assert np.all(found.bound[:12] <= np.array(expected[:12]) + 2e-7)
    assert np.all(found.bound <= _entropy(MIXED) + 1e-12)


@pytest.mark.parametrize("axes", [pytest.param((2,), marks=pytest.mark.slow), (2, 1), (2, 1, 0)])
def test_envelope_bound_is_the_programs_value(axes):
    found = _envelope(axes)
    some = np.arange(0, len(MIXED), 5)
    expected = np.array([envelope_program(p, axes) for p in MIXED[some]])
    assert np.all(found.bound[some] >= expected - 5e-7)
    dirichlet = some < 6
    assert np.all(found.bound[some][dirichlet] <= expected[dirichlet] + 5e-7)
    assert np.all(found.bound <= _entropy(MIXED) + 1e-12)


@pytest.mark.parametrize("steps", [pytest.param(0, marks=pytest.mark.slow), 3])
def test_bounds_hold_before_convergence(monkeypatch, steps):
    monkeypatch.setattr(_linear_program, "MAX_ITERATIONS", steps)
    found = _over_lanes(MIXED, lambda joint: cell_envelope_bound(joint, axes=(2, 1, 0), tolerance=1e-10))
    assert np.all(np.isfinite(found.bound))
    assert np.all(found.bound <= _entropy(MIXED) + 1e-12)
    assert np.mean(_entropy(MIXED) - found.bound) > 1e-3


def test_table_is_joint():
    found = _envelope((2, 1))
    tables = np.moveaxis(np.asarray(found.table), -1, 0)
    for axis in (1, 2, 3):
        np.testing.assert_allclose(tables.sum(axis), MIXED.sum(axis), atol=2e-6)
