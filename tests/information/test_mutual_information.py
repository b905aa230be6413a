import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from mmjax import information

XOR = jnp.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]) / 4
COPY = jnp.zeros((2, 2, 2)).at[0, 0, 0].set(0.5).at[1, 1, 1].set(0.5)
FIRST = XOR.sum(2)[:, :, None] * jnp.eye(2)[:, None, :]


def test_mutual_information_of_literal_tables():
    # Cover & Thomas, example 2.2.1: I(X;Y) = 3/8 bit.
    p = jnp.array([[4, 2, 1, 1], [2, 4, 1, 1], [2, 2, 2, 2], [8, 0, 0, 0]]) / 32
    np.testing.assert_allclose(information.mutual_information(p), 3 / 8, rtol=1e-6)
    np.testing.assert_allclose(information.mutual_information(p.T, base=np.e), 3 / 8 * np.log(2), rtol=1e-6)
    assert information.mutual_information(jnp.full((3, 2), 1 / 6)) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(information.mutual_information(jnp.eye(4) / 4), 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("p", "between", "conditional", "joint"),
    [(XOR, 0, 1, 1), (COPY, 1, 0, 1), (FIRST, 0, 0, 1)],
    ids=["xor", "copy", "first"],
)
def test_informations_of_gates(p, between, conditional, joint):
    pair = information.marginal(p, (0, 1))
    np.testing.assert_allclose(information.mutual_information(pair), between, atol=1e-6)
    np.testing.assert_allclose(information.conditional_mutual_information(p), conditional, atol=1e-6)
    np.testing.assert_allclose(information.joint_mutual_information(p), joint, atol=1e-6)


def test_joint_mutual_information_takes_any_number_of_variables():
    parity = np.indices((2,) * 4).sum(0) % 2
    p = jnp.asarray(np.stack([parity == 0, parity == 1], axis=-1) / 16.0, jnp.float32)
    np.testing.assert_allclose(information.joint_mutual_information(p), 1, rtol=1e-6)
    np.testing.assert_allclose(information.joint_mutual_information(jnp.eye(2) / 2), 1, rtol=1e-6)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=60))
def test_mutual_information_of_counts_agrees_with_scikit_learn(pairs):
    x, y = np.array(pairs).T
    counts = np.zeros((3, 4))
    np.add.at(counts, (x, y), 1)
    with jax.enable_x64(True):
        ours = information.mutual_information(counts / counts.sum(), base=np.e)
    np.testing.assert_allclose(ours, mutual_info_score(x, y), atol=1e-12)


@pytest.mark.parametrize("kind", ["dense", "peaked", "zeros"])
def test_chain_rule_and_entropies(float64, tables, kind):
    h = information.entropy
    for p in tables(5, (2, 3, 4), kind):
        p = jnp.asarray(p)
        p13, p23, p3 = (information.marginal(p, axes) for axes in ((0, 2), (1, 2), (2,)))
        conditional = information.conditional_mutual_information(p)
        np.testing.assert_allclose(conditional, h(p13) + h(p23) - h(p) - h(p3), atol=1e-14)
        # I(X,Y;Z) = I(Y;Z) + I(X;Z|Y)
        rest = information.conditional_mutual_information(jnp.moveaxis(p, 1, 2))
        whole = information.mutual_information(p23) + rest
        np.testing.assert_allclose(information.joint_mutual_information(p), whole, atol=1e-14)
        assert conditional >= -1e-16


@pytest.mark.parametrize(("size", "rtol"), [(1e-1, 1e-5), (1e-2, 1e-4), (1e-3, 1e-3), (1e-4, 2e-2)])
def test_a_small_information_keeps_its_digits_in_single_precision(tables, size, rtol):
    rows, columns = tables(1, (4,))[0], tables(1, (5,), seed=1)[0]
    noise = np.random.default_rng(2).normal(size=(4, 5))
    p = np.outer(rows, columns) * (1 + size * noise)
    p = (p / p.sum()).astype(np.float32)
    wide = p.astype(np.longdouble) / p.astype(np.longdouble).sum()
    exact = (wide * np.log2(wide / np.outer(wide.sum(1), wide.sum(0)))).sum()
    np.testing.assert_allclose(information.mutual_information(jnp.asarray(p)), float(exact), rtol=rtol)


def test_independent_variables_have_no_information_beyond_rounding_squared(float64, tables):
    rows, columns = tables(1, (7,))[0], tables(1, (9,), seed=1)[0]
    assert abs(information.mutual_information(jnp.asarray(np.outer(rows, columns)))) < 1e-29


def test_pointwise_information_averages_to_mutual_information_and_is_its_gradient(float64, tables):
    p = jnp.asarray(tables(1, (3, 4), "zeros")[0])
    pointwise = information.pointwise_mutual_information(p)
    np.testing.assert_allclose((p * pointwise).sum(), information.mutual_information(p), rtol=1e-12)
    np.testing.assert_allclose(jax.grad(information.mutual_information)(p), pointwise, atol=1e-14)
    np.testing.assert_allclose(information.pointwise_mutual_information(jnp.eye(2) / 2), np.eye(2))


@pytest.mark.parametrize(
    ("measure", "shape"),
    [
        (information.mutual_information, (3, 4)),
        (information.conditional_mutual_information, (2, 3, 2)),
        (information.joint_mutual_information, (2, 2, 3)),
    ],
    ids=["mutual", "conditional", "joint"],
)
class TestEveryInformation:
    def test_is_a_good_measure(self, tables, check_measure, measure, shape):
        check_measure(measure, tables(5, shape, "zeros").astype(np.float32))

    def test_holds_in_cells_of_1e_300(self, float64, measure, shape):
        p = jnp.full(shape, 1e-300).at[(0,) * len(shape)].set(1.0)
        value, gradient = jax.value_and_grad(measure)(p)
        assert 0 <= value < 1e-296
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("measure", "shape"),
    [(information.mutual_information, (3, 4)), (information.conditional_mutual_information, (2, 3, 2))],
    ids=["mutual", "conditional"],
)
def test_derivatives_of_informations(float64, tables, check_derivatives, measure, shape):
    check_derivatives(measure, tables(1, shape)[0])


def test_both_modes_of_differentiation_agree_and_jit_changes_nothing(float64, tables):
    p = jnp.asarray(tables(1, (3, 4), "zeros")[0])
    reverse, forward = (jax.jit(d(information.mutual_information))(p) for d in (jax.jacrev, jax.jacfwd))
    np.testing.assert_allclose(forward, reverse, rtol=1e-14)
    with jax.disable_jit():
        eager = information.mutual_information(p)
    np.testing.assert_allclose(information.mutual_information(p), eager, rtol=1e-14)


def test_the_gradient_of_tables_from_logits(float64):
    # At independence the gradient vanishes; near it, it is small, and right: central differences agree.
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3)))

    @jax.jit
    def f(z):
        return information.mutual_information(jax.nn.softmax(z, (0, 1)))

    gradient = jax.jit(jax.grad(f))(logits)
    step = 1e-6
    by_hand = (f(logits.at[1, 2].add(step)) - f(logits.at[1, 2].add(-step))) / (2 * step)
    np.testing.assert_allclose(gradient[1, 2], by_hand, rtol=1e-7)
    np.testing.assert_allclose(jax.grad(f)(jnp.zeros((3, 3))), 0, atol=1e-15)


def test_ranks_are_checked():
    with pytest.raises(AssertionError):
        information.mutual_information(XOR)
    with pytest.raises(AssertionError):
        information.conditional_mutual_information(jnp.eye(2) / 2)
