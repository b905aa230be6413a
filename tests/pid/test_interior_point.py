"""The interior point: a step from the alternating start closes in on the optimum and stays inside."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.pid import _interior_point
from mmjax.pid._alternating import alternate
from mmjax.pid._certificate import Marginals

pytestmark = pytest.mark.usefixtures("quickly_compiled")


@pytest.fixture(scope="module")
def path():
    """Five iterates of 64 tables 3x2x2, from a start that has hardly begun."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(12), size=64).reshape(64, 3, 2, 2)
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        marginals = Marginals.of(*(jnp.asarray(np.moveaxis(p.sum(axis), 0, -1)) for axis in (2, 1)))
        point = jax.jit(lambda: _interior_point.start(*alternate(marginals, 5), marginals))()
        improve = jax.jit(lambda point: _interior_point.improve(point, marginals))
        points = [point]
        for _ in range(5):
            points.append(improve(points[-1]))
        yield marginals, points, improve


def complementarity(point):
    return np.sum(point.masses * point.slacks, axis=(0, 1))


def test_steps_stay_inside(path):
    marginals, points, _ = path
    for point in points:
        assert (np.asarray(point.masses) > 0).all() and (np.asarray(point.slacks) > 0).all()
        np.testing.assert_allclose(np.sum(point.weights, axis=(0, 1)), 1, rtol=1e-12)
    assert np.asarray(marginals.support).all()


def test_steps_reduce_complementarity_and_residuals(path):
    marginals, points, _ = path
    gaps = [complementarity(point) for point in points]
    for before, after in itertools.pairwise(gaps):
        assert (after <= 1.1 * before + 1e-15).all()
    assert np.median(gaps[-1] / gaps[0]) < 1e-2
    with jax.enable_x64(True):
        q = _interior_point.joint(points[-1], marginals)
    assert np.median(np.abs(q.sum(1) - marginals.first).sum((0, 1))) < 1e-6


def test_a_broken_lane_stays_and_regularises(path):
    _, points, improve = path
    start = points[0]
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        broken = start._replace(masses=start.masses.at[..., 0].set(jnp.nan))
        moved = improve(broken)
    assert moved.ridge[0] > start.ridge[0] and moved.step[0] == 0
    np.testing.assert_array_equal(moved.potentials.first[..., 0], start.potentials.first[..., 0])
    np.testing.assert_array_equal(moved.masses[..., 1:], points[1].masses[..., 1:])
