"""Every pair of modalities as one program: equal to the pairs one by one, gates, gradient, refusals."""

import functools
import itertools

import jax
import numpy as np
import pytest
from jax import Array

from mmjax import pid

pytestmark = pytest.mark.usefixtures("quickly_compiled")

PARTS = ("redundancy", "unique1", "unique2", "synergy")
SHAPE = (2, 2, 3, 2)  # the pairs have shapes (2, 2, 2), (2, 3, 2) and (2, 3, 2)


def random_tables(num: int) -> np.ndarray:
    cells = np.random.default_rng(0).gamma(0.5, size=(num, *SHAPE))
    return cells / cells.sum(axis=(1, 2, 3, 4), keepdims=True)


def synergies(p: Array) -> tuple[Array, pid.AllPairs]:
    result = pid.all_pairs(p, tol=1e-11)
    return result.pid.synergy.sum(), result


@functools.cache
def program():
    """All that the tests need of three tables at once: results and the gradient of the summed synergies."""
    return jax.jit(jax.vmap(jax.value_and_grad(synergies, has_aux=True)))


def parts(result: pid.PID) -> np.ndarray:
    return np.stack([getattr(result, part) for part in PARTS], axis=-1)


def test_equals_the_pairs_one_by_one(float64):
    tables = random_tables(3)
    result = program()(tables)[0][1]
    assert result.pairs[0].tolist() == [[0, 1], [0, 2], [1, 2]]
    assert result.pid.converged.all()
    for i, pair in enumerate(itertools.combinations(range(3), 2)):
        (left_out,) = set(range(3)) - set(pair)
        alone = pid.broja(tables[0].sum(axis=left_out), tol=1e-11)
        np.testing.assert_allclose(parts(result.pid)[0, i], parts(alone), rtol=0, atol=1e-10)


def test_gates_and_what_is_no_table(float64):
    tables = np.zeros((3, *SHAPE))
    for a, b, c in itertools.product(range(2), range(2), range(3)):
        tables[0, a, b, c, a ^ b] = 1 / 12  # y = x1 xor x2, x3 apart
        tables[1, a, b, a ^ b, a ^ b] = 1 / 4  # y = x1 xor x2 = x3, whose third symbol does not occur
    tables[2] = 1
    result = parts(program()(tables)[0][1].pid)
    np.testing.assert_allclose(result[0], [[0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]], atol=1e-9)
    np.testing.assert_allclose(result[1], [[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 1, 0]], atol=1e-9)
    assert np.isnan(result[2]).all()


def test_gradient(float64):
    middle, towards, _ = random_tables(3)
    step = 1e-4 * (towards - middle)
    values, gradients = program()(np.stack([middle - step, middle, middle + step]))
    np.testing.assert_allclose(2 * np.sum(gradients[1] * step), values[0][2] - values[0][0], rtol=1e-4)


def test_refusals():
    p = np.full(SHAPE, 1 / 24, np.float32)
    with pytest.raises(ValueError, match="at least two modalities"):
        pid.all_pairs(np.full((2, 2), 0.25))
    with pytest.raises(ValueError, match="cannot be certified"):
        pid.all_pairs(p, tol=1e-12)
    with pytest.raises(ValueError, match="base must be greater"):
        pid.all_pairs(p, base=1.0)
