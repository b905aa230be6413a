import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import estimators
from tests.estimators.gaussians import correlation, log_ratio

KEY = jax.random.key(0)


@jax.jit
def _fit(key, x, y):
    """The correlation of every coordinate, as far as the rows tell it."""
    return jnp.clip(jnp.mean(x * y) / jnp.sqrt(jnp.mean(x**2) * jnp.mean(y**2) + 1e-9), -0.99, 0.99)


def _score(rho, x, y):
    return log_ratio(rho, x, y)


def _data(information, num, dim=1, seed=1):
    rho = correlation(information, dim)
    x, noise = np.random.default_rng(seed).normal(size=(2, num, dim))
    return x.astype(np.float32), (rho * x + np.sqrt(1 - rho**2) * noise).astype(np.float32)


def test_a_critic_that_has_settled_is_trusted():
    x, y = _data(1.0, 4000)
    bound = estimators.held_out_bound(_score, _fit, x, y, key=KEY, batch_size=100)
    assert bound.refusal == ""
    assert bound.information == bound.estimate
    assert abs(bound.information - 1) < 0.05 + 3 * bound.standard_error
    assert abs(bound.extrapolated - bound.estimate) <= 0.05
    np.testing.assert_array_equal(bound.num_train, [2000, 1000, 1000, 500, 500, 500, 500])
    assert bound.estimates.shape == (7, 20)
    np.testing.assert_allclose(bound.estimate, np.mean(bound.estimates[0]))
    np.testing.assert_allclose(bound.standard_error, np.std(bound.estimates[0], ddof=1) / np.sqrt(20))
    np.testing.assert_allclose(bound.ceiling, np.log(100))


def test_the_critic_sees_training_rows_only_and_each_part_once():
    x = np.arange(64.0)
    seen = []

    def fit(key, x, y):
        np.testing.assert_array_equal(y, -x)
        seen.append(np.asarray(x))
        return jnp.zeros(())

    def score(params, x, y):
        jax.debug.callback(lambda rows: tested.append(np.asarray(rows)), x)
        return jnp.zeros((len(x), len(y)))

    tested = []
    estimators.held_out_bound(score, fit, x, -x, key=KEY, batch_size=8, test_fraction=0.25, subsamples=(3,))
    jax.effects_barrier()
    train, parts, test = seen[0], np.concatenate(seen[1:]), np.concatenate(tested)
    assert len(train) == 48 and len(seen) == 4 and len(set(parts)) == len(parts) == 48
    assert set(parts) == set(train)
    assert set(test) == set(x) - set(train)


def _drifting(key, x, y):
    """A critic whose quality hangs on the rows: the best one times 1 - 90 / n."""
    return 1 - 90 / len(x)


def test_an_estimate_that_drifts_is_refused():
    x, y = _data(1.0, 800)

    def score(share, x, y):
        return share * log_ratio(correlation(1.0, 1), x, y)

    settings = {"key": KEY, "batch_size": 50, "test_fraction": 0.5}
    bound = estimators.held_out_bound(score, _drifting, x, y, **settings)
    assert np.isnan(bound.information)
    assert "drifts" in bound.refusal and "400" in bound.refusal
    assert 0.5 < bound.estimate < bound.extrapolated
    settled = estimators.held_out_bound(score, _drifting, x, y, **settings, tolerance=1.0)
    assert settled.refusal == "" and settled.information == bound.estimate
    unchecked = estimators.held_out_bound(score, _drifting, x, y, **settings, subsamples=())
    assert unchecked.information == bound.estimate
    assert np.isnan(unchecked.extrapolated) and np.isnan(unchecked.drift_error)


def test_a_line_in_one_over_n_is_extrapolated_exactly():
    """Estimates that are 2 - 100 / n, on every batch the same."""

    def score(value, x, y):
        return value * jnp.eye(len(x))

    def fit(key, x, y):
        return 2 - 100 / len(x)

    x = np.zeros(800)
    bound = estimators.held_out_bound(score, fit, x, x, key=KEY, batch_size=50, estimator=estimators.nce_club)
    np.testing.assert_allclose(bound.estimates, np.repeat(2 - 100 / bound.num_train, 8).reshape(7, 8), rtol=1e-6)
    np.testing.assert_allclose(bound.extrapolated, 2, rtol=1e-6)
    assert bound.drift_error < 1e-6 and bound.refusal


def test_noise_of_the_fits_excuses_a_drift():
    @jax.jit
    def fit(key, x, y):
        return 1 + 0.3 * jax.random.normal(key)

    def score(value, x, y):
        return value * jnp.eye(len(x))

    refused = 0
    for seed in range(20):
        bound = estimators.held_out_bound(
            score,
            fit,
            np.zeros(80),
            np.zeros(80),
            key=jax.random.key(seed),
            batch_size=10,
            estimator=estimators.nce_club,
        )
        refused += bool(bound.refusal)
        assert 0.05 < bound.drift_error < 1
    assert refused <= 4  # 20 draws from a two-sided test at two standard errors with 4 degrees of freedom


def test_at_the_ceiling_there_is_a_warning():
    x, y = _data(6.0, 400)
    fit = lambda key, x, y: correlation(6.0, 1)  # noqa: E731
    settings = {"key": KEY, "batch_size": 10, "subsamples": ()}
    with pytest.warns(UserWarning, match="ceiling of 2.303"):
        bound = estimators.held_out_bound(_score, fit, x, y, **settings)
    assert bound.estimate <= np.log(10) == bound.ceiling
    with pytest.warns(UserWarning, match=r"ceiling of 5.298"):  # log of the 200 test rows
        estimators.held_out_bound(lambda *a: 1 + _score(*a), fit, x, y, **settings, estimator=estimators.nwj)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x, y = _data(0.5, 400)
        estimators.held_out_bound(_score, lambda *_: correlation(0.5, 1), x, y, **settings)


def test_constant_features_inform_about_nothing():
    x, y = np.ones((400, 1)), _data(0.5, 400)[1]
    bound = estimators.held_out_bound(_score, _fit, x, y, key=KEY, batch_size=50)
    assert abs(bound.information) < 0.05 and bound.refusal == ""
    same = estimators.held_out_bound(_score, _fit, x, x, key=KEY, batch_size=50)
    np.testing.assert_allclose(same.information, 0, atol=1e-5)


def test_a_single_test_batch_has_no_standard_error():
    x, y = _data(1.0, 300)
    bound = estimators.held_out_bound(_score, _fit, x, y, key=KEY, batch_size=100, test_fraction=0.4)
    assert np.isnan(bound.standard_error)
    assert np.isfinite(bound.drift_error) and np.isfinite(bound.estimate)
    assert bound.estimates.shape == (7, 1)


def test_scores_that_overflow_are_refused():
    x, y = _data(1.0, 80)
    bound = estimators.held_out_bound(
        lambda params, x, y: jnp.full((10, 10), 1e4), _fit, x, y, key=KEY, batch_size=10, estimator=estimators.nwj
    )
    assert np.isnan(bound.information) and "no finite estimate" in bound.refusal
    assert bound.estimate == -np.inf


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (np.zeros(9), np.zeros(8), {}, "equal length, got 9 and 8"),
        (np.array([0, np.nan] * 20), np.zeros(40), {}, "NaN or inf in 20 of 40 rows of x"),
        (np.zeros(40), np.full((40, 2), np.inf), {}, "NaN or inf in 40 of 40 rows of y"),
        (np.array(["a"] * 40), np.zeros(40), {}, "expected x of numbers"),
        (np.zeros(40), np.zeros(40), {"batch_size": 21}, "at least 21 test rows for one batch, got 20"),
        (np.zeros(40), np.zeros(40), {"batch_size": 1}, "batch_size of at least 2"),
        (np.zeros(40), np.zeros(40), {"test_fraction": 1.0}, "test_fraction"),
        (np.zeros(40), np.zeros(40), {"subsamples": (11,)}, "2 training rows in each of 11 parts"),
        (np.zeros(40), np.zeros(40), {"subsamples": (1,)}, "subsamples of at least 2 parts"),
        (np.zeros(0), np.zeros(0), {}, "test rows for one batch, got 0"),
    ],
)
def test_bad_input_is_named(x, y, options, message):
    with pytest.raises(ValueError, match=message):
        estimators.held_out_bound(_score, _fit, x, y, key=KEY, **({"batch_size": 4} | options))
