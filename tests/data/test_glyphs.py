import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import glyph_images
from mmjax.data._glyphs import _smooth_noise

NUM_SAMPLES = 4000
NAMES = ("x1", "x2")


@functools.cache
def sample(shift=0, seed=0):
    return glyph_images(jax.random.key(seed), num_samples=NUM_SAMPLES, shift=shift)


def unbounded(data, k):
    """What was in the pixels (n, 20, 20) of modality k before they were bounded."""
    return np.arctanh(np.asarray(data.batch.modalities[NAMES[k]])[..., 0])


def glyphs_of(data, k):
    """Means of the glyphs of modality k by class (8, 7, 7), where they are not shifted."""
    inside = unbounded(data, k)[:, np.asarray(data.shared_region[k])]
    label = np.asarray(data.batch.label)
    return np.stack([inside[label == y].mean(0) for y in range(8)]).reshape(8, 7, 7)


def test_boxes_are_where_they_should_be():
    boxes = np.zeros((2, 20, 20), bool)
    boxes[0, 2:9, 3:10] = True
    boxes[1, 10:17, 9:16] = True
    np.testing.assert_array_equal(sample().shared_region, boxes)
    np.testing.assert_array_equal(sample(shift=2).shared_region, boxes)
    assert boxes.mean() == pytest.approx(0.1225)


def test_images_are_a_batch():
    data = sample()
    for name in NAMES:
        image = data.batch.modalities[name]
        assert (image.shape, image.dtype) == ((NUM_SAMPLES, 20, 20, 1), jnp.float32)
        assert jnp.max(jnp.abs(image)) <= 1
    assert data.batch.label.dtype == jnp.int32
    np.testing.assert_allclose(np.bincount(data.batch.label, minlength=8) / NUM_SAMPLES, 1 / 8, atol=0.025)
    assert jnp.all(data.batch.weight == 1)


@pytest.mark.parametrize("k", [0, 1])
def test_boxes_hold_a_glyph_of_signs_for_each_class(k):
    means = glyphs_of(sample(), k)
    np.testing.assert_allclose(np.abs(means), 1, atol=0.06)
    signs = np.sign(means).reshape(8, 49)
    differing = np.sum(signs[:, None] != signs[None], axis=2)
    assert np.min(differing[np.triu_indices(8, 1)]) >= 5


def test_modalities_share_the_amplitude_of_their_glyphs_and_not_the_glyphs():
    data = sample()
    amplitudes = []
    for k in range(2):
        signs = np.sign(glyphs_of(data, k)).reshape(8, 49)[np.asarray(data.batch.label)]
        amplitudes.append(np.mean(unbounded(data, k)[:, np.asarray(data.shared_region[k])] * signs, axis=1))
    np.testing.assert_allclose(np.quantile(amplitudes[0], [0.02, 0.5, 0.98]), [0.616, 1, 1.384], atol=0.03)
    assert np.corrcoef(amplitudes)[0, 1] > 0.98
    assert np.mean(np.sign(glyphs_of(data, 0)) == np.sign(glyphs_of(data, 1))) < 0.7


@pytest.mark.parametrize("k", [0, 1])
def test_nothing_outside_of_the_box_depends_on_the_class(k):
    data = sample()
    image, label = np.asarray(data.batch.modalities[NAMES[k]])[..., 0], np.asarray(data.batch.label)
    members = [image[label == y] for y in range(8)]
    z = np.stack([np.abs(of.mean(0) - image.mean(0)) / image.std(0) * len(of) ** 0.5 for of in members])
    inside = np.asarray(data.shared_region[k])
    assert np.max(z[:, ~inside]) < 5
    assert np.mean(np.max(z[:, inside], axis=0) > 10) > 0.9  # some pixels have one sign in all glyphs


@pytest.mark.parametrize("k", [0, 1])
def test_textures_show_outside_of_the_box_only(k):
    data = sample()
    pixels, weights = unbounded(data, k), np.asarray(data.individual[:, k])
    inside = np.asarray(data.shared_region[k])
    textures = np.linalg.lstsq(weights, pixels[:, ~inside], rcond=None)[0]
    # Without noise, the pixels are linear in the weights.
    np.testing.assert_allclose(np.std(pixels[:, ~inside] - weights @ textures, axis=0), 0.15, rtol=0.06)
    assert np.mean((2 * textures) ** 2) == pytest.approx(1, abs=0.25)

    found = pixels[:, ~inside] @ np.linalg.lstsq(pixels[:, ~inside], weights, rcond=None)[0]
    assert np.mean((found - weights) ** 2) < 0.02
    in_box = pixels[:, inside]
    found = in_box @ np.linalg.lstsq(in_box, weights, rcond=None)[0]
    assert np.mean((found - weights) ** 2) > 0.95 * np.mean(weights**2)


def test_weights_of_textures_are_independent_and_standard():
    data = sample()
    factors = np.asarray(data.individual).reshape(NUM_SAMPLES, 8)
    np.testing.assert_allclose(factors.mean(0), 0, atol=0.07)
    np.testing.assert_allclose(np.cov(factors.T), np.eye(8), atol=0.1)
    for y in range(8):
        np.testing.assert_allclose(factors[np.asarray(data.batch.label) == y].mean(0), 0, atol=0.2)


def test_smooth_noise_has_the_correlation_of_its_gaussian_also_round_the_borders():
    fields = np.asarray(_smooth_noise(jax.random.key(0), 400, size=60, width=2))
    np.testing.assert_allclose(np.mean(fields**2, axis=(1, 2)), 1, rtol=1e-4)
    for f in (fields, fields.swapaxes(1, 2)):
        for d in (1, 3):
            expected = np.exp(-(d**2) / 16)  # exp(-d^2 / 4 s^2) for a Gaussian of width s
            assert np.mean(f[:, d:] * f[:, :-d]) == pytest.approx(expected, abs=0.02)
            assert np.mean(f[:, 0] * f[:, -d]) == pytest.approx(expected, abs=0.1)


def test_boxes_shift_evenly_and_on_their_own():
    data, unshifted = sample(shift=2), sample()
    offsets = [(a, b) for a in range(-2, 3) for b in range(-2, 3)]
    found = []
    for k, (row, column) in enumerate([(2, 3), (10, 9)]):
        pixels = unbounded(data, k)
        signs = np.sign(glyphs_of(unshifted, k))[np.asarray(data.batch.label)]
        patches = [pixels[:, row + a : row + a + 7, column + b : column + b + 7] for a, b in offsets]
        # Where the glyph is, its pixels are all of one absolute value, up to noise.
        spread = np.stack([np.std(patch * signs, axis=(1, 2)) for patch in patches])
        np.testing.assert_array_less(spread.min(0), 0.25)
        found.append(spread.argmin(0))
        np.testing.assert_allclose(np.bincount(found[k], minlength=25) / NUM_SAMPLES, 1 / 25, atol=0.015)
    assert np.mean(found[0] == found[1]) == pytest.approx(1 / 25, abs=0.015)


def test_shifts_leave_what_they_cannot_reach():
    shifted, plain = sample(shift=2), sample()
    far = np.ones((20, 20), bool)
    far[0:11, 1:12] = False
    images = [np.asarray(data.batch.modalities["x1"])[..., 0] for data in (shifted, plain)]
    np.testing.assert_array_equal(images[0][:, far], images[1][:, far])
    assert np.any(images[0][:, ~far] != images[1][:, ~far])


def test_sampling_compiles_and_maps_over_keys():
    draw = functools.partial(glyph_images, num_samples=3, shift=2)
    keys = jax.random.split(jax.random.key(0), 2)
    one, many = draw(keys[1]), jax.jit(jax.vmap(draw))(keys)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[1], b, atol=1e-5), many, one)
    eager = glyph_images.__wrapped__(keys[1], **draw.keywords)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), eager, one)


def test_float64(float64):
    data = glyph_images(jax.random.key(0), num_samples=2, shift=1)
    assert data.batch.modalities["x1"].dtype == jnp.float64
    assert data.batch.label.dtype == jnp.int32


@pytest.mark.parametrize("shift", [-1, 3])
def test_shifts_out_of_the_image_are_refused(shift):
    with pytest.raises(ValueError, match=rf"shift must be in \[0, 2\]; got {shift}"):
        glyph_images(jax.random.key(0), num_samples=4, shift=shift)
