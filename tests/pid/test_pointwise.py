"""Contributions of the outcomes: their averages, literal values, empty cells, refusals."""

import jax
import numpy as np
import pytest

from mmjax import pid

pytestmark = pytest.mark.usefixtures("quickly_compiled")


@pytest.fixture(scope="module")
def solved(decompose):
    """Averages and results of both functions on 2x2x2 tables, the last of which is none."""
    rng = np.random.default_rng(0)
    p = rng.gamma(1.0, size=(33, 2, 2, 2)) * (rng.uniform(size=(33, 2, 2, 2)) > 0.3)
    p[:, 0, 0, 0] += 0.1
    p /= p.sum((1, 2, 3), keepdims=True)
    p[0] = [[[0.25, 0], [0, 0.25]], [[0, 0.25], [0.25, 0]]]
    p[-1] *= 2
    with jax.enable_x64(True):
        contributions = jax.device_get(jax.jit(jax.vmap(pid.pointwise))(p))
    return p, contributions, decompose(p)


def test_averages_are_the_decomposition(solved):
    p, contributions, table = solved
    for part in pid.PointwisePID._fields:
        average = np.sum(p * getattr(contributions, part), axis=(1, 2, 3))[:-1]
        assert (np.abs(average - getattr(table, part)[:-1]) <= 1e-9 + 1e-12).all()


def test_parts_of_an_outcome_add_up_to_its_information(solved):
    p, contributions, _ = solved
    with np.errstate(divide="ignore", invalid="ignore"):
        both = np.log2(p / p.sum(3, keepdims=True) / p.sum((1, 2), keepdims=True))
        first = np.log2(p.sum(2) / p.sum((2, 3))[..., None] / p.sum((1, 2))[:, None])[:, :, None]
    cells = (p > 0) & (np.arange(33) < 32)[:, None, None, None]
    total = sum(contributions)
    np.testing.assert_allclose(total[cells], both[cells], rtol=0, atol=1e-10)
    alone = np.broadcast_to(first, p.shape)
    np.testing.assert_allclose((contributions.redundancy + contributions.unique1)[cells], alone[cells], atol=1e-10)
    assert all((part[:-1][p[:-1] == 0] == 0).all() for part in contributions)


def test_every_outcome_of_xor_is_one_bit_of_synergy(solved):
    p, contributions, _ = solved
    np.testing.assert_allclose(contributions.synergy[0], (p[0] > 0).astype(float), rtol=0, atol=1e-8)
    np.testing.assert_allclose(contributions.redundancy[0], 0, atol=1e-8)


def test_no_table_gives_nan_and_no_derivative_is_promised(solved):
    _, contributions, _ = solved
    assert all(np.isnan(part[-1]).all() for part in contributions)
    with jax.enable_x64(True):
        slopes = jax.jit(jax.grad(lambda p: pid.pointwise(p).synergy.sum()))(np.full((2, 2, 2), 1 / 8))
        assert (slopes == 0).all()
    with pytest.raises(ValueError, match=r"jax\.enable_x64"):
        pid.pointwise(np.full((2, 2, 2), 1 / 8, np.float32), tol=1e-9)
    with pytest.raises(AssertionError):
        pid.pointwise(np.full((2, 2), 1 / 4, np.float32))
