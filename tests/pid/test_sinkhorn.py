"""Alignments: marginals, the bound on the union information, derivatives, extreme scores."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import pid
from tests.pid.alternating import union_information

pytestmark = pytest.mark.usefixtures("quickly_compiled")

N1, N2, NY = 9, 6, 3


def problem(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (9, 6, 3) and posteriors of one shape, so that each program is compiled once."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(N1, N2, NY))
    return scores, rng.dirichlet(np.ones(NY), N1), rng.dirichlet(np.ones(NY), N2)


@jax.jit
def alignments(scores, first, second):
    """The posteriors that agree, and the joints of one sweep and of 300."""
    return (
        pid.project_posteriors(first, second),
        pid.sinkhorn(scores, first, second, num_sweeps=1),
        pid.sinkhorn(scores, first, second, num_sweeps=300),
    )


def aligned(scores, first, second):
    return jax.value_and_grad(pid.aligned_information)(scores, first, second)


loss = jax.jit(aligned)
losses = jax.jit(jax.vmap(aligned))


@pytest.mark.usefixtures("float64")
def test_joint_has_the_marginals():
    both, once, long = alignments(*problem(0))
    for (q, error), reached in ((once, False), (long, True)):
        assert np.all(q >= 0)
        np.testing.assert_allclose(q.sum(1), both.posterior1 / N1, atol=1e-15)
        np.testing.assert_allclose(q.sum(0), both.posterior2 / N2, atol=1e-15)
        assert (error < 1e-12) == reached


@pytest.mark.usefixtures("float64")
def test_scaling_keeps_odds_ratios():
    scores, first, second = problem(1)
    q = alignments(scores, first, second)[2].q

    def odds(logs: np.ndarray) -> np.ndarray:
        return logs[1:, 1:] - logs[:1, 1:] - logs[1:, :1] + logs[:1, :1]

    np.testing.assert_allclose(odds(np.log(q)), odds(scores), atol=1e-9)


@pytest.mark.usefixtures("float64")
def test_independent_alignment_in_closed_form():
    scores, first, second = problem(2)
    both, once, long = alignments(0 * scores, first, second)
    expected = both.posterior1[:, None] / N1 * (both.posterior2 / N2 / both.label[None])[None]
    for q, _ in (once, long):
        np.testing.assert_allclose(q, expected, atol=1e-15)


@pytest.mark.usefixtures("float64")
def test_loss_is_above_the_union_information_and_training_reaches_it():
    scores, first, second = problem(3)
    both = alignments(scores, first, second)[0]
    least = union_information(np.asarray(both.posterior1) / N1, np.asarray(both.posterior2) / N2)
    z = scores
    start, _ = loss(z, first, second)
    for _ in range(1000):
        value, gradient = loss(z, first, second)
        assert value >= least - 1e-6
        z = z - 40 * np.asarray(gradient)
    assert start > value + 0.02
    np.testing.assert_allclose(value, least, atol=2e-3)


@pytest.mark.usefixtures("float64")
def test_derivative_equals_finite_differences():
    scores, first, second = problem(4)
    direction = np.random.default_rng(0).normal(size=scores.shape)
    slope = np.sum(loss(scores, first, second)[1] * direction)
    plus, minus = (loss(scores + step * direction, first, second)[0] for step in (1e-5, -1e-5))
    np.testing.assert_allclose(slope, (plus - minus) / 2e-5, rtol=1e-6)


def test_maps_permutations_extreme_scores_and_certain_posteriors():
    """One batch in float32; a loop in float64 gives the same."""
    scores, first, second = problem(5)
    order = np.random.default_rng(0).permutation(N1)
    certain = np.eye(NY)[np.arange(N1) % NY]  # y is a function of either
    cases = (
        (scores, first, second),
        (scores[order], first[order], second),
        (problem(6)[0], first, second),
        (1e4 * scores, first, second),
        (-1e4 * scores, first, second),
        (0 * scores, certain, certain[:N2]),
        (scores, 2 * first, second),
    )
    values, gradients = losses(*(np.stack(part).astype(np.float32) for part in zip(*cases, strict=True)))
    assert values.dtype == gradients.dtype == np.float32
    with jax.enable_x64(True):
        alone = [loss(*case)[0] for case in cases[:3]]
    np.testing.assert_allclose(values[:3], alone, rtol=1e-4)
    np.testing.assert_allclose(values[1], values[0], rtol=1e-5)
    assert np.all(np.isfinite(values[:6])) and np.all(np.isfinite(gradients[:6]))
    np.testing.assert_allclose(values[5], np.log(3), rtol=1e-5)
    assert np.isnan(values[6])


def test_a_single_pair():
    half = np.full((1, 2), 0.5)
    np.testing.assert_allclose(pid.aligned_information(np.zeros((1, 1, 2)), half, half), 0, atol=1e-6)


def test_refuses_shapes_and_options():
    scores, first, second = problem(8)
    with pytest.raises(ValueError, match="num_sweeps must be 1 or more; got 0"):
        pid.sinkhorn(scores, first, second, num_sweeps=0)
    with pytest.raises(AssertionError):
        pid.sinkhorn(scores[:4], first, second)
    shapes = jax.eval_shape(pid.sinkhorn, *(jnp.asarray(z) for z in (scores, first, second)))
    assert shapes.q.shape == (N1, N2, NY) and shapes.error.shape == ()
