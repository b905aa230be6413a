"""The certificate: any primal and any dual point bound the optimum, and both ends meet on every kind of table."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmjax import pid
from mmjax.pid._certificate import Marginals, Potentials, lower_end, upper_end

KINDS = ("dense", "zeros", "counts", "deterministic")
HARD = ("peaked", "near_deterministic")


def check_family(result: pid.PID, gradient: np.ndarray, kind: str, tolerance: float) -> None:
    assert all(np.isfinite(x).all() for x in (*result, gradient))
    assert (result.union_lower <= result.union_upper + 100 * np.finfo(result.gap.dtype).eps).all()
    if kind in KINDS:
        assert (result.gap <= tolerance).all() and result.converged.all()
        assert (result.iterations <= 40).all()
    else:
        assert np.mean(result.gap <= tolerance) >= 0.999 and (result.gap <= 1e-7).all()


@pytest.mark.parametrize("kind", (*KINDS, *HARD))
def test_gap_of_4x4x4(kind, tables, with_gradient):
    check_family(*with_gradient(tables(kind, 256, (4, 4, 4))), kind, 1e-9)


@pytest.mark.parametrize("num", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_gap_of_2x2x2(num, tables, with_gradient):
    result, gradient = with_gradient(np.concatenate([tables(kind, num, (2, 2, 2)) for kind in (*KINDS, *HARD)]))
    for k, kind in enumerate((*KINDS, *HARD)):
        rows = slice(k * num, (k + 1) * num)
        check_family(jax.tree.map(lambda x, rows=rows: x[rows], result), gradient[rows], kind, 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "num"), [((4, 4, 4), 1000), ((8, 8, 4), 256), ((16, 16, 8), 32)])
def test_gap_of_large_tables(shape, num, tables, with_gradient):
    for kind in (*KINDS, *HARD):
        check_family(*with_gradient(tables(kind, num, shape)), kind, 1e-9)


@pytest.mark.parametrize("shape", [(4, 4, 4), (2, 2, 2), (1, 4, 3), (3, 1, 2), (2, 2, 1)])
def test_gap_in_float32(shape, tables, with_gradient):
    for kind in (*KINDS, *HARD):
        result, gradient = with_gradient(tables(kind, 1000, shape).astype(np.float32))
        assert result.redundancy.dtype == np.float32
        assert all(np.isfinite(x).all() for x in (*result, gradient))
        assert np.mean(result.gap <= 1e-4) >= 0.99
        assert (result.gap >= -2e-6).all() and (result.gap <= 1e-3).all()


@pytest.mark.slow
def test_gap_of_large_tables_in_float32(tables, with_gradient):
    for kind in (*KINDS, *HARD):
        result, _ = with_gradient(tables(kind, 256, (8, 8, 4)).astype(np.float32))
        assert np.mean(result.gap <= 1e-3) >= 0.99


@pytest.mark.parametrize("tiny", [1e-300, 1e-30, 1e-16, 1e-9])
def test_cells_of_every_scale(tiny, tables, with_gradient):
    p = tables("dense", 64, (3, 3, 3))
    empty = p.copy()
    p[:, 0] *= tiny
    p[:, :, 1, 2] *= tiny
    empty[:, 0] = 0
    empty[:, :, 1, 2] = 0
    total, rest = p.sum((1, 2, 3), keepdims=True), empty.sum((1, 2, 3), keepdims=True)
    result, gradient = with_gradient(p / total)
    without, _ = with_gradient(empty / rest)
    assert result.converged.all() and np.isfinite(gradient).all()
    np.testing.assert_allclose(result.redundancy, without.redundancy, rtol=0, atol=4e-9 + 200 * tiny)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.floats(0.01, 10.0), st.sampled_from(("dense", "zeros", "peaked", "deterministic")))
def test_any_points_bound_the_optimum(decompose, tables, seed, spread, kind):
    p = tables(kind, 64, (4, 4, 4), seed)
    result = decompose(p)
    rng = np.random.default_rng(seed)
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        first, second = jnp.asarray(np.moveaxis(p.sum(2), 0, -1)), jnp.asarray(np.moveaxis(p.sum(1), 0, -1))
        marginals = Marginals.of(first, second)
        support = np.asarray(marginals.support)
        joint = jnp.asarray(rng.gamma(1 / spread, size=(4, 4, 4, 64)) / 64 * support)
        potentials = Potentials(*(spread * jnp.asarray(rng.normal(size=x.shape)) for x in (first, second)))
        upper, (lower, feasible) = upper_end(joint, marginals), lower_end(potentials, marginals)
        upper, lower, label = np.asarray(upper), np.asarray(lower), np.asarray(first.sum(0))
    entropy = -np.sum(label * np.log(np.where(label > 0, label, 1)), axis=0)
    assert ((entropy + upper) / np.log(2) >= result.union_lower - 1e-12).all()
    assert ((entropy + lower) / np.log(2) <= result.union_upper + 1e-12).all()
    sums = np.exp(np.asarray(feasible.first)[:, None] + np.asarray(feasible.second)[None]) * support
    assert (sums.sum(2) <= 1 + 1e-12).all()


def test_masses_that_hardly_matter_move_in_few_steps(with_gradient):
    """Modalities that tell nearly the same: the joint is all but free, and steps were cut until 72 were needed."""
    p = [[[0.09559406, 0.02097374], [0.10938979, 0.25203828]], [[0.09741204, 0.23640132], [0.1267387, 0.06145207]]]
    result, _ = with_gradient(np.stack([np.array(p) / np.sum(p)] * 8))
    assert (result.gap <= 1e-9).all() and (result.iterations <= 20).all()


def test_rounding_in_large_rows_does_not_reach_small_columns(with_gradient):
    """A missing mass that is mere rounding must not be spread by shares above 1: in float32 it cost 1e-4 bit."""
    first = np.array([[0.45472008, 0.36844617], [3.2074520e-05, 0.17680167]], np.float32)
    second = np.array([[0.45472017, 0.54508722], [3.1980144e-05, 1.6062925e-04]], np.float32)
    joint = first[:, None] * (second / second.sum(0))[None]
    result, _ = with_gradient(np.stack([joint] * 8))
    assert (result.union_lower <= result.union_upper + 2e-6).all()
