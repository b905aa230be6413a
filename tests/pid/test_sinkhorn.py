"""Alignments: marginals, the bound on the union information, derivatives, extreme scores."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import pid


def problem(seed: int, n1: int = 5, n2: int = 4, ny: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n1, n2, ny))
    return scores, rng.dirichlet(np.ones(ny), n1), rng.dirichlet(np.ones(ny), n2)


@pytest.mark.usefixtures("float64")
def test_joint_has_the_marginals():
    scores, first, second = problem(0)
    both = pid.project_posteriors(first, second)
    for num_sweeps, reached in ((1, False), (300, True)):
        q, error = pid.sinkhorn(scores, first, second, num_sweeps=num_sweeps)
        assert np.all(q >= 0)
        np.testing.assert_allclose(q.sum(1), both.posterior1 / 5, atol=1e-15)
        np.testing.assert_allclose(q.sum(0), both.posterior2 / 4, atol=1e-15)
        assert (error < 1e-12) == reached


@pytest.mark.usefixtures("float64")
def test_scaling_keeps_odds_ratios():
    scores, first, second = problem(1)
    q, _ = pid.sinkhorn(scores, first, second, num_sweeps=300)

    def odds(logs: np.ndarray) -> np.ndarray:
        return logs[1:, 1:] - logs[:1, 1:] - logs[1:, :1] + logs[:1, :1]

    np.testing.assert_allclose(odds(np.log(q)), odds(scores), atol=1e-9)


@pytest.mark.usefixtures("float64")
def test_independent_alignment_in_closed_form():
    _, first, second = problem(2)
    both = pid.project_posteriors(first, second)
    q, _ = pid.sinkhorn(np.zeros((5, 4, 3)), first, second)
    expected = both.posterior1[:, None] / 5 * (both.posterior2 / 4 / both.label[None])[None]
    np.testing.assert_allclose(q, expected, atol=1e-15)


@pytest.mark.usefixtures("float64")
def test_loss_is_above_the_union_information_and_training_reaches_it():
    scores, first, second = problem(3)
    exact = pid.from_posteriors(first, second, base=np.e)
    loss = jax.jit(jax.value_and_grad(lambda z: pid.aligned_information(z, first, second)))
    z = jnp.asarray(scores)
    start, _ = loss(z)
    for _ in range(400):
        value, gradient = loss(z)
        assert value >= exact.union_lower
        z = z - 20 * gradient
    assert start > value + 0.02
    np.testing.assert_allclose(value, exact.union_upper, atol=2e-3)


@pytest.mark.usefixtures("float64")
def test_derivative_equals_finite_differences():
    scores, first, second = problem(4)

    def loss(z: jax.Array) -> jax.Array:
        return pid.aligned_information(z, first, second)

    direction = np.random.default_rng(0).normal(size=scores.shape)
    slope = jnp.sum(jax.grad(loss)(scores) * direction)
    numeric = (loss(scores + 1e-5 * direction) - loss(scores - 1e-5 * direction)) / 2e-5
    np.testing.assert_allclose(slope, numeric, rtol=1e-6)


def test_vmap_is_a_loop_and_permutations_change_nothing():
    scores = np.stack([problem(5)[0], problem(6)[0]])
    _, first, second = problem(5)
    both = jax.vmap(lambda z: pid.aligned_information(z, first, second))(scores)
    np.testing.assert_allclose(both, [pid.aligned_information(z, first, second) for z in scores], rtol=1e-5)
    order = np.array([3, 1, 4, 0, 2])
    moved = pid.aligned_information(scores[0][order], first[order], second)
    np.testing.assert_allclose(moved, both[0], rtol=1e-5)


def test_extreme_scores_and_certain_posteriors():
    scores, first, second = problem(7)
    loss = jax.value_and_grad(lambda z, a, b: pid.aligned_information(z, a, b))
    value, gradient = loss(1e4 * jnp.asarray(scores, jnp.float32), first, second)
    assert np.isfinite(value) and np.all(np.isfinite(gradient))
    certain = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
    value, gradient = loss(jnp.zeros((6, 6, 3)), certain, certain)  # y is a function of either
    np.testing.assert_allclose(value, np.log(3), rtol=1e-5)
    assert np.all(np.isfinite(gradient))
    assert np.isnan(pid.aligned_information(scores, 2 * first, second))
    half = np.full((1, 2), 0.5)
    np.testing.assert_allclose(pid.aligned_information(np.zeros((1, 1, 2)), half, half), 0, atol=1e-6)


def test_refuses_shapes_and_options():
    scores, first, second = problem(8)
    with pytest.raises(ValueError, match="num_sweeps must be 1 or more; got 0"):
        pid.sinkhorn(scores, first, second, num_sweeps=0)
    with pytest.raises(AssertionError):
        pid.sinkhorn(scores[:4], first, second)
    chex.assert_shape(pid.sinkhorn(scores, first, second).q, (5, 4, 3))
