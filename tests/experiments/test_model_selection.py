import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import harness
from experiments.model_selection.__main__ import EXPERIMENT
from experiments.model_selection.config import Config
from experiments.model_selection.correlations import correlations
from experiments.model_selection.decomposition import decomposed
from experiments.model_selection.methods import ALONE, METHODS, aligned, model_of
from experiments.model_selection.ratios import ALL, NEW, ratios_by_evaluation, selection
from experiments.model_selection.results import Results, chosen_trials
from experiments.model_selection.selection import (
    AVERAGE,
    KNOWN,
    NEAREST,
    RULES,
    Rule,
    Scores,
    agreement,
    bootstrap,
    correlation,
    distances,
    mean,
    ratio,
    ratios,
)
from experiments.model_selection.selection import METHODS as ANY
from experiments.model_selection.sets import GENERATED, groups_of, sets_of
from experiments.model_selection.tables import suggestions
from experiments.model_selection.trial import make_trial
from mmjax.competition import joint
from mmjax.data import GATES, batch_of

pytestmark = pytest.mark.usefixtures("quickly_compiled")
TINY = Config(
    known=("uniqueness0", "uniqueness1"),
    num_new=1,
    methods=("additive", "low-rank tensor", *ALONE),
    rates=(1e-2,),
    num_seeds=2,
    num_cells=3,
    num_samples=256,
    transform_dim=4,
    num_steps=60,
)
VALID = np.array([[0.9, 0.8, 0.7, 0.6, 0.5], [0.5, 0.6, 0.7, 0.8, 0.9], [0.6, 0.9, 0.5, 0.8, 0.7]])
TEST = np.array([[0.8, 0.8, 0.7, 0.6, 0.5], [0.5, 0.6, 0.7, 0.8, 0.9], [0.6, 0.8, 0.5, 0.75, 0.9]])
SCORES = Scores(VALID, 1 - VALID, TEST)
PIDS = np.array([[0.0, 0.4, 0.0, 0.0], [0.0, 0.0, 0.4, 0.0], [0.0, 0.2, 0.1, 0.0]])


def found_of(pids, scores, predicted, num_known):
    """Results of one seed."""
    return Results(
        names=[str(place) for place in range(len(pids))],
        num_known=num_known,
        num_test=[100] * len(pids),
        pids=np.asarray(pids),
        metrics=np.stack(scores)[..., None],
        predicted=np.asarray(predicted)[:, :, None],
    )


def test_agreement_is_the_information_of_predictions_weighted_by_shares():
    assert agreement([0.1, 0.3, 0.0, 0.6], [0.2, 0.4, 0.9, 0.1]) == pytest.approx(0.02 + 0.12 + 0.06)
    assert agreement([0.2, 0.6, -1e-9, 1.2], [0.2, 0.4, 0.9, 0.1]) == pytest.approx(0.2)  # shares, rounding left out
    assert agreement([0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]) == 0
    np.testing.assert_allclose(agreement(PIDS[:, None], np.ones((3, 2, 4))), np.ones((3, 2)))


def test_the_nearest_data_set_has_shares_most_alike_whatever_the_totals():
    far = distances(PIDS[2], PIDS)
    np.testing.assert_allclose(far, [2 / 3, 4 / 3, 0], atol=1e-12)
    np.testing.assert_allclose(distances(10 * PIDS[2], PIDS), far)


def test_methods_are_ranked_by_validation_accuracy_then_loss():
    tie = Scores(np.array([0.7, 0.9, 0.9]), np.array([0.1, 0.5, 0.4]), np.array([1.0, 0.0, 0.0]))
    assert tie.ranking() == [2, 1, 0]


def test_the_method_taken_is_the_best_on_validation_data_of_those_tried():
    assert ratio(SCORES.of(2), (0, 3, 4)) == pytest.approx(0.75 / 0.9)
    assert ratio(SCORES.of(2), (0, 3, 4), "test") == 1
    assert ratio(SCORES.of(2), range(5)) == pytest.approx(0.8 / 0.9)


def test_ratios_of_all_rules_by_hand():
    of_rule = dict(zip(RULES, ratios(PIDS, SCORES, 2, [0, 1]), strict=True))
    assert of_rule[Rule(3, NEAREST)] == pytest.approx(0.8 / 0.9)  # methods 0, 1, 2 of data set 0
    assert of_rule[Rule(3, NEAREST, "test")] == pytest.approx(0.8 / 0.9)
    assert of_rule[Rule(3, KNOWN)] == pytest.approx((0.8 + 0.75) / 2 / 0.9)  # and 4, 3, 2 of data set 1
    assert of_rule[Rule(3, AVERAGE)] == pytest.approx(0.8 / 0.9)  # all are equal, and so the first three
    # By validation 1 is the best of the six threes that it is in, 3 of three others, and 4 of {0, 2, 4}.
    assert of_rule[Rule(3, ANY)] == pytest.approx((6 * 0.8 + 3 * 0.75 + 0.9) / 10 / 0.9)
    assert of_rule[Rule(3, ANY, "test")] == pytest.approx((6 * 0.9 + 3 * 0.8 + 0.75) / 10 / 0.9)
    assert of_rule[Rule(1, NEAREST)] == pytest.approx(0.6 / 0.9)
    assert of_rule[Rule(1, ANY)] == pytest.approx(TEST[2].mean() / 0.9)
    assert of_rule[Rule(1, KNOWN)] == pytest.approx((0.6 + 0.9) / 2 / 0.9)
    assert of_rule[Rule(None, ANY)] == pytest.approx(0.8 / 0.9)
    assert len(of_rule) == len(RULES)


def test_the_rule_is_evaluated_on_new_data_sets_and_on_each_from_all_others():
    found = found_of(PIDS, SCORES, np.zeros((3, 5, 4)), num_known=2)
    evaluated = ratios_by_evaluation(found)
    assert {name: values.shape for name, values in evaluated.items()} == {NEW: (1, 11), ALL: (3, 11)}
    np.testing.assert_allclose(evaluated[NEW][0], ratios(PIDS, SCORES, 2, [0, 1]))
    np.testing.assert_allclose(evaluated[ALL][0], ratios(PIDS, SCORES, 0, [1, 2]))
    config = dataclasses.replace(TINY, methods=tuple(METHODS)[:5])
    table = selection(config, found)
    by_test = table.frame[(table.frame["evaluated on"] == NEW) & (table.frame["taken by"] == "test")]
    assert list(by_test["published"]) == [0.9991, None]
    assert list(by_test["minus random methods"]) == pytest.approx([(0.8 - 0.855) / 0.9, 0])
    (row,) = suggestions(config, found).frame.to_dict("records")
    assert (row["nearest"], row["taken"], row["best of all"]) == ("0", config.methods[1], config.methods[4])
    assert row["suggested"] == ", ".join(config.methods[:3])
    assert row["ratio"] == pytest.approx(0.8 / 0.9)
    assert row["error"] == pytest.approx(1.96 * np.sqrt(0.8 * 0.2 / 100), rel=1e-3)


def test_correlation_is_of_finite_pairs():
    x = np.array([[0.0, 1.0, 2.0], [5.0, np.nan, 4.0]])
    y = np.array([[1.0, 3.0, 2.0], [7.0, 0.0, np.nan]])
    assert correlation(x, y) == pytest.approx(np.corrcoef([0, 1, 2, 5], [1, 3, 2, 7])[0, 1])
    both = correlation(np.stack([x, -x]), np.stack([y, y]))
    np.testing.assert_allclose(both, [correlation(x, y), -correlation(x, y)])
    assert np.isnan(correlation(np.ones((2, 3)), y))


def test_the_bootstrap_draws_data_sets_as_wholes():
    x = np.random.default_rng(0).normal(size=40)
    low, high = bootstrap(mean, x, seed=0)
    assert (high - low) / 2 == pytest.approx(1.96 * x.std() / np.sqrt(40), rel=0.1)
    copies = np.repeat(x[:, None], 25, axis=1)  # no wiser by copies of its pairs
    assert bootstrap(lambda z: z.mean(axis=(1, 2)), copies, seed=0) == pytest.approx((low, high))
    assert all(np.isnan(bootstrap(correlation, np.ones((4, 2)), np.ones((4, 2)), seed=0)))
    assert all(np.isnan(bootstrap(mean, np.ones(1), seed=0)))  # one data set says nothing of others


def test_agreement_beats_its_control_only_if_components_match():
    generator = np.random.default_rng(0)
    pids = np.eye(4)[np.arange(12) % 4]
    accuracy = generator.uniform(0.6, 0.9, size=(12, 4))
    predicted = generator.uniform(size=(12, 4, 4))
    predicted[pids[:, None] * np.ones((1, 4, 1)) > 0] = accuracy.ravel()
    scores = Scores(accuracy, 1 - accuracy, accuracy)
    frame = correlations(TINY, found_of(pids, scores, predicted, 8)).frame.set_index("measure")
    assert frame.loc["agreement", "correlation"] == pytest.approx(1)
    assert frame.loc["agreement", "published"] == 0.776
    assert frame.loc["agreement minus first control", "low"] > 0
    assert list(frame.loc[["agreement", "the same, without methods of one modality"], "pairs"]) == [48, 24]


def test_tables_of_any_size_are_decomposed_together():
    uneven = np.zeros((3, 3, 2))  # of the size of TINY, which is compiled once
    uneven[[0, 2], 0, [0, 1]] = 5
    parts = decomposed([np.asarray(GATES["xor"]) * 40, np.asarray(GATES["redundant"]) * 8, uneven])
    np.testing.assert_allclose(parts, [[0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]], atol=1e-6)


def test_new_data_sets_are_drawn_from_the_seed_and_test_labels_have_no_say():
    sets = sets_of(TINY)
    assert list(sets) == ["uniqueness0", "uniqueness1", "synthetic 1"]
    of = sets["synthetic 1"]
    assert of.ratios == tuple(np.random.default_rng(0).uniform(size=3))
    np.testing.assert_array_equal(np.bincount(of.cells.part), [256, 128, 256])
    np.testing.assert_allclose(of.x1[of.cells.part == 0].mean(axis=0), 0, atol=1e-5)
    rows = EXPERIMENT.items(TINY)["sets"]()
    assert [row["samples"] for row in rows] == [384] * 3
    assert [row["new"] for row in rows] == [False, False, True]
    assert rows[0]["unique1"] > 0.2 > rows[0]["unique2"] + rows[0]["redundancy"]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_makes_logits_and_a_loss(name):
    model = model_of(METHODS[name], (3, 2), 4)
    batch = batch_of({"x1": np.ones((5, 3)), "x2": np.ones((5, 2))}, np.arange(5) % 4)
    strategy = METHODS[name].strategy

    def logits_and_loss(key):
        variables = model.init(key)
        params, state = strategy.init(key, model, variables["params"])
        latents, _ = model.encode({"params": params}, batch.modalities, batch.masks)
        loss, _ = strategy.loss(model, params, {}, state, batch, key)
        return strategy.predict(model, {"params": params}, latents, batch.masks), loss

    logits, loss = jax.eval_shape(logits_and_loss, jax.random.key(0))
    assert (logits.shape, loss.shape) == ((5, 4), ())


def test_alignment_adds_the_contrastive_loss():
    model = model_of(METHODS["alignment"], (3, 3), 2)
    x = np.random.default_rng(0).normal(size=(2, 6, 3))
    batch = batch_of({"x1": x[0], "x2": x[1]}, np.arange(6) % 2)

    @jax.jit
    def losses(key):
        params = model.init(key)["params"]
        return [strategy.loss(model, params, {}, (), batch, key)[0] for strategy in (joint(), aligned(0.1), aligned(1))]

    plain, light, heavy = map(float, losses(jax.random.key(0)))
    assert heavy - plain == pytest.approx(10 * (light - plain), rel=1e-3)
    assert light > plain


def test_a_method_of_one_modality_knows_nothing_of_the_other():
    trial, data = make_trial(TINY, {"group": GENERATED, "method": ALONE[0]})
    results = [
        jax.jit(trial)(jax.random.key(0), {"set": jnp.float32(place), "learning_rate": jnp.float32(0.01)}, data)
        for place in (0, 1)
    ]
    right, wrong = (float(result["test"]["accuracy"]) for result in results)
    assert right > 0.75 and wrong < 0.65
    of, table = sets_of(TINY)["uniqueness0"].cells, np.asarray(results[0]["table"])
    test = of.part == 2
    np.testing.assert_array_equal(table.sum(axis=2), np.histogram2d(of.x1[test], of.x2[test], bins=[3, 3])[0])


def test_a_run_goes_on_from_its_rows_and_writes_all_tables(tmp_path, monkeypatch):
    tables = harness.run(EXPERIMENT, TINY, tmp_path)
    assert [len(table.frame) for table in tables] == [3, 12, 22, 1, 4, 10]
    assert (tmp_path / "figure.png").exists()
    (tmp_path / "run.json").unlink()
    monkeypatch.setattr("experiments.model_selection.trial.best_of", None)  # no trial is run again
    again = harness.run(EXPERIMENT, TINY, tmp_path)
    for first, second in zip(tables, again, strict=True):
        assert first.note == second.note
        assert first.frame.equals(second.frame)


def test_rates_are_chosen_by_validation_loss():
    trial = {"group": GENERATED, "set": 0, "method": "additive", "seed": 0}
    rows = [trial | {"learning_rate": rate, "valid/loss": loss} for rate, loss in ((0.1, 0.6), (0.2, 0.4), (0.3, 0.5))]
    assert list(chosen_trials([{"kind": "set"}, *rows])["learning_rate"]) == [0.2]


def test_a_file_gives_its_pairs_as_new_data_sets(tmp_path):
    generator = np.random.default_rng(0)
    label = np.where(np.arange(90) < 60, np.arange(90) % 3, -1)
    arrays = {"a": generator.normal(size=(90, 4)), "b": generator.normal(size=(90, 2, 2)), "c": np.arange(90) % 5}
    np.savez(tmp_path / "study.npz", label=label, **arrays)
    config = dataclasses.replace(TINY, data=tmp_path / "study.npz")
    pairs = ("study, a and b", "study, a and c", "study, b and c")
    assert groups_of(config) == {GENERATED: TINY.known, **{pair: (pair,) for pair in pairs}}
    of = sets_of(config)[pairs[2]]
    assert (of.x1.shape, of.x2.shape, of.ratios) == ((60, 4), (60, 1), None)
    trial, data = make_trial(config, {"group": pairs[2], "method": "additive"})
    shapes = jax.eval_shape(trial, jax.random.key(0), {"set": jnp.float32(0), "learning_rate": jnp.float32(1)}, data)
    assert shapes["table"].shape == (3, 3, 3)
    assert list(EXPERIMENT.items(config)) == ["sets", "trials", "trials-1", "trials-2", "trials-3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "hydra"], "methods must be 4 or more of additive"),
        (["--methods", "additive", "gated", "FiLM"], "methods must be 4 or more of"),
        (["--known", "salt"], "known must be 2 or more of redundancy"),
        (["--known", "mix1"], "known must be 2 or more of"),
        (["--known", "mix1", "mix1", "mix2"], "each once; got mix1, mix1, mix2"),
        (["--rates", "0"], "rates must be positive"),
        (["--num-new", "0"], "num_new must be at least 1; got 0"),
    ],
)
def test_wrong_options_are_one_line(arguments, message, refusal):
    assert message in refusal(EXPERIMENT, arguments)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros((6, 2)), "label": np.arange(6) % 2}, "two modalities or more, in all samples; got a"),
        (
            {"a": np.zeros((9, 2)), "b": np.zeros((9, 2)), "mask_b": np.arange(9) > 0, "label": np.arange(9) % 2},
            "some samples without b",
        ),
        ({"a": np.zeros((6, 2)), "b": np.zeros((6, 2)), "label": np.arange(6)}, "has no labelled sample"),
    ],
)
def test_files_that_cannot_be_used_are_one_line(arrays, message, refusal, tmp_path):
    np.savez(tmp_path / "file.npz", **arrays)
    small = ["--known", "mix1", "mix2", "--num-samples", "64", "--transform-dim", "2"]
    assert message in refusal(EXPERIMENT, ["--data", str(tmp_path / "file.npz"), *small])
