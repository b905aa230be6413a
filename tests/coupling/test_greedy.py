import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec

from mmjax import coupling
from tests.coupling import plain

batched = jax.jit(jax.vmap(coupling.greedy))


def marginals_of(cells, k, n):
    """Marginals (batch, k, n) of a batch of couplings."""
    sums = np.zeros((len(cells.masses), k, n))
    for problem, (indices, masses) in enumerate(zip(*map(np.asarray, cells), strict=True)):
        for marginal in range(k):
            np.add.at(sums[problem, marginal], indices[:, marginal], masses)
    return sums


def test_a_literal_coupling(float64):
    # Worked by hand; its entropy, 1.76096 bits, is the least possible one.
    cells = coupling.greedy(jnp.array([[0.5, 0.4, 0.1], [0.6, 0.2, 0.2]]))
    np.testing.assert_array_equal(cells.indices[:4], [[0, 0], [1, 1], [1, 2], [2, 0]])
    np.testing.assert_allclose(cells.masses, [0.5, 0.2, 0.2, 0.1, 0], atol=1e-16)
    assert cells.indices.dtype == jnp.int32 and cells.indices.shape == (5, 2)


# One shape for each way to make the steps: many lanes, many lanes and many atoms; test below: few lanes.
@pytest.mark.parametrize(("k", "n"), [(2, 16), (3, 5), (2, 160)])
def test_cells_are_those_of_a_plain_program(float64, k, n):
    for seed, kind in enumerate(plain.KINDS):
        p = plain.random_marginals(seed, 16, k, n, kind)
        cells = batched(jnp.array(p))
        np.testing.assert_allclose(marginals_of(cells, k, n), p, atol=1e-12)
        assert np.all(np.diff(cells.masses, axis=1) <= 1e-15)
        for ours, one in zip(np.asarray(cells.masses), p, strict=True):
            masses = plain.greedy(one)[1]
            np.testing.assert_allclose(ours[: len(masses)], np.sort(masses)[::-1], atol=1e-9)
            np.testing.assert_allclose(ours[len(masses) :], 0, atol=1e-15)


def test_indices_are_those_of_a_plain_program(float64):
    p = plain.random_marginals(1, 16, 3, 5, "dense")
    for indices, one in zip(np.asarray(batched(jnp.array(p)).indices), p, strict=True):
        expected = plain.greedy(one)[0]
        np.testing.assert_array_equal(indices[: len(expected)], expected)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_of_equal_atoms_the_lowest_index_is_taken(float64, dtype):
    p = jnp.full((2, 6), 1 / 6, dtype)
    for cells in (coupling.greedy(p), jax.tree.map(lambda x: x[7], batched(jnp.stack([p] * 16)))):
        np.testing.assert_array_equal(cells.indices[:6], np.arange(6)[:, None] * [1, 1])


def test_float32_reproduces_the_marginals():
    for kind in plain.KINDS:
        p = plain.random_marginals(2, 16, 2, 16, kind).astype(np.float32)
        cells = batched(jnp.array(p))
        assert cells.masses.dtype == jnp.float32
        np.testing.assert_allclose(marginals_of(cells, 2, 16), p, atol=1e-6)


def test_float32_masses_are_those_of_float64(float64):
    p = plain.random_marginals(3, 16, 2, 16, "dense")
    np.testing.assert_allclose(batched(jnp.array(p, jnp.float32)).masses, batched(jnp.array(p)).masses, atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_one_marginal_is_its_own_coupling(float64, dtype):
    p = jnp.array([[0.125, 0.5, 0.0, 0.375]], dtype)
    cells = coupling.greedy(p)
    np.testing.assert_array_equal(cells.masses, [0.5, 0.375, 0.125, 0])
    np.testing.assert_array_equal(cells.indices[:3, 0], [1, 3, 0])
    np.testing.assert_array_equal(coupling.greedy(jnp.ones((3, 1), dtype)).masses, [1])


def test_masses_of_1e_minus_300_and_of_one_atom_do_no_harm(float64):
    p = jnp.array([[1.0, 1e-300, 0.0], [1e-17, 1.0, 0.0]])
    cells = coupling.greedy(p)
    np.testing.assert_allclose(marginals_of(jax.tree.map(lambda x: x[None], cells), 2, 3)[0], p, atol=1e-12)


@pytest.mark.parametrize("row", [[0.5, -0.5, 1.0], [np.nan, 0.5, 0.5], [0.0, 0.0, 0.0], [0.4, 0.4, 0.4]])
def test_a_row_that_is_no_distribution_gives_nan_in_its_problem_only(row):
    good = [[0.5, 0.4, 0.1], [0.6, 0.2, 0.2]]
    masses = batched(jnp.array([good, [good[0], row], good])).masses
    assert np.all(np.isnan(masses[1])) and np.all(np.isfinite(masses[jnp.array([0, 2])]))


def test_batches_nested_and_not_agree_with_single_problems(float64):
    p = jnp.array(plain.random_marginals(4, 24, 2, 5, "zeros"))
    single = [coupling.greedy(one) for one in p]
    nested = jax.vmap(jax.vmap(coupling.greedy))(p.reshape(2, 12, 2, 5))
    for index, one in enumerate(single):
        for cells in (jax.tree.map(lambda x: x.reshape(24, *x.shape[2:]), nested), batched(p)):
            np.testing.assert_array_equal(cells.indices[index], one.indices)
            np.testing.assert_array_equal(cells.masses[index], one.masses)


def test_sharded_over_devices_agrees(float64):
    p = jnp.array(plain.random_marginals(5, 128, 2, 5, "counts"))
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Auto,))
    spec = PartitionSpec("batch")
    sharded = jax.jit(jax.shard_map(jax.vmap(coupling.greedy), mesh=mesh, in_specs=spec, out_specs=spec))
    for ours, expected in zip(sharded(p), batched(p), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_a_second_call_is_not_traced_again(float64):
    chex.clear_trace_counter()
    once = jax.jit(chex.assert_max_traces(lambda p: jax.vmap(coupling.greedy)(p), n=1))
    for seed in range(2):
        assert once(jnp.array(plain.random_marginals(seed, 16, 3, 5, "dense"))).masses.shape == (16, 13)


def test_masses_count_as_constants(float64):
    p = jnp.array([[0.5, 0.4, 0.1], [0.6, 0.2, 0.2]])
    np.testing.assert_array_equal(jax.jacrev(lambda p: coupling.greedy(p).masses)(p), 0)
