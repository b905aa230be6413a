import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import information

XOR = jnp.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]) / 4
COPIES = jnp.zeros((2, 2, 2)).at[0, 0, 0].set(0.5).at[1, 1, 1].set(0.5)
SUBSETS = [axes for size in range(5) for axes in itertools.combinations(range(4), size)]
ORDERS = ((3, 1, 0, 2), (1, 0, 2, 3), (2, 3, 1, 0))
MEASURES = [
    information.total_correlation,
    information.dual_total_correlation,
    information.o_information,
    information.interaction_information,
]


@jax.jit
def _measures(p):
    return jnp.stack([measure(p) for measure in MEASURES])


@jax.jit
def _entropies(p):
    return [information.entropy(information.marginal(p, axes)) for axes in SUBSETS]


@pytest.mark.parametrize(("p", "expected"), [(XOR, (1, 2, -1, 1)), (COPIES, (2, 1, 1, -1))], ids=["xor", "copies"])
def test_measures_of_literal_tables(p, expected):
    """James, Ellison & Crutchfield 2011, arXiv 1105.2988, figures on parity and giant bit."""
    np.testing.assert_allclose(_measures(p), expected, atol=1e-6)
    in_nats = [measure(p, base=np.e) / np.log(2) for measure in MEASURES]
    np.testing.assert_allclose(in_nats, expected, atol=1e-6)


def test_two_variables_have_their_mutual_information(float64, tables):
    p = jnp.asarray(tables(1, (3, 4), "zeros")[0])
    mutual = information.mutual_information(p)
    np.testing.assert_allclose(_measures(p), [mutual, mutual, 0, mutual], atol=1e-15)


@pytest.mark.parametrize("kind", ["dense", "zeros"])
def test_definitions_by_entropies(float64, tables, kind):
    p = jnp.asarray(tables(1, (2, 3, 2, 2), kind)[0])
    h = dict(zip(SUBSETS, _entropies(p), strict=True))
    every = (0, 1, 2, 3)
    rests = [tuple(axis for axis in every if axis != i) for i in every]
    total = sum(h[i,] for i in every) - h[every]
    dual = h[every] - sum(h[every] - h[rest] for rest in rests)
    co_information = sum((-1) ** (len(axes) + 1) * value for axes, value in h.items())
    expected = [total, dual, total - dual, (-1) ** 4 * co_information]
    np.testing.assert_allclose(_measures(p), np.array(expected), atol=1e-13)


def test_the_order_of_variables_does_not_matter(float64, tables):
    p = tables(1, (2, 2, 2, 2), "zeros")[0]
    batch = np.stack([p] + [np.transpose(p, order) for order in ORDERS])
    values = jax.vmap(_measures)(batch)
    np.testing.assert_allclose(values, np.stack([values[0]] * 4), atol=1e-13)


def test_independent_variables_have_nothing_in_common(float64, tables):
    p = np.einsum("i,j,k->ijk", *(tables(1, (n,), seed=n)[0] for n in (2, 3, 4)))
    np.testing.assert_allclose(_measures(p), 0, atol=1e-28)


def test_one_variable_depends_on_nothing():
    p = jnp.array([0.25, 0.75])
    assert [float(measure(p)) for measure in MEASURES[:3]] == [0, 0, 0]
    with pytest.raises(ValueError, match="at least two variables"):
        information.interaction_information(p)


@pytest.mark.parametrize("measure", MEASURES[2:])
def test_measures_are_good_measures(tables, check_measure, measure):
    check_measure(measure, tables(5, (2, 2, 3), "zeros").astype(np.float32))


@pytest.mark.parametrize("measure", MEASURES[2:3])
def test_derivatives_of_measures(float64, tables, check_derivatives, measure):
    check_derivatives(measure, tables(1, (2, 2, 3))[0])


def test_measures_hold_in_cells_of_1e_300(float64):
    p = np.full((2, 2, 2), 1e-300)
    p[0, 0, 0] = 1
    assert (abs(_measures(p)) < 1e-296).all()
    assert np.isfinite(jax.jit(jax.jacrev(_measures))(p)).all()
