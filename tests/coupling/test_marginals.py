import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import coupling


@pytest.mark.parametrize(
    ("marginals", "message"),
    [
        ([[0.5, 0.5], [1.2, -0.2]], r"marginals\[1\] has the negative entry -0.2"),
        ([[0.5, np.nan], [1.0, 0.0]], r"marginals\[0\] has 1 NaN"),
        ([[1.0, 0.0], [0.0, 0.0]], r"marginals\[1\] must sum to 1 .* got 0: there is nothing to normalise"),
        ([[0.5, 0.5], [0.5, 0.4]], r"marginals\[1\] must sum to 1 .* got 0.9: divide"),
        ([0.5, 0.5], r"shape \(k, n\), one distribution a row; got \(2,\)"),
        (np.ones((2, 0)), r"shape \(k, n\), one distribution a row; got \(2, 0\)"),
    ],
)
def test_check_marginals_says_what_is_wrong_in_one_line(marginals, message):
    with pytest.raises(ValueError, match=message) as error:
        coupling.check_marginals(marginals)
    assert "\n" not in str(error.value)


def test_check_marginals_accepts_padded_and_rounded_rows():
    assert coupling.check_marginals([[0.333, 0.333, 0.333], [0.5, 0.5, 0.0]]) is None


def test_dense_puts_each_cell_in_its_place():
    cells = coupling.Coupling(jnp.array([[0, 2], [1, 0], [0, 2], [2, 1]]), jnp.array([0.5, 0.25, 0.25, 0.0]))
    table = coupling.dense(cells, (2, 3))
    np.testing.assert_array_equal(table, [[0, 0, 0.75], [0.25, 0, 0]])


def test_dense_refuses_a_shape_with_another_number_of_axes():
    cells = coupling.greedy(jnp.ones((2, 2)) / 2)
    with pytest.raises(ValueError, match=r"one length a marginal, 2; got \(2, 2, 2\)"):
        coupling.dense(cells, (2, 2, 2))
