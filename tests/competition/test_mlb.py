"""MLB: golden factors, whose gradients they scale, and what the scores are."""

import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition import multi_loss, regression
from mmjax.competition._mlb import mlb, mlb_coefficients
from tests.competition.checks import check_strategy, first_step, ratios_by_label
from tests.competition.conftest import model_of


def test_golden_factors(float64):
    scores = {"a": jnp.asarray(0.6), "b": jnp.asarray(0.2)}
    found = mlb_coefficients(scores, 0.5)
    np.testing.assert_allclose([found["a"], found["b"]], [0.6784872624683657, 1.7615941559557649], atol=1e-12)
    found = mlb_coefficients(scores, 0.5, 10.0)
    np.testing.assert_allclose([found["a"], found["b"]], [0.6784872624683657, 7.854347403601882], atol=1e-12)


def test_three_modalities_compare_with_the_mean_of_the_others():
    scores = {"a": 0.6, "b": 0.3, "c": 0.2}
    found = mlb_coefficients({name: jnp.asarray(score) for name, score in scores.items()}, 0.7, 3.0)
    for name, score in scores.items():
        ratio = (sum(scores.values()) - score) / 2 / score
        factor = 1 + (3 - 1 if ratio > 1 else 1) * np.tanh(0.7 * (ratio - 1))
        np.testing.assert_allclose(found[name], factor, rtol=1e-6)
    assert mlb_coefficients({"a": jnp.asarray(0.4)}, 0.7) == {"a": 1}


@pytest.mark.parametrize(("task", "label"), [(None, "classes"), (regression, "targets")])
def test_what_is_scaled(task, label):
    tasks = () if task is None else (task,)
    gradients, aux, _ = first_step(mlb(*tasks, alpha=0.5, beta=4.0), 3, label=label)
    plain, *_ = first_step(multi_loss(*tasks), 3, label=label)
    ratios = ratios_by_label(gradients, plain, model_of(3).labels)
    factors = {name: float(factor) for name, factor in aux.signals.items()}
    expected = {f"{part}:{name}": factor for name, factor in factors.items() for part in ("encoder", "head")}
    assert ratios == pytest.approx(expected | {"head": 1}, rel=1e-5)
    assert min(factors.values()) < 1 < max(factors.values())


def test_jit_vmap_and_hard_batches(thorough):
    check_strategy(lambda alpha: mlb(alpha=alpha, beta=5 * alpha), jnp.array([0.5, 2.0]), thorough=thorough)
