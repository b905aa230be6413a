import dataclasses

import jax
import numpy as np
import pytest

from experiments.highmmt import published
from experiments.highmmt.__main__ import EXPERIMENT, PRESETS, items
from experiments.highmmt.config import Config
from experiments.highmmt.distances import of_modalities
from experiments.highmmt.figure import figure
from experiments.highmmt.grouping import by_features
from experiments.highmmt.sharing import compare
from experiments.highmmt.tables import tables
from experiments.highmmt.worlds import SEQUENCES, by_part, draw, layout_of, model_of, suite_of, true_plan
from mmjax.data import HETEROGENEITY_SUITE
from mmjax.heterogeneity import SharingPlan

pytestmark = pytest.mark.usefixtures("quickly_compiled")
TINY = Config(
    num_samples=40, num_steps=10, num_pair_steps=10, num_transfer_steps=1, width=8, num_latents=2, batch_size=8
)


def plan_row(plan, seed, accuracy, part="sharing"):
    return {"part": part, "seed": seed, "plan": plan, "groups": [1, 2], "parameters": 3, "accuracy": accuracy}


def growth_row(label, seed, accuracy):
    return {"part": "growth", "seed": seed, "label": label, "accuracy": accuracy}


def test_each_part_and_seed_is_an_item():
    config = Config(parts=("modalities", "growth"), num_seeds=2, seed=3)
    assert list(items(config)) == [f"{part},seed={seed}" for part in ("modalities", "growth") for seed in (3, 4)]
    assert suite_of(PRESETS["full"]) is HETEROGENEITY_SUITE


def test_worlds_and_layouts_agree():
    layout = layout_of(HETEROGENEITY_SUITE)
    assert [modality.num_bands for modality in layout.modalities] == [3] * 6 + [None] * 2 + [3] * 2
    assert layout.modality("vitals").num_tokens == 1
    plan = true_plan(HETEROGENEITY_SUITE, layout)
    groups = dict(zip(layout.nodes, plan.unimodal, strict=True))
    assert groups["place", "camera"] == groups["speaker", "depth"] != groups["grasp", "thermal"]
    pairs = dict(zip(layout.pairs, plan.crossmodal, strict=True))
    assert pairs["irony", ("audio", "camera")] == pairs["humour", ("depth", "speech")]
    assert pairs["irony", ("audio", "camera")] != pairs["caption", ("audio", "camera")]
    assert pairs["caption", ("audio", "camera")] != pairs["command", ("depth", "speech")]


def test_homogeneous_sequences_are_shown_alike():
    config = dataclasses.replace(TINY, num_samples=4000)
    alike, apart = (draw(config, SEQUENCES, 0, angle=angle) for angle in (0.0, None))

    def mean_of_positive(data, name):
        train = data[f"of {name}"].train
        chosen = np.asarray(train.label) == 3
        return np.asarray(train.modalities[name])[chosen].mean(axis=0)

    for other in ("x4", "x6"):
        difference = mean_of_positive(alike, "x1") - mean_of_positive(alike, other)
        assert np.abs(difference).max() < 0.2
        assert np.abs(mean_of_positive(apart, "x1") - mean_of_positive(apart, other)).max() > 0.5


def test_distances_are_measured_tabled_and_drawn():
    rows = of_modalities(TINY, 0)
    assert [row["steps"] for row in rows] == [0, 1]
    for row in rows:
        d = np.asarray(row["distance"])
        assert d.shape == (6, 6)
        np.testing.assert_array_equal(d, d.T)
        assert len(set(row["found"])) == 3
    frame = tables(TINY, rows)[0].frame
    assert list(frame["steps on the target"]) == [0, 1]
    assert frame["nodes"].eq(6).all()
    assert len(figure(TINY, rows).subfigs) == 2


def test_plans_are_ordered_by_accuracy_and_paired_by_seed():
    rows = [plan_row("share all", seed, 0.6 + 0.1 * seed) for seed in range(3)]
    rows += [plan_row("share none", seed, 0.5 + 0.1 * seed) for seed in range(3)]
    rows += [plan_row("groups by transfer", seed, 0.65 + 0.1 * seed) for seed in (2, 0, 1)]
    table = tables(TINY, rows)[0]
    assert list(table.frame["plan"]) == ["groups by transfer", "share all", "share none"]
    assert list(table.frame["minus share all"]) == ["+5.0 [+5.0, +5.0]", "", "-10.0 [-10.0, -10.0]"]
    assert table.frame["accuracy"].iloc[0] == pytest.approx(0.75)


def test_the_gain_of_a_modality_is_over_the_row_above():
    rows = [growth_row("a", 0, 0.6), growth_row("a + b", 0, 0.7), growth_row("a + b + noise", 0, 0.69)]
    assert list(tables(TINY, rows)[0].frame["gain"]) == ["", "+10.0", "-1.0"]
    assert figure(TINY, rows).subfigs


def test_published_distances_say_what_was_found_in_them():
    findings = published.tables()[0].frame.set_index("matrix")
    columns = ["triangles, all", "triangles, distinct", "largest 3 singular values"]
    np.testing.assert_allclose(findings.loc["modalities", columns].astype(float), [0.868, 0.817, 0.967], atol=6e-4)
    np.testing.assert_allclose(findings.loc["interactions", columns].astype(float), [0.863, 0.792, 0.984], atol=6e-4)
    for d in (published.distances_of_modalities(), published.distances_of_interactions()):
        np.testing.assert_array_equal(d, d.T)
        assert not d.diagonal().any()


def test_features_group_modalities_with_equal_arrays():
    model = model_of(TINY, SEQUENCES)
    data = draw(TINY, SEQUENCES, 0)
    params = model.init(jax.random.key(0))
    size = SharingPlan.share_none(3, 2)
    plan = by_features(model, params, data, size)
    assert (plan.num_unimodal_groups, plan.num_crossmodal_groups) == (3, 2)
    of = dict(zip(model.layout.nodes, plan.unimodal, strict=True))
    assert of["of x1", "x1"] == of["of x1 and x4", "x1"]  # nodes of one modality are together


def test_parts_of_all_tasks():
    splits = by_part(draw(TINY, SEQUENCES, 0))
    assert set(splits.train) == {task.name for task in SEQUENCES.tasks}
    assert splits.train["of x1"].label.shape == (40,)


@pytest.mark.slow
def test_all_plans_are_trained():
    rows = compare(TINY, 0, part="sharing")
    assert {row["plan"] for row in rows} >= {"share all", "share none", "true groups", "groups by transfer"}
    sizes = {row["plan"]: row["groups"] for row in rows}
    assert sizes["random groups"] == sizes["groups by transfer"] == sizes["groups by features"]
    assert all(0 < row["accuracy"] < 1 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--parts", "colours"], "colours"),
        (["--num-seeds", "0"], "num_seeds must be at least 1; got 0"),
        (["--rates", "-1"], "rates must be positive"),
        (["--budget", "2"], "budget must be in"),
        (["--width", "wide"], "wide"),
    ],
)
def test_wrong_options_are_one_line(arguments, message, refusal):
    assert message in refusal(EXPERIMENT, arguments)
