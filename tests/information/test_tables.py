import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmjax import information

SIZES = (2, 3, 2)


def _count(x1, x2, y, weights=None, sizes=SIZES):
    table = np.zeros(sizes)
    np.add.at(table, (x1, x2, y), 1 if weights is None else weights)
    return table / table.sum()


def _samples(num, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(0, size, num) for size in SIZES)


def test_joint_table_of_literal_samples():
    x1, x2, y = jnp.array([0, 0, 1, 1]), jnp.array([0, 1, 2, 2]), jnp.array([0, 1, 1, 1])
    p = information.joint_table(x1, x2, y, sizes=(2, 3, 2))
    expected = jnp.zeros((2, 3, 2)).at[0, 0, 0].set(0.25).at[0, 1, 1].set(0.25).at[1, 2, 1].set(0.5)
    np.testing.assert_array_equal(p, expected)
    weighted = information.joint_table(x1, x2, y, sizes=(2, 3, 2), weights=jnp.array([3.0, 0.0, 1.0, 0.0]))
    np.testing.assert_allclose(weighted, expected.at[0, 0, 0].set(0.75).at[0, 1, 1].set(0).at[1, 2, 1].set(0.25))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(*(st.integers(0, size - 1) for size in SIZES)), min_size=12, max_size=12),
    st.booleans(),
)
def test_joint_table_counts(rows, weighted):
    ids = np.array(rows).T
    weights = np.linspace(0, 3, 12, dtype=np.float32) if weighted else None
    p = information.joint_table(*ids, sizes=SIZES, weights=weights)
    np.testing.assert_allclose(p, _count(*ids, weights), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32, bool])
def test_joint_table_takes_integers_of_any_width(dtype):
    sizes = (2, 200, 3)
    x2 = np.array([199, 0, 7]) if dtype in (np.uint8, np.int32, np.uint32) else np.array([1, 0, 1])
    ids = [jnp.asarray(x.astype(dtype)) for x in (np.array([1, 0, 1]), x2, np.array([1, 0, 1]))]
    p = information.joint_table(*ids, sizes=sizes)
    np.testing.assert_allclose(p, _count(*(np.asarray(x).astype(int) for x in ids), sizes=sizes), rtol=1e-6)


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("bad", [-1, 3, 2**31 - 1, -(2**31)])
def test_an_id_out_of_range_makes_the_table_nan(position, bad):
    ids = [jnp.asarray(x).at[4].set(bad if i == position else x[4]) for i, x in enumerate(_samples(12))]
    table = jax.jit(lambda *ids: information.joint_table(*ids, sizes=SIZES))(*ids)
    assert table.shape == SIZES and np.isnan(table).all()


@pytest.mark.parametrize(
    "weights",
    [[0.0, 0.0], [1.0, -1e-3], [np.nan, 1.0], [np.inf, 1.0]],
    ids=["none", "negative", "nan", "inf"],
)
def test_weights_that_are_none_make_the_table_nan(weights):
    ids = jnp.array([0, 1])
    p = information.joint_table(ids, ids, ids, sizes=SIZES, weights=jnp.array(weights))
    assert np.isnan(p).all()
    rows = jnp.eye(2)
    assert np.isnan(information.soft_joint_table(rows, rows, rows, weights=jnp.array(weights))).all()


def test_64_bit_ids_do_not_wrap_around_into_range():
    ids = np.array([0, 1, 1])
    for bad in (2**32, 2**32 + 1, -(2**32)):
        wide = np.array([0, 1, bad])
        assert np.isnan(information.joint_table(ids, ids, wide, sizes=(2, 2, 2))).all()
        with jax.enable_x64(True):
            assert np.isnan(information.joint_table(ids, ids, jnp.asarray(wide), sizes=(2, 2, 2))).all()
    unsigned = np.array([0, 1, 2**64 - 1], np.uint64)
    assert np.isnan(information.joint_table(ids, ids, unsigned, sizes=(2, 2, 2))).all()


def test_no_sample_at_all_makes_the_table_nan():
    none = jnp.zeros(0, jnp.int32)
    assert np.isnan(information.joint_table(none, none, none, sizes=SIZES)).all()
    assert np.isnan(information.joint_table(none, none, none, sizes=SIZES, weights=jnp.zeros(0))).all()


@pytest.mark.parametrize("scale", [1e-30, 1e37])
def test_the_scale_of_weights_does_not_matter(scale):
    ids = _samples(12)
    weights = np.linspace(0, 1, 12, dtype=np.float32)
    p = information.joint_table(*ids, sizes=SIZES, weights=weights * np.float32(scale))
    np.testing.assert_allclose(p, _count(*ids, weights), rtol=1e-5)


def test_single_precision_does_not_stop_counting():
    num = 2**24 + 2**23
    ids = jnp.zeros(num, jnp.int8).at[: num // 6].set(1)
    expected = np.array([5 / 6, 1 / 6])
    for weights in (None, jnp.ones(num, jnp.float32)):
        p = information.joint_table(ids, ids, ids, sizes=(2, 2, 2), weights=weights)
        np.testing.assert_allclose(p[jnp.arange(2), jnp.arange(2), jnp.arange(2)], expected, rtol=1e-6)


def test_joint_table_batches_and_keeps_the_dtype_of_weights(float64):
    ids = np.stack([_samples(12, seed) for seed in range(3)])
    weights = np.random.default_rng(0).uniform(size=(3, 12))
    batched = jax.jit(jax.vmap(lambda ids, w: information.joint_table(*ids, sizes=SIZES, weights=w)))(ids, weights)
    assert batched.dtype == jnp.float64
    np.testing.assert_allclose(batched, [_count(*i, w) for i, w in zip(ids, weights, strict=True)], rtol=1e-12)
    single = information.joint_table(*ids[0], sizes=SIZES, weights=weights[0].astype(np.float32))
    assert single.dtype == jnp.float32


def test_joint_table_is_differentiable_in_weights(float64):
    ids = _samples(12)

    @jax.jit
    def f(w):
        return information.joint_mutual_information(information.joint_table(*ids, sizes=SIZES, weights=w))

    w = jnp.asarray(np.random.default_rng(0).uniform(0.5, 1, 12))
    step = 1e-6 * jnp.eye(12)
    differences = (jax.vmap(f)(w[None] + step) - jax.vmap(f)(w[None] - step)) / 2e-6
    np.testing.assert_allclose(jax.grad(f)(w), differences, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("sizes", [(2, 3), (2, 0, 2), (2, 3, -1)])
def test_sizes_must_be_three_positive_integers(sizes):
    ids = jnp.zeros(2, jnp.int32)
    with pytest.raises(ValueError, match="sizes must be 3 positive integers"):
        information.joint_table(ids, ids, ids, sizes=sizes)


def test_ids_must_be_integers_of_one_length():
    ids = jnp.zeros(2, jnp.int32)
    with pytest.raises(ValueError, match="ids must be integers"):
        information.joint_table(ids, jnp.zeros(2), ids, sizes=SIZES)
    with pytest.raises(AssertionError):
        information.joint_table(ids, jnp.zeros(3, jnp.int32), ids, sizes=SIZES)


def test_one_hot_rows_give_the_hard_table():
    ids = _samples(12)
    weights = jnp.linspace(0, 1, 12)
    rows = [jax.nn.one_hot(x, size) for x, size in zip(ids, SIZES, strict=True)]
    for w in (None, weights):
        hard = information.joint_table(*ids, sizes=SIZES, weights=w)
        np.testing.assert_allclose(information.soft_joint_table(*rows, weights=w), hard, rtol=1e-6)
    labels = rows[2].astype(bool)
    np.testing.assert_allclose(
        information.soft_joint_table(rows[0], rows[1], labels),
        information.joint_table(*ids, sizes=SIZES),
        rtol=1e-6,
    )


def test_soft_tables_pass_gradients_to_the_encoders(float64):
    rng = np.random.default_rng(0)
    z1, z2 = (jnp.asarray(rng.normal(size=(12, size))) for size in SIZES[:2])
    labels = jnp.asarray(jax.nn.one_hot(rng.integers(0, 2, 12), 2, dtype=jnp.float64))

    @jax.jit
    def f(z1):
        p = information.soft_joint_table(jax.nn.softmax(z1), jax.nn.softmax(z2), labels)
        return information.joint_mutual_information(p)

    gradient = jax.grad(f)(z1)
    step = 1e-6
    difference = (f(z1.at[3, 1].add(step)) - f(z1.at[3, 1].add(-step))) / (2 * step)
    np.testing.assert_allclose(gradient[3, 1], difference, rtol=1e-6)
    assert (jnp.abs(gradient) > 0).all()


@pytest.mark.parametrize("position", [0, 1, 2])
def test_rows_that_are_no_probabilities_make_the_soft_table_nan(position):
    for bad in ([0.5, 0.6], [1.5, -0.5], [np.nan, 1.0]):
        rows = [jnp.eye(2), jnp.eye(2), jnp.eye(2)]
        rows[position] = rows[position].at[1].set(jnp.array(bad))
        assert np.isnan(information.soft_joint_table(*rows)).all()


def test_marginals_of_a_table(tables):
    p = tables(1, (2, 3, 4))[0].astype(np.float32)
    np.testing.assert_allclose(information.marginal(p, (0, 2)), p.sum(1), rtol=1e-6)
    np.testing.assert_allclose(information.marginal(p, (2, 0)), p.sum(1).T, rtol=1e-6)
    np.testing.assert_allclose(information.marginal(p, -1), p.sum((0, 1)), rtol=1e-6)
    np.testing.assert_allclose(information.marginal(p, ()), 1, rtol=1e-6)
    np.testing.assert_array_equal(information.marginal(p, (2, 1, 0)), p.T)
    pairs = information.pairwise_marginals(p)
    for ours, expected in zip(pairs, (p.sum(2), p.sum(1), p.sum(0)), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-6)
    assert pairs._fields == ("p12", "p1y", "p2y")


@pytest.mark.parametrize("axes", [(0, 0), (0, -3), 3, (0, -4)])
def test_marginal_refuses_axes_that_are_none(axes):
    with pytest.raises(ValueError, match="different axes of a table of rank 3"):
        information.marginal(jnp.full((2, 2, 2), 1 / 8), axes)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int32])
def test_one_hot_rows_of_any_dtype(dtype):
    ids = np.array([0] * 300 + [1] * 100)
    rows = (ids[:, None] == np.arange(2)).astype(dtype)
    table = information.soft_joint_table(rows, rows, np.ones((400, 1), dtype))
    np.testing.assert_allclose(table[..., 0], [[0.75, 0], [0, 0.25]], rtol=1e-6)


def test_soft_labels_beside_hard_cells():
    hard = np.array([[True, False], [False, True]])
    table = information.soft_joint_table(hard, hard, np.full((2, 2), 0.5, np.float32))
    np.testing.assert_allclose(table[0, 0], [0.25, 0.25])


def test_axes_may_be_numpy_integers():
    p = np.arange(8.0).reshape(2, 2, 2) / 28
    np.testing.assert_array_equal(information.marginal(p, np.int64(1)), information.marginal(p, 1))
