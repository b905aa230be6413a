"""The decomposition: literal gates, an independent oracle, identities, symmetries, derivatives, refusals."""

import functools
import itertools
from collections.abc import Callable
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import Mesh, PartitionSpec

from mmjax import information, pid

pytestmark = pytest.mark.usefixtures("quickly_compiled")

PARTS = ("redundancy", "unique1", "unique2", "synergy")
AND_REDUNDANCY = 0.311278124459133  # 3/4 log2(4/3)
RAGGED = ((3, 3, 2), (2, 4, 3), (1, 4, 3), (3, 1, 2), (2, 2, 1), (1, 1, 4))


def gate(function: Callable[[int, int], int], n1: int, n2: int, ny: int) -> np.ndarray:
    """The table of y = function(x1, x2) with uniform independent inputs."""
    p = np.zeros((n1, n2, ny))
    for x1, x2 in itertools.product(range(n1), range(n2)):
        p[x1, x2, function(x1, x2)] = 1 / (n1 * n2)
    return p


def table(shape: tuple[int, int, int], *cells: tuple[int, int, int, float]) -> np.ndarray:
    p = np.zeros(shape)
    for x1, x2, y, mass in cells:
        p[x1, x2, y] = mass
    return p


NOISE, NOISY_AND = 0.4689955935892812, 0.8812908992306927  # entropies of a coin of .1 and of .3
AND = gate(lambda a, b: a & b, 2, 2, 2)
XOR = gate(lambda a, b: a ^ b, 2, 2, 2)
RDNXOR = table(
    (4, 4, 4),
    *((2 * r + a, 2 * r + b, 2 * r + (a ^ b), 1 / 8) for r, a, b in itertools.product(range(2), repeat=3)),
)
RDNERR = table((2, 2, 2), (0, 0, 0, 3 / 8), (1, 1, 1, 3 / 8), (0, 1, 0, 1 / 8), (1, 0, 1, 1 / 8))
OWN_INPUTS = table((4, 2, 2), *((2 * a + b, b, a & b, 1 / 4) for a, b in itertools.product(range(2), repeat=2)))
PWUNQ = table((3, 3, 2), (0, 1, 0, 0.25), (1, 0, 0, 0.25), (0, 2, 1, 0.25), (2, 0, 1, 0.25))

# Bertschinger et al. 2014 and Makkeh et al. 2018 print the gates; all are closed forms.
GATES = {
    "and": (AND, (AND_REDUNDANCY, 0, 0, 0.5)),
    "or": (gate(lambda a, b: a | b, 2, 2, 2), (AND_REDUNDANCY, 0, 0, 0.5)),
    "xor": (XOR, (0, 0, 0, 1)),
    "unique1": (gate(lambda a, b: a, 2, 2, 2), (0, 1, 0, 0)),
    "unique2": (gate(lambda a, b: b, 2, 2, 2), (0, 0, 1, 0)),
    "redundant": (table((2, 2, 2), (0, 0, 0, 0.5), (1, 1, 1, 0.5)), (1, 0, 0, 0)),
    "copy": (gate(lambda a, b: 2 * a + b, 2, 2, 4), (0, 1, 1, 0)),
    "redundant and xor": (RDNXOR, (1, 0, 0, 1)),
    "sum modulo 3": (gate(lambda a, b: (a + b) % 3, 3, 3, 3), (0, 0, 0, np.log2(3))),
    "sum": (gate(lambda a, b: a + b, 2, 2, 3), (0.5, 0, 0, 1)),
    "noisy xor": (0.8 * XOR + 0.1 * 0.25, (0, 0, 0, 1 - NOISE)),
    "noisy and": (0.8 * AND + 0.1 * 0.25, (NOISY_AND - 0.5 * (1 + NOISE), 0, 0, 0.5 * (1 - NOISE))),
    "and of one's own inputs": (OWN_INPUTS, (AND_REDUNDANCY, 0.5, 0, 0)),
    "redundant with errors": (RDNERR, (0.18872187554086717, 0.8112781244591328, 0, 0)),
    "pointwise unique": (PWUNQ, (0.5, 0, 0, 0.5)),
    "independent": (np.full((2, 2, 2), 1 / 8), (0, 0, 0, 0)),
    "one outcome": (np.ones((1, 1, 1)), (0, 0, 0, 0)),
}


@pytest.mark.parametrize("name", GATES)
def test_gates(name, decompose):
    p, expected = GATES[name]
    result = decompose(p[None])
    np.testing.assert_allclose([getattr(result, part)[0] for part in PARTS], expected, rtol=0, atol=1e-8)
    assert result.converged[0]


def compare_with_oracle(reference: Path, decompose, sizes: tuple[str, ...]) -> int:
    oracle = np.load(reference / "oracles" / "pid_public.npz")
    fields = list(oracle["fields"])
    columns = [fields.index(f"hp_{part}") for part in ("R", "U1", "U2", "S")]
    by_shape: dict[tuple[int, ...], list] = {}
    for name, values in zip(oracle["names"], oracle["values"], strict=True):
        p = oracle[f"P__{name}"]
        small = max(p.shape) <= 4
        if np.isfinite(values[columns]).all() and ("small" if small else "large") in sizes:
            by_shape.setdefault(p.shape, []).append((p, values[columns]))
    for cases in by_shape.values():
        result = decompose(np.stack([p for p, _ in cases]))
        ours = np.stack([getattr(result, part) for part in PARTS], axis=-1)
        np.testing.assert_allclose(ours, np.stack([values for _, values in cases]), rtol=0, atol=1e-6)
    return sum(map(len, by_shape.values()))


def test_oracle(reference, decompose):
    assert compare_with_oracle(reference, decompose, ("small",)) > 100


@pytest.mark.slow
def test_oracle_of_large_tables(reference, decompose):
    assert compare_with_oracle(reference, decompose, ("large",)) > 5


kinds = st.sampled_from(("dense", "peaked", "zeros", "counts", "deterministic", "near_deterministic"))
shapes = st.sampled_from((*RAGGED, (4, 4, 4), (2, 2, 2)))
seeds = st.integers(0, 2**31)
few = settings(max_examples=12, deadline=None, derandomize=True)


@few
@given(kinds, shapes, seeds)
def test_identities_and_order(decompose, tables, kind, shape, seed):
    p = tables(kind, 32, shape, seed)
    result = decompose(p)
    with jax.enable_x64(True):
        first = jax.vmap(information.mutual_information)(p.sum(2))
        second = jax.vmap(information.mutual_information)(p.sum(1))
        both = jax.vmap(information.joint_mutual_information)(p)
    np.testing.assert_allclose(result.redundancy + result.unique1, first, rtol=0, atol=1e-12)
    np.testing.assert_allclose(result.redundancy + result.unique2, second, rtol=0, atol=1e-12)
    np.testing.assert_allclose(sum(getattr(result, part) for part in PARTS), both, rtol=0, atol=1e-12)
    assert (result.union_lower <= result.union_upper + 1e-13).all()
    assert result.converged.all() and (result.gap <= 1e-9).all()
    for part in PARTS:
        assert (getattr(result, part) >= -result.gap / 2 - 1e-12).all()


@few
@given(kinds, shapes, seeds)
def test_swapping_the_modalities_swaps_the_unique_parts(decompose, tables, kind, shape, seed):
    p = tables(kind, 16, shape, seed)
    result, swapped = decompose(p), decompose(p.swapaxes(1, 2))
    slack = 2e-9
    np.testing.assert_allclose(swapped.redundancy, result.redundancy, rtol=0, atol=slack)
    np.testing.assert_allclose(swapped.unique1, result.unique2, rtol=0, atol=slack)
    np.testing.assert_allclose(swapped.synergy, result.synergy, rtol=0, atol=slack)


@few
@given(kinds, shapes, seeds, st.data())
def test_labels_have_no_order(decompose, tables, kind, shape, seed, data):
    p = tables(kind, 16, shape, seed)
    orders = [data.draw(st.permutations(range(size))) for size in shape]
    result = decompose(p)
    permuted = decompose(p[:, orders[0]][:, :, orders[1]][..., orders[2]])
    for part in PARTS:
        np.testing.assert_allclose(getattr(permuted, part), getattr(result, part), rtol=0, atol=2e-9)


def test_shuffled_batch_gives_shuffled_results(decompose, tables):
    p = np.concatenate([tables(kind, 100, (4, 4, 4)) for kind in ("dense", "zeros", "peaked")])
    order = np.random.default_rng(0).permutation(len(p))
    result, shuffled = decompose(p), decompose(p[order])
    for part in (*PARTS, "gap"):
        np.testing.assert_allclose(getattr(shuffled, part), getattr(result, part)[order], rtol=0, atol=1e-11)


@pytest.mark.parametrize("shape", [pytest.param((5, 3, 2), marks=pytest.mark.slow), (2, 5, 3)])
def test_ragged_shapes_single_and_jitted(tables, shape, float64):
    p = tables("zeros", 1, shape)[0]
    result = jax.jit(pid.broja)(p)
    assert result.redundancy.shape == () and result.redundancy.dtype == np.float64
    assert result.converged and -1e-13 <= result.gap <= 1e-9
    first, second = information.mutual_information(p.sum(1)), information.mutual_information(p.sum(0))
    np.testing.assert_allclose(result.unique1 - result.unique2, first - second, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_sum_of_two_dice(float64):
    result = pid.broja(gate(lambda a, b: a + b, 6, 6, 11), tol=1e-8)
    np.testing.assert_allclose(result[:4], (0.689439, 0, 0, np.log2(6)), rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def small():
    """Interior 2x2x2 tables and moves that keep the sum."""
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.full(8, 4.0), size=6).reshape(-1, 2, 2, 2)
    moves = rng.normal(size=p.shape)
    return p, moves - moves.mean((1, 2, 3), keepdims=True)


def parts(p):
    """Redundancy, unique information and synergy, to a gap that differences can see through."""
    return jnp.stack(pid.broja(p, tol=1e-12)[:4])


def test_derivatives_are_those_of_differences(small, float64):
    p, moves = small
    step = 1e-5
    values_and_jacobian = jax.jit(jax.vmap(jax.jacrev(lambda p: (parts(p),) * 2, has_aux=True)))
    jacobian, values = values_and_jacobian(np.concatenate([p + step * moves, p - step * moves, p]))
    ahead, behind, _ = values.reshape(3, len(p), 4)
    expected = np.einsum("bkijy,bijy->bk", jacobian[-len(p) :], moves)
    np.testing.assert_allclose(expected, (ahead - behind) / (2 * step), rtol=0, atol=1e-6)

    def forward(_: None, point: tuple[jax.Array, jax.Array]) -> tuple[None, jax.Array]:
        return None, jax.jvp(parts, point[:1], point[1:])[1]

    _, scanned = jax.lax.scan(forward, None, (p, moves))
    np.testing.assert_allclose(scanned, expected, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_jacobian_in_forward_mode(small, float64):
    """Forward over one compiled kernel, outside of jit; `test_derivatives_are_those_of_differences` does so inside."""
    p = small[0][0]
    forward, reverse = (jacobian(lambda p: pid.broja(p).synergy)(p) for jacobian in (jax.jacfwd, jax.grad))
    np.testing.assert_allclose(forward, reverse, rtol=0, atol=1e-12)


def test_a_second_derivative_raises(small, float64):
    with pytest.raises(TypeError, match="second derivatives"):
        jax.jit(jax.hessian(lambda p: pid.broja(p).redundancy)).lower(small[0][0])


def test_no_table_gives_nan(decompose):
    good = np.full((2, 2, 2), 1 / 8)
    broken = np.stack([good, good, good, 1.1 * good, 0 * good, good])
    broken[0, 0, 0] = (-0.125, 0.375)
    broken[1, 0, 0, 0] = np.nan
    broken[2, 0, 0, 0] = np.inf
    result = decompose(broken)
    for part in (*PARTS, "gap", "union_lower", "union_upper"):
        assert np.isnan(getattr(result, part)[:5]).all() and np.isfinite(getattr(result, part)[5])
    assert not result.converged[:5].any() and result.converged[5]


def test_marginals_alone_give_all_but_the_synergy(small, float64):
    p, _ = small
    table = pid.broja(p[0])
    marginals = pid.broja_from_marginals(p[0].sum(1), p[0].sum(0))
    for part in PARTS[:3]:
        np.testing.assert_allclose(getattr(marginals, part), getattr(table, part), rtol=0, atol=1e-12)
    assert np.isnan(marginals.synergy) and marginals.converged
    disagreeing = pid.broja_from_marginals(p[0].sum(1), p[1].sum(0))
    assert all(np.isnan(getattr(disagreeing, part)) for part in (*PARTS, "gap")) and not disagreeing.converged


def test_tolerance_and_base(small, float64):
    p = small[0][0]
    bits, nats = pid.broja(p), pid.broja(p, base=np.e, tol=1e-9 * np.log(2))
    np.testing.assert_allclose([x * np.log(2) for x in bits[:4]], nats[:4], rtol=0, atol=1e-9)
    loose = pid.broja(p, tol=1e-2)
    assert loose.converged and loose.iterations <= bits.iterations
    assert loose.union_lower <= bits.union_upper and bits.union_lower <= loose.union_upper


def test_a_tolerance_beyond_the_dtype_raises():
    p = jnp.full((2, 2, 2), 1 / 8, jnp.float32)
    with pytest.raises(ValueError, match=r"tol=1e-09.*jax\.enable_x64"):
        pid.broja(p, tol=1e-9)
    with pytest.raises(ValueError, match=r"jax\.enable_x64"):
        jax.jit(lambda p: pid.broja_from_marginals(p.sum(1), p.sum(0), tol=0.0))(p)
    with pytest.raises(AssertionError):
        pid.broja(p[0])


def test_stopped_early_both_ends_still_hold(tables, decompose, float64):
    p = np.concatenate([tables(kind, 32, (2, 2, 2)) for kind in ("dense", "zeros", "peaked", "near_deterministic")])
    converged = decompose(p)

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(0, None))
    @functools.partial(chex.assert_max_traces, n=1)
    def limited(p: jax.Array, limit: jax.Array) -> pid.PID:
        return pid.broja(p, max_iterations=limit)

    gaps = []
    for limit in (0, 1, 2):
        result = limited(p, limit)
        assert (result.iterations <= limit).all()
        assert (result.union_lower <= converged.union_upper + 1e-12).all()
        assert (result.union_upper >= converged.union_lower - 1e-12).all()
        assert ((result.gap <= 1e-9) == result.converged).all()
        gaps.append(result.gap)
    assert (gaps[1] <= gaps[0] + 1e-12).all() and (gaps[2] <= gaps[1] + 1e-12).all()
    assert gaps[0].max() > 1e-9


def test_batches_of_batches_on_all_devices_agree(tables, decompose, float64):
    num_devices = len(jax.devices())
    p = tables("zeros", 4 * num_devices, (2, 2, 2))
    mesh, split = Mesh(np.array(jax.devices()), ("batch",)), PartitionSpec("batch")
    nested = jax.vmap(jax.vmap(pid.broja))
    sharded = jax.jit(jax.shard_map(nested, mesh=mesh, in_specs=split, out_specs=split))
    result, expected = sharded(p.reshape(-1, 2, 2, 2, 2)), decompose(p)
    for part in PARTS:
        np.testing.assert_allclose(getattr(result, part).reshape(-1), getattr(expected, part), rtol=0, atol=2e-9)


@pytest.mark.parametrize("total", [1 - 9e-4, 1 + 9e-4])
def test_tables_that_sum_to_one_nearly(total):
    """They count as tables, printed with few digits: what their sum is off must not look like information."""
    copy = np.zeros((2, 2, 2))
    copy[[0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1]] = 0.25
    told = np.zeros((2, 2, 2))
    told[[0, 1], [0, 1], [0, 1]] = 0.5
    with jax.enable_x64(True):
        first, second = (pid.broja(jnp.asarray(total * p)) for p in (copy, told))
        terms = pid.pointwise(jnp.asarray(total * told))
    np.testing.assert_allclose(first[:4], [0, total, 0, 0], rtol=0, atol=2e-9)
    np.testing.assert_allclose(second[:4], [total, 0, 0, 0], rtol=0, atol=2e-9)
    np.testing.assert_allclose(np.sum(total * told * np.asarray(terms.redundancy)), total, atol=1e-6)


def test_tables_of_other_dtypes():
    """Integers and booleans are tables too; single and double precision meet in double."""
    p = np.zeros((2, 2, 2), int)
    p[1, 0, 1] = 1
    assert pid.broja_from_marginals(p.sum(1), p.sum(0)).redundancy == 0
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        mixed = pid.broja_from_marginals(np.eye(2, dtype=np.float32) / 2, np.eye(2) / 2)
        assert mixed.redundancy.dtype == np.float64 and mixed.gap <= 1e-9


def test_nothing_to_decompose():
    empty = jax.vmap(pid.broja)(jnp.zeros((0, 2, 2, 2)))
    assert all(x.shape == (0,) for x in empty)
    with pytest.raises(ValueError, match="at least one entry"):
        pid.broja(jnp.zeros((2, 0, 2)))


def test_a_tolerance_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="cannot be certified"):
        pid.broja(jnp.ones((2, 2, 2)) / 8, tol=float("nan"))
