"""MSLR: the ratio of accuracies, when it starts, whose rates it scales, rates or gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition import joint, regression
from mmjax.competition._mslr import mslr, mslr_ratio
from tests.competition.checks import check_strategy, first_step, labels_that_differ, ratios_by_label
from tests.competition.conftest import make_step, model_of, samples, started

MODEL = model_of()
JOINT = joint()
FACTORS = {"x1": 0.7, "x2": 1.3}


def test_ratio():
    np.testing.assert_allclose(mslr_ratio(jnp.asarray(0.6), jnp.array([0.2, 0.3, 0.4])), 2, rtol=1e-6)
    assert mslr_ratio(jnp.asarray(0.6), jnp.zeros(3)) == 1


def test_factors_as_rates_and_as_gradients():
    plain, *_ = first_step(JOINT)
    before, *_ = first_step(mslr_before())
    behind, *_ = first_step(mslr_behind())
    expected = {f"{part}:{name}": factor for name, factor in FACTORS.items() for part in ("encoder", "head")}
    ratios = {label: x for label, x in ratios_by_label(before, plain, MODEL.labels).items() if not np.isnan(x)}
    assert {label: ratios[label] for label in ("encoder:x1", "encoder:x2", "head")} == pytest.approx(
        {"encoder:x1": 0.7, "encoder:x2": 1.3, "head": 1}, rel=1e-5
    )
    assert not labels_that_differ(behind, plain, MODEL.labels)
    params, _, state = started(mslr_behind(), MODEL)
    assert mslr_before().rates(MODEL, params, state) is None
    rates = mslr_behind().rates(MODEL, params, state)
    for label, rate in zip(jax.tree.leaves(MODEL.labels(params)), jax.tree.leaves(rates), strict=True):
        assert float(rate) == pytest.approx(expected.get(label, 1), rel=1e-6)


def mslr_before():
    return mslr(factors=FACTORS, after=False)


def mslr_behind():
    return mslr(factors=FACTORS)


def test_ratios_start_after_the_window():
    strategy = mslr(window=2)
    params, _, state = started(strategy, MODEL)
    valid = samples(jax.random.key(5))
    step = jax.jit(lambda params, state: strategy.on_segment(MODEL, {"params": params}, state, valid, valid)[1])
    accuracies, ratios = [], []
    for k in range(4):
        state = step(jax.tree.map(lambda x, k=k: x + 0.3 * k * jnp.sin(37 * x + k), params), state)
        accuracies.append(float(state.history["x1"][-1]))
        ratios.append(float(state.ratios["x1"]))
    assert len(set(accuracies)) > 1 and min(accuracies) >= 0 and max(accuracies) <= 1
    expected = [1, 1, *(accuracies[k] / np.mean(accuracies[k - 2 : k]) for k in (2, 3))]
    np.testing.assert_allclose(ratios, expected, rtol=1e-5)


def test_a_rate_of_zero_holds_a_modality():
    strategy = mslr(factors={"x1": 0.0})
    params, statistics, state = started(strategy, MODEL)
    step, optimizer = make_step(strategy, MODEL)
    moved, *_ = step(params, statistics, state, optimizer.init(params), samples(jax.random.key(5)), jax.random.key(5))
    assert (
        {"encoder:x2", "head"} <= labels_that_differ(moved, params, MODEL.labels) <= {"encoder:x2", "head:x2", "head"}
    )


def test_bad_options():
    with pytest.raises(ValueError, match="window=0"):
        mslr(window=0)
    with pytest.raises(ValueError, match=r"'x7'.*'x1', 'x2'"):
        mslr(factors={"x7": 1.0}).init(jax.random.key(0), MODEL, {})


def test_jit_vmap_and_hard_batches():
    check_strategy(lambda rate: mslr(factors={"x1": rate}, window=1), jnp.array([0.5, 1.3]), thorough=True)


def test_regression_and_three_modalities():
    strategy = mslr(regression, window=1)
    model, valid = model_of(3, num_outputs=2), samples(jax.random.key(5), num_modalities=3, label="targets")
    params, _, state = started(strategy, model)
    latents, _ = model.encode({"params": params}, valid.modalities)
    _, state = strategy.on_segment(model, {"params": params}, state, valid, valid)
    for name, piece in model.pieces({"params": params}, latents).items():
        right = np.mean((np.asarray(piece) > 0) == (np.asarray(valid.label) > 0))
        np.testing.assert_allclose(state.history[name], [right], rtol=1e-6)
