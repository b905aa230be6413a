"""Critics as objectives: what a batch costs, what is evaluated, the fit that held-out estimates ask for."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import estimators
from mmjax.data import Splits
from mmjax.models import MLP, SeparableCritic, network
from mmjax.training import (
    NewStatistics,
    Objective,
    TrainConfig,
    best_of,
    critic_fit,
    critic_objective,
    make_fit,
    pairs,
    run,
)

INFORMATION = 0.5


class Product(NamedTuple):
    """Scores a x_i y_j, and a statistic that the objective must hand on."""

    def init(self, key):
        return {"params": {"a": jnp.float32(1)}, "running": {"count": jnp.float32(7)}}

    def apply(self, variables, x, y):
        return variables["params"]["a"] * x @ y.T


def normals(num, seed=0):
    """Two normal variables of `INFORMATION` nats."""
    rho = np.sqrt(1 - np.exp(-2 * INFORMATION))
    x, noise = np.random.default_rng(seed).normal(size=(2, num, 1)).astype(np.float32)
    return x, (rho * x + np.sqrt(1 - rho**2) * noise).astype(np.float32)


def by_hand(scores):
    """InfoNCE of a matrix of scores."""
    return np.mean(np.diag(scores) - np.log(np.mean(np.exp(scores), axis=1)))


def test_loss_is_minus_the_estimate_and_evaluation_the_mean_over_batches():
    x, y = normals(11)
    objective = critic_objective(Product(), estimators.info_nce, batch_size=4)
    variables = objective.init(jax.random.key(0))
    loss, new = objective.loss(
        variables["params"], {"running": variables["running"]}, (), pairs(x[:4], y[:4]), jax.random.key(0)
    )
    np.testing.assert_allclose(loss, -by_hand(x[:4] @ y[:4].T), rtol=1e-5)
    assert new == NewStatistics({"running": {"count": 7}})
    metrics = objective.evaluate(variables, pairs(x, y))  # three samples fill no batch
    expected = (by_hand(x[:4] @ y[:4].T) + by_hand(x[4:8] @ y[4:8].T)) / 2
    np.testing.assert_allclose(metrics["information"], expected, rtol=1e-5)
    assert metrics["loss"] == -metrics["information"]
    with pytest.raises(ValueError, match="data of 3 samples hold no batch of 4"):
        objective.evaluate(variables, pairs(x[:3], y[:3]))


CONFIG = TrainConfig(num_segments=4, steps_per_segment=50, batch_size=64, drop_last=True)


def test_a_trained_critic_holds_out():
    one = jax.ShapeDtypeStruct((1, 1), jnp.float32)
    critic = network(SeparableCritic(MLP((32, 8)), MLP((32, 8))), one, one)
    fit = critic_fit(CONFIG, critic, estimators.info_nce, hparams={"learning_rate": 0.01})
    x, y = normals(4096)
    bound = estimators.held_out_bound(critic.apply, fit, x, y, key=jax.random.key(0), batch_size=64, subsamples=())
    assert bound.refusal == ""
    assert abs(bound.information - INFORMATION) < 0.1
    assert bound.standard_error < 0.03


@pytest.mark.parametrize("valid_fraction", [0.0, 1.0, -0.1, float("nan")])
def test_a_fraction_that_leaves_a_part_empty_is_refused(valid_fraction):
    with pytest.raises(ValueError, match=r"valid_fraction must be in \(0, 1\)"):
        critic_fit(CONFIG, Product(), estimators.info_nce, hparams={}, valid_fraction=valid_fraction)


@pytest.mark.parametrize(("num", "valid_fraction"), [(200, 0.25), (200, 0.75), (200, 0.001)])
def test_samples_that_fill_no_batch_of_a_part_are_refused(num, valid_fraction):
    fit = critic_fit(
        CONFIG, Product(), estimators.info_nce, hparams={"learning_rate": 0.1}, valid_fraction=valid_fraction
    )
    with pytest.raises(ValueError):
        fit(jax.random.key(0), *normals(num))


def test_the_best_segment_is_that_of_the_validation_data():
    """Adam under a constant gradient moves by its rate: w is 1, 2, 3, 4, 5 after the segments."""
    objective = Objective(
        init=lambda key: {"params": {"w": jnp.zeros(())}},
        loss=lambda params, statistics, memory, batch, key: (-params["w"], NewStatistics({})),
        evaluate=lambda variables, data: {"loss": (variables["params"]["w"] - jnp.mean(data.modalities["x"])) ** 2},
    )
    config = TrainConfig(num_segments=5, steps_per_segment=10, batch_size=2, drop_last=True)
    train, hparams = make_fit(config, objective), {"learning_rate": jnp.float32(0.1)}

    def splits(target):
        part = pairs(jnp.full((2, 1), target), jnp.zeros((2, 1)))
        elsewhere = pairs(jnp.full((2, 1), 9.0), jnp.zeros((2, 1)))
        return Splits(elsewhere, part, elsewhere)

    targets = jnp.array([3.2, 0.0, 9.0, jnp.nan])
    best = jax.jit(jax.vmap(lambda t: best_of(train, jax.random.key(0), hparams, splits(t))))(targets)
    np.testing.assert_array_equal(best.segment, [2, 0, 4, -1])
    np.testing.assert_allclose(best.variables["params"]["w"], [3, 1, 5, np.nan], rtol=1e-4)
    np.testing.assert_allclose(best.loss[:3], [0.04, 1, 16], rtol=1e-2)
    state = run(train, jax.random.key(0), hparams, splits(targets[0])).state
    assert state.best.segment == best.segment[0]
    np.testing.assert_allclose(state.best.variables["params"]["w"], best.variables["params"]["w"][0], rtol=1e-6)
