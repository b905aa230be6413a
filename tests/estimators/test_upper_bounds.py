import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import estimators
from tests.estimators.derivatives import central_differences
from tests.estimators.gaussians import correlation, log_conditional, log_ratio, pairs

LOG_P = jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]]))


def test_literal_values():
    p = np.exp(np.asarray(LOG_P))
    joint = np.mean(np.log([0.5, 0.6, 0.6]))
    off = np.log(p)[~np.eye(3, dtype=bool)]
    np.testing.assert_allclose(estimators.club(LOG_P), joint - np.mean(off), rtol=1e-6)
    np.testing.assert_allclose(estimators.nce_club(LOG_P), joint - np.mean(off), rtol=1e-6)
    marginals = np.array([0.1 + 0.2, 0.25 + 0.2, 0.25 + 0.3]) / 2
    np.testing.assert_allclose(estimators.leave_one_out(LOG_P), joint - np.mean(np.log(marginals)), rtol=1e-5)


def test_literal_values_with_clusters():
    """Rows 0 and 1 are each other's only negatives; the third is left out."""
    mask = estimators.same_cluster(jnp.array([0, 0, 1]))
    expected = (np.log(0.5 / 0.25) + np.log(0.6 / 0.1)) / 2
    np.testing.assert_allclose(estimators.club(LOG_P, negatives=mask), expected, rtol=1e-6)
    expected = (np.log(0.5 / 0.1) + np.log(0.6 / 0.25)) / 2
    np.testing.assert_allclose(estimators.leave_one_out(LOG_P, negatives=mask), expected, rtol=1e-6)


def test_the_direction_of_an_asymmetric_mask():
    """Entry (j, i) lets x_j stand in for the marginal of y_i."""
    mask = jnp.zeros((3, 3), bool).at[2, 0].set(True)
    np.testing.assert_allclose(estimators.leave_one_out(LOG_P, negatives=mask), np.log(0.5 / 0.2), rtol=1e-6)
    np.testing.assert_allclose(estimators.club(LOG_P, negatives=mask), np.log(0.6 / 0.2), rtol=1e-6)


@functools.partial(jax.jit, static_argnums=2)
def _of_gaussians(key, rho, shape):
    x, y = pairs(key, rho, shape)

    def both(x, y):
        log_p = log_conditional(rho, x, y)
        return estimators.club(log_p), estimators.leave_one_out(log_p), estimators.nce_club(log_ratio(rho, x, y))

    return jax.vmap(both)(x, y)


@pytest.mark.parametrize("dim", [1, 5])
def test_the_true_conditional_is_above_the_truth(dim):
    """CLUB's excess is KL of the product from the joint: for Gaussians I_CLUB = d rho^2 / (1 - rho^2)."""
    for truth in (0.0, 0.5, 2.0, 4.0):
        rho = correlation(truth, dim)
        club, leave_one_out, nce_club = _of_gaussians(jax.random.key(0), rho, (200, 16, dim))
        for values in (club, leave_one_out, nce_club):
            assert np.mean(values) >= truth - 3 * np.std(values) / np.sqrt(200) - 1e-5
        assert abs(np.mean(club) - dim * rho**2 / (1 - rho**2)) <= 4 * np.std(club) / np.sqrt(200) + 1e-5
        np.testing.assert_allclose(nce_club, club, rtol=1e-2, atol=2e-3)  # at the best critic they are the same


def test_another_critic_gives_no_upper_bound():
    """A twentieth of the best one gives a twentieth of d rho^2 / (1 - rho^2), below the truth of 1."""
    rho = correlation(1.0, 1)
    nce_club = _of_gaussians(jax.random.key(0), rho, (200, 16, 1))[2]
    assert 0.05 * np.mean(nce_club) + 3 * np.std(nce_club) / np.sqrt(200) < 1
    x, y = pairs(jax.random.key(0), rho, (16, 1))
    scores = log_ratio(rho, x, y)
    np.testing.assert_allclose(estimators.nce_club(0.05 * scores), 0.05 * estimators.nce_club(scores), rtol=1e-5)
    assert estimators.nce_club(jnp.zeros((4, 4))) == 0


def test_a_literal_gaussian_conditional():
    mean, y = jnp.array([[0.0, 1.0], [2.0, 0.0]]), jnp.array([[1.0, 1.0], [0.0, 0.0], [2.0, 2.0]])
    log_q = estimators.gaussian_log_conditional(mean, jnp.zeros((2, 2)), y)
    squares = np.array([[1 + 0, 0 + 1, 4 + 1], [1 + 1, 4 + 0, 0 + 4]])
    np.testing.assert_allclose(log_q, -np.log(2 * np.pi) - squares / 2, rtol=1e-6)


def test_the_variance_is_bounded():
    """Residuals of 0 with ever surer networks end at the limit, and so do gradients."""
    zeros = jnp.zeros((3, 2))
    for raw in (1e2, 1e4, -1e4):
        loss, gradient = jax.value_and_grad(estimators.variational_club_loss, 1)(zeros, zeros + raw, zeros)
        np.testing.assert_allclose(loss, np.log(2 * np.pi) + np.sign(raw) * 10, rtol=1e-5)
        assert np.all(np.isfinite(gradient))
    unit = estimators.variational_club_loss(zeros, zeros + 0.5, zeros)
    np.testing.assert_allclose(unit, np.log(2 * np.pi) + 0.5, atol=1e-3)


def test_the_loss_is_the_diagonal_and_the_estimate_is_club(float64):
    arguments = jnp.asarray(np.random.default_rng(0).normal(size=(3, 5, 2)))
    mask = estimators.same_cluster(jnp.array([0, 0, 1, 1, 2]))

    def both(arguments):
        return estimators.variational_club_loss(*arguments), estimators.variational_club(*arguments, negatives=mask)

    log_q = estimators.gaussian_log_conditional(*arguments)
    expected = -np.mean(np.diagonal(log_q)), estimators.club(log_q, negatives=mask)
    np.testing.assert_allclose(both(arguments), expected, rtol=1e-12)
    gradients = jax.jit(jax.jacrev(both))(arguments)
    for gradient, numeric in zip(gradients, central_differences(both, arguments), strict=True):
        np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-8)


def test_a_wrong_conditional_is_no_bound():
    """Independent of y but sure of itself, or turned around: below the truth, even negative."""
    rho = correlation(1.0, 1)
    x, y = pairs(jax.random.key(0), rho, (200, 16, 1))
    estimate = jax.jit(jax.vmap(lambda slope, x, y: estimators.variational_club(slope * x, 0 * x, y), (None, 0, 0)))
    np.testing.assert_allclose(estimate(0.0, x, y), 0, atol=1e-5)
    assert np.mean(estimate(-rho, x, y)) < 0


def test_a_single_sample_is_refused():
    with pytest.raises(ValueError, match="at least 2 samples"):
        estimators.variational_club(*[jnp.ones((1, 2))] * 3)
