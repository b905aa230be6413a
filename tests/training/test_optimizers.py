"""Optimisers against PyTorch's rule by hand, and with hyper-parameters that are arguments of the compiled program."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmjax.training import adam, adamw, sgd, warm_restarts


def _first_step(optimizer, params, gradient):
    updates, _ = optimizer.update(gradient, optimizer.init(params), params)
    return optax.apply_updates(params, updates)


def test_coupled_decay_changes_the_sign_that_adam_sees():
    params, gradient = jnp.array([2.0, -2.0]), jnp.array([0.1, 0.1])
    coupled = _first_step(adam(0.01, weight_decay=0.1), params, gradient)  # gradients .3 and -.1
    np.testing.assert_allclose(coupled, [1.99, -1.99], rtol=1e-5)
    decoupled = _first_step(adamw(0.01, weight_decay=0.1), params, gradient)
    np.testing.assert_allclose(decoupled, [2 - 0.01 * 1.2, -2 - 0.01 * 0.8], rtol=1e-5)
    np.testing.assert_allclose(_first_step(sgd(0.5), params, gradient), [1.95, -2.05], rtol=1e-6)


@pytest.mark.parametrize("make", [adam, adamw])
def test_rates_and_decays_do_not_retrace(make):
    chex.clear_trace_counter()

    @jax.jit
    @chex.assert_max_traces(n=1)
    def step(rate, decay):
        return _first_step(make(rate, weight_decay=decay), jnp.ones(2), jnp.ones(2))

    moves = [step(jnp.float32(rate), jnp.float32(decay)) for rate in (1e-1, 1e-3) for decay in (0.0, 0.5)]
    assert len({float(x[0]) for x in moves}) >= 2
    batched = jax.vmap(step)(jnp.array([1e-1, 1e-1, 1e-3, 1e-3]), jnp.array([0.0, 0.5, 0.0, 0.5]))
    np.testing.assert_allclose(batched, np.stack(moves), rtol=1e-6)


def test_warm_restarts_are_those_of_the_spec():
    """After 780 constant steps the period in course began at step 508 and is 512 long."""
    factor = jax.jit(jax.vmap(warm_restarts(num_constant=780)))
    steps = np.array([0, 779, 780, 1019, 1020, 1021, 2044])
    expected = [1, 1]
    for step in steps[2:]:
        n = int(np.floor(np.log2(step / 4 + 1)))
        expected.append(0.5 * (1 + np.cos(np.pi * (step - 4 * (2**n - 1)) / (4 * 2**n))))
    np.testing.assert_allclose(factor(jnp.asarray(steps)), expected, atol=1e-6)
    assert expected[4] == 1.0


def test_schedules_scale_the_rate():
    schedule = warm_restarts(num_constant=1, first_period=2)
    optimizer = sgd(1.0, momentum=0.0, schedule=schedule)
    state, moves = optimizer.init(jnp.zeros(())), []
    for _ in range(3):
        update, state = optimizer.update(jnp.ones(()), state)
        moves.append(float(update))
    np.testing.assert_allclose(moves, [-1, -0.5, -1], atol=1e-6)


def test_periods_that_never_end_are_refused():
    with pytest.raises(ValueError, match="growth at least 2"):
        warm_restarts(num_constant=1, growth=1)
