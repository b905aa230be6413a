"""Both sides of the least entropy of a joint table with three given pairwise marginals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.information import pairwise_marginals
from mmjax.numerics import xlogx
from mmjax.synergy._minimum_entropy import minimum_entropy_bounds
from tests.entropy_programs import chord_program, envelope_program
from tests.random_tables import KINDS, random_tables

pytestmark = pytest.mark.usefixtures("quickly_compiled", "float64")

SHAPES = ((2, 3, 2), (3, 3, 3), (7, 2, 3), (8, 8, 7))
"""Enveloped along all axes, all, two, and one."""
LANES = 64 * len(KINDS)  # batches of 3x3x3 are filled up to this, so that one program serves all

_marginals = jax.jit(jax.vmap(pairwise_marginals))
_of_marginals = jax.jit(jax.vmap(minimum_entropy_bounds))


def _bounds(p):
    return _of_few(*_marginals(p))


def _of_few(*marginals):
    """Of any number of tables, in double precision; fill up batches of 3x3x3."""
    num, *shape = marginals[0].shape
    more = LANES - num if shape == [3, 3] and marginals[0].dtype == np.float64 else 0
    filled = [jnp.concatenate([p, jnp.full((more, *p.shape[1:]), 1 / p[0].size, p.dtype)]) for p in marginals]
    return jax.tree.map(lambda x: np.asarray(x)[:num], _of_marginals(*filled))


def _entropy(p):
    return -np.asarray(jnp.sum(xlogx(jnp.asarray(p)), axis=(-3, -2, -1)))


def _mixed(num, shape, dtype=float):
    return np.concatenate([random_tables(kind, num, shape, seed=3) for kind in KINDS]).astype(dtype)


@pytest.mark.parametrize(
    "shape", [SHAPES[1], *(pytest.param(shape, marks=pytest.mark.slow) for shape in (SHAPES[0], *SHAPES[2:]))]
)
def test_both_sides_hold(shape):
    tables = _mixed(4 if shape == SHAPES[3] else 64, shape)
    lower, achievable = _bounds(jnp.asarray(tables))
    assert np.all(lower <= _entropy(tables) + 1e-9)
    assert np.all(lower <= achievable)
    assert np.mean(np.isfinite(achievable)) > 0.95
    assert np.all(lower >= _trivial(tables) - 1e-9)


def _trivial(tables):
    pairs = [tables.sum(axis) for axis in (1, 2, 3)]
    return np.max([-np.sum(np.asarray(xlogx(jnp.asarray(p))), axis=(1, 2)) for p in pairs], axis=0)


@pytest.mark.parametrize(
    "kind",
    [kind if kind in ("dirichlet", "deterministic") else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS],
)
@pytest.mark.parametrize("shape", [(2, 2, 2), pytest.param((3, 3, 3), marks=pytest.mark.slow)])
def test_not_below_chord_and_envelope_programs(shape, kind):
    tables = random_tables(kind, 100 if shape == (3, 3, 3) else 5, shape, seed=4)
    lower, _ = _bounds(jnp.asarray(tables))
    programs = [max(chord_program(p), envelope_program(p)) for p in tables]
    assert np.sum(np.isfinite(programs)) > 0.9 * len(tables)
    lacking = np.array(programs) - lower
    # Masses of Gamma(.1) span many decades: on some of these tables the solver stops short, and the bound is weaker.
    assert np.all(lacking <= (1e-4 if kind == "gamma" else 1e-6))
    assert np.mean(lacking <= 1e-6) >= 0.97


def test_two_by_two_by_two_is_exact():
    tables = _mixed(256, (2, 2, 2))
    lower, achievable = _bounds(jnp.asarray(tables))
    sign = np.array([1.0, -1.0])
    direction = sign[:, None, None] * sign[:, None] * sign
    up = np.min(np.where(direction < 0, tables, np.inf), axis=(1, 2, 3))
    down = np.min(np.where(direction > 0, tables, np.inf), axis=(1, 2, 3))
    ends = [np.maximum(tables + step[:, None, None, None] * direction, 0) for step in (up, -down)]
    np.testing.assert_allclose(lower, np.minimum(*map(_entropy, ends)), rtol=0, atol=1e-13)
    np.testing.assert_array_equal(lower, achievable)


@pytest.mark.parametrize("shape", [(1, 4, 3), (4, 1, 3), (4, 3, 1)])
def test_a_variable_of_one_value_leaves_no_choice(shape):
    tables = _mixed(8, shape)
    lower, achievable = _bounds(jnp.asarray(tables))
    np.testing.assert_allclose(lower, _entropy(tables), rtol=0, atol=1e-13)
    np.testing.assert_array_equal(lower, achievable)


def test_order_of_the_variables_does_not_matter():
    tables = _mixed(8, (2, 3, 2))
    turned = _bounds(jnp.asarray(np.swapaxes(tables, 1, 3))).lower
    np.testing.assert_allclose(_bounds(jnp.asarray(tables)).lower, turned, rtol=0, atol=1e-8)


def test_least_entropies_that_are_known():
    """Tables whose marginals allow no other: a label that both modalities tell, a copied modality."""
    told = np.zeros((3, 3, 3))
    told[range(3), range(3), range(3)] = (0.5, 0.3, 0.2)
    copied = np.zeros((3, 3, 3))
    copied[range(3), range(3)] = random_tables("dirichlet", 1, (3, 3, 3))[0, 0]
    tables = np.stack([told, copied / copied.sum()])
    found = _bounds(jnp.asarray(tables))
    np.testing.assert_allclose(found.lower, _entropy(tables), rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.achievable, _entropy(tables), rtol=0, atol=1e-8)


def test_gradient_is_the_central_difference():
    tables = random_tables("dirichlet", 6, (3, 3, 3), seed=5)
    direction = np.random.default_rng(0).normal(size=tables.shape)
    direction -= direction.mean(axis=(1, 2, 3), keepdims=True)
    step = 1e-6 * tables.min(axis=(1, 2, 3), keepdims=True)

    def along(size):
        return _bounds(jnp.asarray(tables + size * step * direction)).lower

    @jax.jit
    def forward(p, direction):
        return jax.jvp(jax.vmap(lambda p: minimum_entropy_bounds(*pairwise_marginals(p)).lower), (p,), (direction,))[1]

    derivative = forward(jnp.asarray(tables), jnp.asarray(step * direction))
    difference = (along(1) - along(-1)) / 2
    np.testing.assert_allclose(derivative / step.ravel(), difference / step.ravel(), rtol=0, atol=2e-4)


def test_single_precision():
    tables = _mixed(32, (3, 3, 3), np.float32)
    lower, achievable = _bounds(jnp.asarray(tables))
    assert lower.dtype == achievable.dtype == np.float32
    assert np.all(np.isfinite(lower))
    assert np.all(np.asarray(lower) <= _entropy(tables.astype(float)) + 1e-5)


def test_marginals_of_no_table_give_nan():
    pairs = [np.full((3, 3), 1 / 9)] * 3
    spoiled = {"negative": pairs[0] - np.eye(3) / 3 + 1 / 9, "nan": np.full((3, 3), np.nan), "twice": 2 * pairs[0]}
    found = _of_few(jnp.stack([*spoiled.values()]), *(jnp.stack([p] * len(spoiled)) for p in pairs[1:]))
    assert np.all(np.isnan(found.lower)) and np.all(np.isnan(found.achievable))
    equal, other = np.eye(2) / 2, (1 - np.eye(2)) / 2
    impossible = minimum_entropy_bounds(*map(jnp.asarray, (equal, equal, other)))
    assert np.isnan(impossible.lower) and np.isnan(impossible.achievable)
