import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import shape_pairs
from mmjax.information import joint_table, marginal, mutual_information

NUM_SAMPLES = 4000


def sample(shared, num_samples=NUM_SAMPLES, **options):
    return jax.tree.map(np.asarray, shape_pairs(jax.random.key(0), shared, num_samples=num_samples, **options))


@pytest.mark.parametrize("shared", [0, 1, 2])
def test_images_share_one_factor_and_no_other(shared):
    pairs = sample(shared)
    first, second = pairs.factors[:, 0], pairs.factors[:, 1]
    np.testing.assert_array_equal(pairs.batch.label, first[:, shared])
    for factor in range(3):
        expected = 1 if factor == shared else 1 / 4
        assert np.mean(first[:, factor] == second[:, factor]) == pytest.approx(expected, abs=0.03)
        counts = np.bincount(second[:, factor], minlength=4)
        np.testing.assert_allclose(counts / NUM_SAMPLES, 1 / 4, atol=0.03)


def test_factors_are_independent():
    factors = sample(0).factors[:, 0]
    p = joint_table(*factors.T, sizes=(4, 4, 4))
    for pair in ((0, 1), (0, 2), (1, 2)):
        assert mutual_information(marginal(p, pair)) < 0.01


def test_colour_shows_in_the_channels():
    pairs = sample(2)
    brightest = pairs.batch.modalities["x1"].max((1, 2))
    colours = np.array([[1, 0.2, 0.2], [0.2, 1, 0.2], [0.3, 0.3, 1], [1, 1, 0.2]])
    np.testing.assert_allclose(brightest, colours[pairs.factors[:, 0, 2]], atol=1e-5)


def grey(pairs, name):
    """Brightness of the images, whatever their colour: 0 outside of the shape, .4 and 1 inside."""
    return pairs.batch.modalities[name].max(3)


def test_texture_shows_in_the_lines():
    pairs = sample(1)
    image = grey(pairs, "x2")
    inside = image > 0

    def constant_along(axis):
        # Whether each line along the axis has one brightness inside of the shape.
        highest, lowest = image.max(axis), np.where(inside, image, 2).min(axis)
        return np.all((highest == lowest) | (highest == 0), axis=1)

    along_rows, along_columns = constant_along(2), constant_along(1)
    texture = pairs.factors[:, 1, 1]
    np.testing.assert_array_equal(along_rows, (texture == 0) | (texture == 1))
    np.testing.assert_array_equal(along_columns, (texture == 0) | (texture == 2))


def test_shape_shows_in_the_area():
    pairs = sample(0, size=64)
    area = (grey(pairs, "x1") > 0).mean((1, 2)) * 4  # of the square that reaches from -1 to 1
    r = 0.55
    areas = np.array([np.pi * r**2, 4 * r**2, 2 * r**2, 4 * r**2 * (1 - (2 / 3) ** 2)])
    np.testing.assert_allclose(area, areas[pairs.factors[:, 0, 0]], atol=0.08)


def test_images_are_whole_and_in_range():
    for image in sample(0).batch.modalities.values():
        assert image.shape == (NUM_SAMPLES, 16, 16, 3)
        assert image.min() == 0
        assert image.max() == 1
        border = np.concatenate([image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1]], axis=1)
        assert border.max() == 0


def test_sampling_maps_over_keys_and_the_shared_factor():
    keys, shared = jax.random.split(jax.random.key(0), 3), jnp.arange(3)

    def draw(key, shared):
        return shape_pairs(key, shared, num_samples=5, size=8)

    many, one = jax.jit(jax.vmap(draw))(keys, shared), draw(keys[1], 1)
    np.testing.assert_array_equal(many.factors[1], one.factors)
    np.testing.assert_allclose(many.batch.modalities["x2"][1], one.batch.modalities["x2"], atol=1e-6)
    assert many.factors.dtype == many.batch.label.dtype == jnp.int32
