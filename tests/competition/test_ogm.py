"""OGM: golden factors, whose gradients they scale, the noise, the segments, and factors behind the optimiser."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition import joint, regression
from mmjax.competition._contributions import contributions, scores
from mmjax.competition._ogm import ogm, ogm_coefficients
from mmjax.models import ConcatMLP
from tests.competition.checks import check_strategy, first_step, labels_that_differ, ratios_by_label
from tests.competition.conftest import gradients_of, make_step, model_of, samples, started

MODEL = model_of()
JOINT = joint()


def test_golden_factors(float64):
    found = ogm_coefficients({"a": jnp.asarray(0.6), "b": jnp.asarray(0.2)}, 0.8)
    np.testing.assert_allclose([found["a"], found["b"]], [0.016325142306319762, 1], atol=1e-12)


def test_three_modalities_compare_with_the_mean_of_ratios():
    found = ogm_coefficients({"a": jnp.asarray(0.6), "b": jnp.asarray(0.3), "c": jnp.asarray(0.2)}, 0.5)
    ratios = {"a": (0.6 / 0.3 + 0.6 / 0.2) / 2, "b": (0.3 / 0.6 + 0.3 / 0.2) / 2, "c": (0.2 / 0.6 + 0.2 / 0.3) / 2}
    expected = {name: 1 - np.tanh(0.5 * ratio) if ratio > 1 else 1 for name, ratio in ratios.items()}
    np.testing.assert_allclose([found[x] for x in "abc"], [expected[x] for x in "abc"], rtol=1e-6)


def test_equal_scores_and_one_modality_change_nothing():
    assert ogm_coefficients({"a": jnp.asarray(0.4), "b": jnp.asarray(0.4)}, 2.0) == {"a": 1, "b": 1}
    assert ogm_coefficients({"a": jnp.asarray(0.4)}, 2.0) == {"a": 1}


def test_contributions_to_a_linear_head():
    model, batch = model_of(3), samples(jax.random.key(5), num_modalities=3)
    variables = model.init(jax.random.key(0))
    variables["params"]["head"]["bias"] = jnp.array([1.0, 2.0, 3.0])
    latents, _ = model.encode(variables, batch.modalities)
    found = contributions(model, variables, latents, batch.masks)
    for name, piece in model.pieces(variables, latents).items():
        np.testing.assert_allclose(found[name], piece + jnp.array([[1.0, 2.0, 3.0]]) / 3, atol=1e-5)
    np.testing.assert_allclose(sum(found.values()), model.fuse(variables, latents), atol=1e-5)


def test_an_absent_modality_is_not_compared_with():
    batch = samples(jax.random.key(5))
    batch = batch._replace(masks=batch.masks | {"x1": jnp.zeros(8, bool)}, label=jnp.zeros((8, 1)))
    found = scores(regression, {"x1": jnp.zeros((8, 1)), "x2": jnp.ones((8, 1))}, batch)
    assert found["x1"] == found["x2"] == 1


@pytest.mark.parametrize("head", [None, ConcatMLP(3, features=(4,))])
def test_only_the_encoder_ahead_is_slowed(head):
    gradients, _, state = first_step(ogm(alpha=0.3), head=head)
    plain, *_ = first_step(JOINT, head=head)
    factors = {name: float(factor) for name, factor in state.coefficients.items()}
    (ahead,) = (name for name, factor in factors.items() if factor < 1)
    ratios = ratios_by_label(gradients, plain, MODEL.labels)
    assert ratios.pop(f"encoder:{ahead}") == pytest.approx(factors[ahead], rel=1e-5)
    ratios = {label: ratio for label, ratio in ratios.items() if not np.isnan(ratio)}
    assert ratios == pytest.approx(dict.fromkeys(ratios, 1), rel=1e-5)


def test_noise_has_the_spread_of_the_gradient():
    noisy, _, state = first_step(ogm(noise=True))
    plain, *_ = first_step(JOINT)
    for name, factor in state.coefficients.items():
        (kernel, *_), (without, *_) = (
            [x for x in jax.tree.leaves(t[f"encoders_{name}"]) if x.ndim == 2] for t in (noisy, plain)
        )
        assert 0.4 < jnp.std(kernel - factor * without) / jnp.std(without) < 1.8
    np.testing.assert_allclose(noisy["head"]["bias"], plain["head"]["bias"], atol=1e-7)


def test_only_in_its_segments():
    batch, strategy = samples(jax.random.key(5)), ogm(noise=True, first=1, last=1)
    params, statistics, state = started(strategy, MODEL)
    step = jax.jit(lambda state: gradients_of(strategy, MODEL, params, statistics, state, batch)[0])
    plain, *_ = first_step(JOINT)
    differs = []
    for _ in range(3):
        differs.append(bool(labels_that_differ(step(state), plain, MODEL.labels)))
        _, state = strategy.on_segment(MODEL, {"params": params}, state, batch, batch)
    assert differs == [False, True, False]


def test_a_constant_factor_before_adam_does_nothing_and_behind_it_does():
    batch, moves = samples(jax.random.key(5)), {}
    for name, strategy in {"joint": joint(), "before": ogm(alpha=0.3), "after": ogm(alpha=0.3, after=True)}.items():
        params, statistics, state = started(strategy, MODEL)
        step, optimizer = make_step(strategy, MODEL)
        moved, _, state, _ = step(params, statistics, state, optimizer.init(params), batch, jax.random.key(5))
        moves[name] = jax.tree.map(lambda x, y: x - y, moved, params)
    ratios = {name: ratios_by_label(moves[name], moves["joint"], MODEL.labels) for name in ("before", "after")}
    assert ratios["before"] == pytest.approx(dict.fromkeys(ratios["before"], 1), rel=1e-3)
    for name, factor in state.coefficients.items():
        assert ratios["after"][f"encoder:{name}"] == pytest.approx(float(factor), rel=1e-4)


def test_jit_vmap_and_hard_batches(thorough):
    check_strategy(lambda alpha: ogm(alpha=alpha, noise=True), jnp.array([0.1, 0.8]), thorough=thorough)


def test_regression_and_three_modalities():
    gradients, _, state = first_step(ogm(regression, alpha=0.3), 3, label="targets")
    plain, *_ = first_step(joint(regression), 3, label="targets")
    slowed = {f"encoder:{name}" for name, factor in state.coefficients.items() if factor < 1}
    assert slowed and labels_that_differ(gradients, plain, model_of(3).labels) == slowed
