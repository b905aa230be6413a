import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import ImageRenderer, SequenceRenderer, SetRenderer, TableRenderer

ALL = [ImageRenderer(3, 4, 2), SequenceRenderer(5, 2), SetRenderer(5, 2), TableRenderer(6)]
NUM_TOKENS = [12, 5, 5, 1]


def patterns(renderer, num_factors=2, num_draws=3000):
    keys = jax.random.split(jax.random.key(0), num_draws)
    return np.asarray(jax.jit(jax.vmap(lambda key: renderer.pattern(key, num_factors)))(keys))


@pytest.mark.parametrize(("renderer", "num_tokens"), list(zip(ALL, NUM_TOKENS, strict=True)))
def test_patterns_are_gaussian_of_variance_1_everywhere(renderer, num_tokens):
    drawn = patterns(renderer)
    assert drawn.shape[1:] == (num_tokens, 2, renderer.channels)
    np.testing.assert_allclose(drawn.mean(0), 0, atol=0.1)
    np.testing.assert_allclose(drawn.var(0), 1, atol=0.15)
    np.testing.assert_allclose(np.mean(drawn**4, axis=0).mean(), 3, atol=0.2)


@pytest.mark.parametrize(("renderer", "num_tokens"), list(zip(ALL, NUM_TOKENS, strict=True)))
def test_factors_and_channels_are_independent(renderer, num_tokens):
    first = patterns(renderer)[:, 0].reshape(3000, -1)
    np.testing.assert_allclose(np.corrcoef(first.T), np.eye(first.shape[1]), atol=0.09)


def neighbour_correlation(drawn, axis):
    """Correlation of tokens in the middle of an axis, one apart."""
    middle = drawn.shape[axis] // 2
    return np.mean(np.take(drawn, middle, axis) * np.take(drawn, middle - 1, axis))


@pytest.mark.parametrize("renderer", [SequenceRenderer(12, 2), SetRenderer(12, 2)])
def test_patterns_are_smooth_along_the_tokens(renderer):
    # exp(-1 / (4 width^2)) for a Gaussian of width 1.5
    assert neighbour_correlation(patterns(renderer), 1) == pytest.approx(0.895, abs=0.04)


def test_patterns_of_images_are_smooth_both_ways():
    drawn = patterns(ImageRenderer(10, 12, 1)).reshape(3000, 10, 12, 2)
    for axis in (1, 2):
        assert neighbour_correlation(drawn, axis) == pytest.approx(0.895, abs=0.04)


def test_tokens_are_laid_out():
    key = jax.random.key(0)
    for renderer, num_tokens in zip(ALL, NUM_TOKENS, strict=True):
        tokens = jnp.arange(2.0 * num_tokens * renderer.channels).reshape(2, num_tokens, renderer.channels)
        array, mask = renderer.arrange(key, tokens)
        assert array.shape == (2, *renderer.shape)
        if not isinstance(renderer, SetRenderer):
            assert mask is None
            np.testing.assert_array_equal(array.ravel(), tokens.ravel())


@pytest.mark.parametrize(("max_size", "sizes"), [(1, [1]), (4, [2, 3, 4]), (5, [3, 4, 5])])
def test_sets_hold_some_tokens_each_once_in_any_order(max_size, sizes):
    num_samples = 3000
    tokens = jnp.arange(1.0, 1 + num_samples * max_size).reshape(num_samples, max_size, 1)
    array, mask = (np.asarray(x) for x in SetRenderer(max_size, 1).arrange(jax.random.key(0), tokens))
    assert (mask.shape, mask.dtype) == ((num_samples, max_size), bool)
    counts = mask.sum(1)
    np.testing.assert_array_equal(mask, np.arange(max_size)[None] < counts[:, None])
    np.testing.assert_array_equal(np.unique(counts), sizes)
    np.testing.assert_allclose(np.unique_counts(counts).counts / num_samples, 1 / len(sizes), atol=0.04)
    np.testing.assert_array_equal(array[~mask], 0)
    for row, valid, full in zip(array[..., 0], mask, np.asarray(tokens)[..., 0], strict=True):
        assert len(set(row[valid])) == valid.sum()
        assert set(row[valid]) <= set(full)
    first = (array[:, 0, 0] - 1) % max_size
    np.testing.assert_allclose(np.bincount(first.astype(int)) / num_samples, 1 / max_size, atol=0.04)


def test_renderers_of_equal_sizes_are_equal():
    assert SequenceRenderer(5, 2) == SequenceRenderer(5, 2) != SequenceRenderer(5, 3)
    assert SequenceRenderer(5, 2) != SetRenderer(5, 2)
    assert len({SetRenderer(5, 2), SetRenderer(5, 2)}) == 1


@pytest.mark.parametrize(
    ("renderer", "sizes"),
    [(ImageRenderer, (3, 0, 1)), (SequenceRenderer, (-1, 2)), (SetRenderer, (0, 2)), (TableRenderer, (0,))],
)
def test_sizes_must_be_positive(renderer, sizes):
    with pytest.raises(ValueError, match=f"sizes of a renderer must be positive; got {renderer.__name__}"):
        renderer(*sizes)
