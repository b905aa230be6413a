import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.models.highmmt import Layout, ModalitySpec, TaskSpec, positions, standardise
from tests.models.highmmt.published import LARGE

SEQUENCE = Layout(
    (ModalitySpec("words", (4,), 2, num_bands=3), ModalitySpec("bag", (4,), 5, num_bands=None)),
    (TaskSpec("topic", ("words", "bag"), 2),),
)


def test_tokens_of_avmnist_images_are_data_zeros_and_positions():
    tokens = standardise(LARGE, "colorlessimage", jnp.ones((2, 7, 7, 16)))
    assert LARGE.input_width + LARGE.slots == 387
    assert tokens.values.shape == (2, 49, 378)
    np.testing.assert_array_equal(tokens.values[..., :16], 1)
    np.testing.assert_array_equal(tokens.values[..., 16 : 16 + 336], 0)
    place = positions(LARGE.modality("colorlessimage"))
    assert place.shape == (49, 26)
    np.testing.assert_allclose(tokens.values[1, :, -26:], place, atol=1e-6)
    np.testing.assert_array_equal(tokens.slot, 2)


def test_frequencies_are_spaced_evenly_in_their_logarithm():
    place = positions(ModalitySpec("x", (3,), 1))  # at -1, 0 and 1
    frequencies = np.array([2, 1.5157, 1.1487, 0.8706, 0.6598, 0.5])
    np.testing.assert_allclose(place[2, :6], np.sin(np.pi * frequencies), atol=2e-4)
    np.testing.assert_allclose(place[2, 6:12], np.cos(np.pi * frequencies), atol=2e-4)
    np.testing.assert_array_equal(place[:, 12], [-1, 0, 1])
    three = positions(ModalitySpec("x", (2,), 1, num_bands=3))
    np.testing.assert_allclose(
        three[1], [*np.sin(np.pi * np.array([2, 1, 0.5])), *np.cos(np.pi * np.array([2, 1, 0.5])), 1]
    )


def test_a_table_may_be_one_token():
    table = ModalitySpec("table", (), 3)
    layout = Layout((table,), (TaskSpec("t", ("table",), 2),))
    assert (table.num_tokens, table.input_width) == (1, 3)
    np.testing.assert_array_equal(standardise(layout, "table", jnp.ones((2, 3))).values, np.ones((2, 1, 3)))


def test_an_axis_of_length_one_is_at_minus_one():
    assert positions(ModalitySpec("x", (1,), 1))[0, -1] == -1


def test_positions_of_an_image_are_those_of_its_rows_then_of_its_columns():
    rows, columns = (positions(ModalitySpec("x", (length,), 1, num_bands=2)) for length in (2, 3))
    image = positions(ModalitySpec("x", (2, 3), 1, num_bands=2)).reshape(2, 3, 10)
    np.testing.assert_array_equal(image[..., :5], np.broadcast_to(rows[:, None], (2, 3, 5)))
    np.testing.assert_array_equal(image[..., 5:], np.broadcast_to(columns[None], (2, 3, 5)))


def test_a_set_has_no_positions():
    tokens = standardise(SEQUENCE, "bag", jnp.ones((1, 4, 5)))
    np.testing.assert_array_equal(tokens.values[0], [[1] * 5 + [0] * 4] * 4)


@pytest.mark.parametrize("of_tokens", [False, True])
def test_what_is_absent_is_zero_whatever_it_holds(of_tokens):
    x = jnp.full((2, 4, 2), jnp.nan).at[0].set(1.0)
    mask = jnp.array([True, False])
    tokens = standardise(SEQUENCE, "words", x, jnp.broadcast_to(mask[:, None], (2, 4)) if of_tokens else mask)
    np.testing.assert_array_equal(tokens.values[1], 0)
    np.testing.assert_array_equal(tokens.mask, [[True] * 4, [False] * 4])
    assert jnp.all(tokens.values[0, :, :2] == 1)


def test_wrong_shapes_are_refused_with_the_modality_named():
    for x in (jnp.ones((2, 4, 3)), jnp.ones((2, 5, 2)), jnp.ones((2, 4))):
        with pytest.raises(AssertionError, match="words"):
            standardise(SEQUENCE, "words", x)
    with pytest.raises(AssertionError, match="mask of modality 'words'"):
        standardise(SEQUENCE, "words", jnp.ones((2, 4, 2)), jnp.ones((2, 3), bool))


def test_integers_are_brought_to_floats_under_jit():
    x = jnp.arange(8).reshape(1, 4, 2)
    tokens = jax.jit(lambda x: standardise(SEQUENCE, "words", x))(x)
    np.testing.assert_array_equal(tokens.values[0, :, :2], x[0])
