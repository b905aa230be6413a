import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import lanes


def _moments(x, scale):
    """Kernel over lanes: (rows, columns, lanes) and (lanes,) to a scalar and a vector of each lane."""
    return jnp.sum(x, axis=(0, 1)) * scale, jnp.max(x, axis=1) - scale


moments = lanes.batch_native((2, 0), cpu_chunk=4)(_moments)


def _expected(x, scale):
    return x.sum((-2, -1)) * scale, x.max(-1) - scale[..., None]


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(11, 2, 3)).astype(np.float32)


@pytest.fixture
def scale():
    return np.arange(1.0, 12.0, dtype=np.float32)


def test_one_problem_has_no_batch_axis(x, scale):
    total, largest = moments(x[0], scale[0])
    assert total.shape == () and largest.shape == (2,)
    np.testing.assert_allclose(total, _expected(x, scale)[0][0], rtol=1e-6)


@pytest.mark.parametrize("size", [1, 3, 4, 5, 8, 11])
def test_batches_of_any_size_agree_with_single_problems(x, scale, size):
    total, largest = jax.vmap(moments)(x[:size], scale[:size])
    expected_total, expected_largest = _expected(x[:size], scale[:size])
    np.testing.assert_allclose(total, expected_total, rtol=1e-5)
    np.testing.assert_allclose(largest, expected_largest, rtol=1e-6)


def test_nested_batches_and_batch_axes_elsewhere(x, scale):
    nested = jax.jit(jax.vmap(jax.vmap(moments, in_axes=(2, 0)), in_axes=(0, None)))
    batch = np.moveaxis(x[:10].reshape(2, 5, 2, 3), 1, 3)
    total, _ = nested(batch, scale[:5])
    expected = _expected(x[:10].reshape(2, 5, 2, 3), np.broadcast_to(scale[:5], (2, 5)))
    assert total.shape == (2, 5)
    np.testing.assert_allclose(total, expected[0], rtol=1e-5)


def test_an_unbatched_argument_is_shared(x, scale):
    total, _ = jax.vmap(moments, in_axes=(0, None))(x, scale[1])
    np.testing.assert_allclose(total, x.sum((1, 2)) * 2, rtol=1e-5)


@pytest.mark.parametrize("size", [1, 3, 4, 5, 12])
def test_map_chunks_gives_every_lane_whatever_the_chunk(size):
    x = jnp.arange(22.0).reshape(2, 11)
    out = lanes.map_chunks(lambda x: {"sum": jnp.sum(x, axis=0), "double": 2 * x}, [x], size)
    np.testing.assert_array_equal(out["sum"], x.sum(0))
    np.testing.assert_array_equal(out["double"], 2 * x)


def test_map_chunks_runs_the_kernel_on_the_last_lane_again_never_on_zeros():
    out = lanes.map_chunks(lambda x: 1 / x, [jnp.array([1.0, 2.0, 4.0])], 2)
    np.testing.assert_array_equal(out, [1, 0.5, 0.25])


def test_the_kernel_is_not_differentiated_silently(x, scale):
    with pytest.raises(Exception, match=r"(?i)custom_vmap|differentiat"):
        jax.grad(lambda x: moments(x, scale[0])[0])(x[0])


def test_no_problems_give_no_results(x, scale):
    total, largest = jax.vmap(moments)(x[:0], scale[:0])
    assert total.shape == (0,) and largest.shape == (0, 2)


def test_a_problem_without_entries_is_refused(x, scale):
    with pytest.raises(ValueError, match=r"at least one entry; got shapes \[\(2, 0\), \(\)\]"):
        jax.vmap(moments)(x[:, :, :0], scale)
