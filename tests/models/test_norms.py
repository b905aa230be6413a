import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.models import BatchNorm, GroupNorm

SHAPE = (6, 3, 2, 4)


def maps():
    return (3 + 2 * np.random.default_rng(0).normal(size=SHAPE)).astype(np.float32)


def initial(norm, x, present):
    return jax.jit(functools.partial(norm.init_with_output, train=True))(jax.random.key(0), x, present)


@jax.jit
def trained(x, present):
    """Apply a new batch norm in training, and return its result and new statistics."""
    variables = BatchNorm().init(jax.random.key(0), x, present, train=False)
    y, updated = BatchNorm().apply(variables, x, present, train=True, mutable=["batch_stats"])
    return y, updated["batch_stats"]


def test_batch_norm_normalises_the_present_samples():
    x, present = maps(), np.array([1, 1, 0, 1, 0, 1], bool)
    y, statistics = trained(x, present)
    rows = x[present].reshape(-1, 4)
    np.testing.assert_allclose(statistics["mean"], 0.1 * rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(statistics["variance"], 0.9 + 0.1 * rows.var(0), rtol=1e-5)
    expected = (rows - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-5)
    np.testing.assert_allclose(y[present].reshape(-1, 4), expected, rtol=1e-4, atol=1e-5)


def test_absent_samples_change_neither_statistics_nor_others():
    x, present = maps(), np.array([1, 1, 0, 1, 0, 1], bool)
    other = np.where(present[:, None, None, None], x, np.float32(50))
    (y, statistics), (other_y, other_statistics) = trained(x, present), trained(other, present)
    np.testing.assert_array_equal(y[present], other_y[present])
    jax.tree.map(np.testing.assert_array_equal, statistics, other_statistics)


def test_a_batch_without_a_present_sample_leaves_the_statistics():
    y, statistics = trained(maps(), jnp.zeros(6, bool))
    assert np.all(np.isfinite(y))
    np.testing.assert_array_equal(statistics["mean"], np.zeros(4))
    np.testing.assert_array_equal(statistics["variance"], np.ones(4))


def test_batch_norm_out_of_training_uses_the_running_statistics():
    x = maps()
    variables = {
        "params": {"scale": jnp.full(4, 2.0), "bias": jnp.ones(4)},
        "batch_stats": {"mean": jnp.full(4, 3.0), "variance": jnp.full(4, 4.0)},
    }
    evaluate = functools.partial(BatchNorm().apply, train=False, mutable=["batch_stats"])
    y, updated = jax.jit(evaluate)(variables, x, np.ones(6, bool))
    np.testing.assert_allclose(y, (x - 3) / 2 * 2 + 1, rtol=1e-4, atol=1e-4)
    jax.tree.map(np.testing.assert_array_equal, updated["batch_stats"], variables["batch_stats"])


@pytest.mark.parametrize(("channels", "size"), [(32, 16), (24, 8), (6, 2), (3, 1)])
def test_groups_have_sixteen_channels_or_the_largest_common_divisor(channels, size):
    x = np.random.default_rng(0).normal(3, 2, (2, 5, 5, channels)).astype(np.float32)
    y, _ = initial(GroupNorm(), x, np.ones(2, bool))
    groups = np.asarray(y).reshape(2, 25, channels // size, size)
    np.testing.assert_allclose(groups.mean((1, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(groups.std((1, 3)), 1, rtol=1e-3)


@pytest.mark.parametrize("norm", [BatchNorm(), GroupNorm()])
def test_norms_compute_in_float32_and_return_the_dtype_of_their_input(norm):
    x, present = maps().astype(jnp.bfloat16), np.ones(6, bool)
    y, variables = initial(norm, x, present)
    exact, _ = initial(norm, x.astype(np.float32), present)
    assert y.dtype == jnp.bfloat16
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(variables))
    np.testing.assert_array_equal(y, exact.astype(jnp.bfloat16))
