"""Objectives without an inverse: literal values, their optima, small batches, gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmjax.correlation import barlow_twins, cca, ey, maxvar, soft_decorrelation, sum_squares, trace_norm, vicreg
from tests.correlation.data import exact_views

H1 = np.array([[1.0, 0.0], [-1.0, 1.0], [0.0, 2.0], [2.0, 1.0]])
H2 = np.array([[0.0, 1.0], [1.0, 1.0], [-1.0, 0.0], [2.0, 4.0]])
LOSSES = {
    "ey": lambda a, b: ey([a, b]),
    "soft": soft_decorrelation,
    "barlow": functools.partial(barlow_twins, redundancy_weight=1.0),
    "vicreg": vicreg,
}


def test_literal_values(float64):
    """Written out by the definitions, in NumPy."""
    s = np.cov(np.c_[H1, H2], rowvar=False)
    across = (s[:2, :2] + s[:2, 2:] + s[2:, :2] + s[2:, 2:]) / 2
    within = (s[:2, :2] + s[2:, 2:]) / 2
    assert ey([H1, H2]) == pytest.approx(-2 * np.trace(across) + np.trace(within @ within))
    z1, z2 = ((h - h.mean(0)) / h.std(0) for h in (H1, H2))
    cross = z1.T @ z2 / 4
    barlow = ((1 - np.diag(cross)) ** 2).sum() + 0.1 * (cross[0, 1] ** 2 + cross[1, 0] ** 2)
    assert barlow_twins(H1, H2, redundancy_weight=0.1) == pytest.approx(barlow)
    apart = [np.abs(np.cov(z, rowvar=False)[0, 1]) / 2 for z in (z1, z2)]
    assert soft_decorrelation(H1, H2) == pytest.approx(((z1 - z2) ** 2).mean() + 0.5 * sum(apart))
    hinge = [np.maximum(1 - np.sqrt(h.var(0, ddof=1) + 1e-4), 0).mean() for h in (H1, H2)]
    covariances = [2 * np.cov(h, rowvar=False)[0, 1] ** 2 / 2 for h in (H1, H2)]
    assert vicreg(H1, H2) == pytest.approx(25 * ((H1 - H2) ** 2).mean() + 25 * sum(hinge) + sum(covariances))


def test_an_independent_batch_makes_the_loss_unbiased(float64):
    """The mean over many batches of two is the loss with the covariances of the distribution."""
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 3, 2))

    def draw(key):
        z = jax.random.normal(key, (2, 3))
        return [z @ m for m in maps]

    def loss(key):
        first, second = jax.random.split(key)
        return ey(draw(first), independent=draw(second))

    values = jax.jit(jax.vmap(loss))(jax.random.split(jax.random.key(0), 20_000))
    joint = np.concatenate(maps, axis=1)
    s = joint.T @ joint
    within = (s[:2, :2] + s[2:, 2:]) / 2
    expected = -np.trace(s[:2, :2] + s[:2, 2:] + s[2:, :2] + s[2:, 2:]) + np.trace(within @ within)
    assert abs(values.mean() - expected) < 4 * values.std() / 20_000**0.5


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(name, float64):
    rng = np.random.default_rng(1)
    h1, h2, direction = rng.normal(size=(3, 6, 3))
    gradient = jax.jit(jax.grad(LOSSES[name]))(h1, h2)
    numeric = (LOSSES[name](h1 + 1e-6 * direction, h2) - LOSSES[name](h1 - 1e-6 * direction, h2)) / 2e-6
    assert float(np.sum(gradient * direction)) == pytest.approx(float(numeric), rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("h", [np.zeros((4, 2)), np.ones((4, 2)), H1[:, [0, 0]], H1[:2]])
def test_small_and_degenerate_batches_have_values_and_derivatives(name, h):
    value, gradient = jax.value_and_grad(LOSSES[name])(jnp.array(h, jnp.float32), jnp.array(H2[: len(h)], jnp.float32))
    assert np.isfinite(value) and np.isfinite(gradient).all()


@pytest.mark.parametrize("name", LOSSES)
def test_representations_of_different_width_are_refused(name):
    with pytest.raises(ValueError, match="representations must be equally wide; got 2 and 3"):
        LOSSES[name](np.ones((5, 2)), np.ones((5, 3)))


OBJECTIVES = LOSSES | {
    "trace norm": lambda a, b: -trace_norm(a, b, ridge=1e-6),
    "sum of squares": lambda a, b: -sum_squares(a, b, ridge=1e-6),
    "maxvar": lambda a, b: -maxvar([a, b], a.shape[1], ridge=1e-6),
}
GAPS = {"trace norm": 1e-5, "sum of squares": 1e-5, "maxvar": 1e-5}


def trained(loss, x, y, width, seed, num_steps):
    """Linear encoders of both views after full-batch training."""
    keys = jax.random.split(jax.random.key(seed), 2)
    weights = tuple(
        jax.random.normal(k, (v.shape[1], width)) / v.shape[1] ** 0.5 for k, v in zip(keys, (x, y), strict=True)
    )
    optimizer = optax.adam(optax.cosine_decay_schedule(2e-2, num_steps))

    def step(carry, _):
        weights, memory = carry
        gradient = jax.grad(lambda w: loss(x @ w[0], y @ w[1]))(weights)
        updates, memory = optimizer.update(gradient, memory)
        return (optax.apply_updates(weights, updates), memory), None

    return jax.lax.scan(step, (weights, optimizer.init(weights)), length=num_steps)[0][0]


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_linear_encoders_reach_the_closed_form(name, seed, float64):
    rng = np.random.default_rng(seed)
    x, y = exact_views(rng, 400, np.linspace(0.5, 2, 6), [0.88, 0.79, 0.75, 0.2, 0.1, 0.0])
    optimum = float(cca(x, y, 3).correlations.sum())
    with jax.numpy_dtype_promotion("standard"):
        w1, w2 = jax.jit(lambda x, y: trained(OBJECTIVES[name], x, y, 3, seed, 3000))(x, y)
    reached = float(trace_norm(x @ w1, y @ w2, ridge=0.0))
    assert reached <= optimum + 1e-9
    assert optimum - reached <= GAPS.get(name, 1e-4)
