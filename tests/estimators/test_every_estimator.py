"""What all estimators of a score matrix owe: a promise, derivatives, batching, large scores, rows without negatives."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import estimators

SCORES_ONLY = (
    estimators.info_nce,
    estimators.nwj,
    estimators.donsker_varadhan,
    estimators.smile,
    estimators.jensen_shannon,
    estimators.jensen_shannon_information,
    estimators.nce_club,
    estimators.club,
    estimators.leave_one_out,
)
UPPER = ("club", "leave_one_out", "nce_club")
LABELS = jnp.array([0, 1, 0, 1, 2])
ALL_PAIRS = jnp.ones((5, 5), bool)
CALLS = {function.__name__: function for function in SCORES_ONLY} | {
    "tuba": lambda s, negatives=None: estimators.tuba(s, 0.3 * jnp.diagonal(s), negatives=negatives),
    "flo": lambda s, negatives=None: estimators.flo(s, -0.3 * jnp.diagonal(s), negatives=negatives),
}


def _scores(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@jax.jit
def _all(scores, negatives):
    """Value and gradient of every estimator, in one program."""
    return {name: jax.value_and_grad(call)(scores, negatives=negatives) for name, call in CALLS.items()}


@jax.jit
@jax.vmap
def _of_four(scores):
    """Values of four matrices, without a mask."""
    return {name: call(scores) for name, call in CALLS.items()}


def _all_values(*scores):
    """Values of up to four matrices without a mask, estimator to array."""
    stack = np.stack([*scores, *[scores[0]] * (4 - len(scores))])
    return {name: np.asarray(values)[: len(scores)] for name, values in _of_four(stack).items()}


@pytest.mark.parametrize(
    ("function", "side", "log_b_ceiling"),
    [
        (estimators.info_nce, "lower", True),
        (estimators.nwj, "lower", False),
        (estimators.tuba, "lower", False),
        (estimators.flo, "lower", False),
        (estimators.jensen_shannon, "lower", False),
        (estimators.jensen_shannon_information, None, False),
        (estimators.donsker_varadhan, None, False),
        (estimators.smile, None, False),
        (estimators.club, "upper", False),
        (estimators.leave_one_out, "upper", False),
        (estimators.nce_club, None, False),
        (estimators.variational_club, None, False),
        (estimators.supervised_contrastive, None, False),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_promise_is_carried_by_the_function(function, side, log_b_ceiling):
    assert (function.side, function.is_bound, function.log_b_ceiling) == (side, side is not None, log_b_ceiling)
    assert "Returns:" in function.__doc__
    assert side != "lower" or "McAllester" in function.__doc__
    assert getattr(estimators, function.__name__) is function


def test_estimators_of_scores_alone_are_called_alike():
    for function in SCORES_ONLY:
        first, *others = inspect.signature(function).parameters.values()
        assert first.kind is first.POSITIONAL_OR_KEYWORD
        assert all(other.kind is other.KEYWORD_ONLY and other.default is not other.empty for other in others)
        assert others[-1].name == "negatives"


def test_gradients_match_finite_differences(float64):
    """With clusters, one row and one column without negatives, which is the general case."""
    mask = jnp.asarray(_scores(5, 5, seed=1) > 0).at[2].set(False).at[:, 3].set(False)
    scores = jnp.asarray(_scores(5, 5))
    found, step = _all(scores, mask), 1e-6
    numeric = {name: np.zeros((5, 5)) for name in CALLS}
    for i, j in np.ndindex(5, 5):
        upper, lower = (_all(scores.at[i, j].add(s), mask) for s in (step, -step))
        for name in CALLS:
            numeric[name][i, j] = (upper[name][0] - lower[name][0]) / (2 * step)
    for name, (_, gradient) in found.items():
        np.testing.assert_allclose(gradient, numeric[name], rtol=1e-6, atol=1e-8, err_msg=name)


def test_a_mask_of_all_pairs_is_no_mask():
    scores = jnp.asarray(_scores(5, 5), jnp.float32)
    values = _all_values(scores)
    for name, (value, gradient) in _all(scores, ALL_PAIRS).items():
        np.testing.assert_allclose(value, values[name][0], rtol=1e-5, err_msg=name)
        assert np.any(gradient != 0)


def test_vmap_over_seeds_and_temperatures_equals_a_loop():
    cases = [np.float32(scores / t) for scores in _scores(2, 5, 5) for t in (0.5, 2.0)]
    together = _all_values(*cases)
    for k, scores in enumerate(cases):
        for name, (value, _) in _all(scores, ALL_PAIRS).items():
            np.testing.assert_allclose(together[name][k], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_permutation_of_the_samples_changes_nothing():
    scores, order = jnp.asarray(_scores(5, 5), jnp.float32), np.array([3, 0, 4, 1, 2])
    for name, (value, permuted) in _all_values(scores, scores[order][:, order]).items():
        np.testing.assert_allclose(permuted, value, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("other", [1e4, jnp.inf, jnp.nan])
def test_nothing_depends_on_pairs_outside_the_mask(other):
    """Two clusters of two and a sample alone."""
    mask = estimators.same_cluster(LABELS)
    across = ~mask & ~jnp.eye(5, dtype=bool)
    scores = jnp.asarray(_scores(5, 5), jnp.float32)
    changed = _all(jnp.where(across, other, scores), mask)
    for name, (value, gradient) in _all(scores, mask).items():
        assert np.isfinite(value), name
        np.testing.assert_array_equal(changed[name][0], value, err_msg=name)
        np.testing.assert_array_equal(changed[name][1], gradient, err_msg=name)
        np.testing.assert_array_equal(np.asarray(gradient)[across], 0, err_msg=name)
        np.testing.assert_allclose(gradient[4], 0, atol=1e-7, err_msg=name)


def test_a_row_without_negative_adds_nothing():
    """Lower bounds and what stands for one count it as 0, upper bounds leave it out."""
    scores = jnp.asarray(_scores(5, 5), jnp.float32)
    mask = estimators.same_cluster(LABELS[:4])
    without = jax.jit(lambda s: {name: call(s, negatives=mask) for name, call in CALLS.items()})(scores[:4, :4])
    for name, (value, _) in _all(scores, estimators.same_cluster(LABELS)).items():
        share = 1 if name in UPPER else 4 / 5
        np.testing.assert_allclose(value, without[name] * share, rtol=1e-5, err_msg=name)


def test_a_batch_in_which_no_row_has_a_negative():
    """Lower bounds fall to 0; an upper bound of nothing is unknown. Gradients are 0."""
    for name, (value, gradient) in _all(jnp.asarray(_scores(5, 5), jnp.float32), ~ALL_PAIRS).items():
        np.testing.assert_array_equal(value, np.nan if name in UPPER else 0, err_msg=name)
        np.testing.assert_array_equal(gradient, 0, err_msg=name)


@pytest.mark.parametrize("name", CALLS)
def test_a_single_sample_is_refused(name):
    with pytest.raises(ValueError, match="at least 2 samples"):
        CALLS[name](jnp.ones((1, 1)))


def test_a_matrix_that_is_not_square_is_refused():
    with pytest.raises(AssertionError):
        estimators.info_nce(jnp.ones((3, 4)))
    with pytest.raises(AssertionError):
        estimators.info_nce(jnp.ones((3, 3)), negatives=jnp.ones((3, 3)))


def test_not_a_number_in_gives_not_a_number_out():
    everywhere, once = np.full((5, 5), np.nan, np.float32), np.float32(_scores(5, 5))
    once[1, 3] = np.nan
    assert all(np.isnan(values).all() for values in _all_values(everywhere, once).values())


@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_large_joint_scores_give_their_exact_value(scale):
    """Scores s on the diagonal and 0 elsewhere; 1.224804 is the information at JSD = log(2) / 2, by bisection."""
    expected = {
        "info_nce": np.log(5) if scale > 0 else scale + np.log(5 / 4),
        "nwj": scale - np.exp(-1),
        "donsker_varadhan": scale,
        "smile": scale,
        "jensen_shannon": (np.log(2) + min(scale, 0)) / 2,
        "jensen_shannon_information": 1.224804 if scale > 0 else (np.log(2) + scale) / np.log(2),
        "nce_club": scale,
        "club": scale,
        "leave_one_out": scale,
    }
    results = _all(scale * jnp.eye(5, dtype=jnp.float32), ALL_PAIRS)
    for name, value in expected.items():
        np.testing.assert_allclose(results[name][0], value, rtol=1e-5, err_msg=name)
        assert np.all(np.isfinite(results[name][1])), name


def test_large_scores_of_both_signs():
    """Scores +s on the diagonal and -s elsewhere: the pairs are told apart without doubt."""
    results = _all(1e4 * (2 * jnp.eye(5) - 1), ALL_PAIRS)
    for name in ("donsker_varadhan", "club", "leave_one_out", "nce_club"):
        np.testing.assert_allclose(results[name][0], 2e4, rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(results["info_nce"][0], np.log(5), rtol=1e-6)
    np.testing.assert_allclose(results["smile"][0], 1e4 + 5, rtol=1e-6)
    np.testing.assert_allclose(results["jensen_shannon"][0], np.log(2), rtol=1e-6)
    np.testing.assert_allclose(results["jensen_shannon_information"][0], 1e4 + np.log(5e3), rtol=1e-4)
    assert all(np.all(np.isfinite(gradient)) for _, gradient in results.values())


def test_large_negatives_are_infinite_only_where_the_value_is_out_of_range():
    scores = jnp.full((5, 5), 1e4).at[jnp.diag_indices(5)].set(0)
    values = _all_values(scores)
    assert values["nwj"] == -np.inf
    for bound in (estimators.tuba, estimators.flo):
        np.testing.assert_allclose(bound(scores, jnp.full(5, 1e4)), -1e4, rtol=1e-6)
    for name, value in {"info_nce": -1e4 + np.log(5 / 4), "donsker_varadhan": -1e4, "jensen_shannon": -5e3}.items():
        np.testing.assert_allclose(values[name], value, rtol=1e-4, err_msg=name)
