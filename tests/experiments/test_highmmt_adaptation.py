import dataclasses
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.highmmt import adaptation, published
from experiments.highmmt.__main__ import PRESETS
from experiments.highmmt.adaptation import adapt, own_copies, with_share, wrongly_labelled
from experiments.highmmt.config import Config
from experiments.highmmt.figure import figure
from experiments.highmmt.setting import LARGE_TARGET, SMALL_TARGET, Setting, accuracy_program
from experiments.highmmt.tables import tables
from experiments.highmmt.training import from_nothing
from experiments.highmmt.worlds import SEQUENCES, by_part, draw, model_of
from mmjax.data import HETEROGENEITY_SUITE
from mmjax.heterogeneity import SharingPlan

pytestmark = pytest.mark.usefixtures("quickly_compiled")
TINY = Config(num_samples=20, num_steps=24, width=8, num_latents=2, batch_size=8)
TASKS = ("of x2", "of x5", "of x1 and x4", "of x2 and x5")


@pytest.fixture(scope="module")
def setting():
    """Return a setting of four tasks of few samples."""
    suite = dataclasses.replace(SEQUENCES, tasks=tuple(task for task in SEQUENCES.tasks if task.name in TASKS))
    model, key = model_of(TINY, suite), jax.random.key(0)
    data = jax.tree.map(lambda x: x[:100], by_part(draw(TINY, suite, 0)))
    return Setting(TINY, model, data, jax.device_get(from_nothing(model, key)), key)


@pytest.fixture(scope="module")
def everything(setting):
    """Return rows by study, of parameters that were not trained."""
    return {
        "transfer": adaptation.transfer(setting, 0),
        "few samples": adaptation.few_samples(setting),
        "interference": adaptation.interfere(setting, "share all", setting.model.layout.share_all(), setting.start),
        "involvement": adaptation.involved(setting, setting.start),
    }


def same(first, second):
    return all(jax.tree.leaves(jax.tree.map(lambda x, y: bool(np.all(x == y)), first, second)))


def test_targets_are_tasks_of_their_suites():
    assert SMALL_TARGET in {task.name for task in SEQUENCES.tasks}
    assert LARGE_TARGET in {task.name for task in HETEROGENEITY_SUITE.tasks}
    assert "adaptation" not in PRESETS["quick"].parts


def test_few_samples_are_repeated(setting):
    few = with_share(setting.data, "of x5", 0.3).train
    np.testing.assert_array_equal(few["of x5"].label, np.tile(setting.data.train["of x5"].label[:6], 4)[:20])
    np.testing.assert_array_equal(few["of x5"].modalities["x5"][7], setting.data.train["of x5"].modalities["x5"][1])
    assert few["of x2"] is setting.data.train["of x2"]
    assert len(set(np.asarray(with_share(setting.data, "of x5", 0.01).train["of x5"].label))) == 1


def test_wrong_labels_are_the_next_class(setting):
    wrong = wrongly_labelled(setting.model, setting.data.train)
    for task, batch in setting.data.train.items():
        assert set(np.asarray((wrong[task].label - batch.label) % 4)) == {1}
        assert int(wrong[task].label.max()) < 4


def test_own_copies_are_shared_within_a_task_only():
    plan = SharingPlan(unimodal=(0, 0, 1, 0, 1), crossmodal=(0, 0, 0))
    assert own_copies(plan, ["a", "a", "a", "b", "b"], ["a", "a", "b"]) == SharingPlan((0, 0, 1, 2, 3), (0, 0, 1))


def test_one_run_trains_each_task_as_a_run_of_its_own(setting, everything):
    """Although the tasks share all parameters."""
    wrong = setting.data._replace(train=wrongly_labelled(setting.model, setting.data.train))
    share_all = setting.model.layout.share_all()
    accuracies = accuracy_program(setting.model)
    before = accuracies(setting.start, plan=share_all.indices(), data=setting.data.test)
    rows = {row["task"]: row["changes"] for row in everything["interference"] if row["trained"] == "all"}
    for task in ("of x2", "of x1 and x4"):
        alone = setting.fit({task: 1.0}, num_segments=1, data=wrong).params
        after = accuracies(alone, plan=share_all.indices(), data=setting.data.test)
        assert any(after[other] != before[other] for other in TASKS)
        for other in TASKS:  # a rounding may turn a sample
            assert rows[task][other] == pytest.approx(float(after[other] - before[other]), abs=0.021)


def test_without_shared_parameters_no_task_harms_another(setting):
    rows = adaptation.interfere(setting, "share none", setting.model.layout.share_none(), setting.start)
    assert len(rows) == 3 * len(TASKS)
    for row in rows:
        assert all(change == 0 for task, change in row["changes"].items() if task != row["task"])
    own = {(row["trained"], row["task"]): row["changes"][row["task"]] for row in rows}
    assert own["all", "of x1 and x4"] != 0
    assert own["crossmodal stacks", "of x2"] == 0  # of one modality


def test_parts_and_tasks_that_are_not_trained_are_held(setting):
    start = setting.start
    encoders = setting.fit(dict.fromkeys(TASKS, 1.0), parts=["encoder"], num_segments=1).params
    assert same(encoders["crossmodal"], start["crossmodal"])
    assert same(encoders["heads"], start["heads"])
    assert not same(encoders["encoder"], start["encoder"])
    one = setting.fit({"of x1 and x4": 1.0}, num_segments=1).params
    moved = {task for task in TASKS if not same(one["heads"][task], start["heads"][task])}
    assert moved == {"of x1 and x4"}


def test_the_segment_is_chosen_by_the_tasks_that_count(setting):
    """With the same steps, the losses of what is chosen are the lowest for what it is chosen by."""
    ones = dict.fromkeys(TASKS, 1.0)
    losses = {chosen: float(setting.fit(ones, chosen={chosen: 1.0}).loss) for chosen in ("of x5", "of x1 and x4")}
    together = float(setting.fit(ones, chosen=dict.fromkeys(losses, 1.0)).loss)
    assert sum(losses.values()) <= together + 1e-5
    assert together > max(losses.values())


def test_a_training_that_fails_is_not_called_untrained(setting):
    broken = setting.data.train["of x2"]
    train = setting.data.train | {"of x2": broken._replace(modalities={"x2": broken.modalities["x2"] * jnp.nan})}
    trained = setting.fit({"of x2": 1.0}, num_segments=1, data=setting.data._replace(train=train))
    assert all(np.isnan(accuracy) for accuracy in trained.accuracies.values())


def test_all_studies_have_rows(everything):
    sources = [row["sources"] for row in everything["transfer"]]
    assert [len(some) for some in sources] == [0, 1, 2, 3]
    assert all(shorter == longer[:-1] for shorter, longer in itertools.pairwise(sources))
    assert "of x2 and x5" not in sources[-1]
    ways = [(row["share"], row["way"]) for row in everything["few samples"]]
    assert ways == [(share, way) for share in (0.1, 0.3, 1.0) for way in ("alone", "with all")]
    assert len(everything["interference"]) == 3 * len(TASKS)
    assert [row["of"] for row in everything["involvement"]] == ["encoder", "crossmodal"]
    for row in everything["involvement"]:
        assert len(row["shares"]) == len(TASKS)
        assert 0.9 < sum(row["shares"]) <= 1 + 1e-6
    assert everything["involvement"][1]["shares"][2:] == [0.0, 0.0]  # two tasks have pairs


def test_studies_are_tabled(everything):
    rows = [{"part": "adaptation", "seed": 0, **row} for study in everything.values() for row in study]
    made = {table.name: table.frame for table in tables(TINY, rows)}
    names = [name for name in made if "ublished" not in name]
    assert len(names) == 5
    assert list(made["Transfer to a new task"]["source tasks"]) == [0, 1, 2, 3]
    assert list(made["Interference by task"]["wrong labels of"]) == list(TASKS)
    assert list(made["Involvement of parameters, by number of tasks"].columns[1:]) == ["1", "2", "3", "4"]
    assert figure(TINY, rows).subfigs


def test_interference_is_of_the_task_itself_and_of_the_others():
    changes = {"a": {"a": -0.5, "b": -0.1, "c": 0.0}, "b": {"a": -0.02, "b": -0.3, "c": 0.04}}
    rows = [
        {"part": "adaptation", "seed": 0, "study": "interference", "plan": "share all", "trained": "all"}
        | {"task": task, "changes": of}
        for task, of in changes.items()
    ]
    summary, by_task = (table.frame for table in tables(TINY, rows)[:2])
    assert summary.loc[0].tolist() == ["share all", "all", "-40.0", "-2.0", "-10.0", 0.25, 0.25]
    assert list(by_task["which is"]) == ["b", "a"]
    np.testing.assert_allclose(by_task["other tasks"].astype(float), [-5, 1])


def test_gains_are_paired_by_seed():
    rows = [
        {"part": "adaptation", "seed": seed, "study": "few samples", "share": 0.1, "way": way, "accuracy": accuracy}
        for way, accuracies in {"alone": (0.5, 0.6, 0.7), "with all": (0.6, 0.7, 0.8)}.items()
        for seed, accuracy in enumerate(accuracies)
    ]
    frame = tables(TINY, rows[::-1])[0].frame
    assert frame["gain"].tolist() == ["+10.0 [+10.0, +10.0]"]
    assert frame["alone"].tolist() == pytest.approx([0.6])


def test_published_tables_are_whole():
    frames = {table.name: table.frame for table in published.tables()}
    involved = frames["Published shares of parameters (%) by number of tasks involved, not run here"]
    np.testing.assert_allclose(involved[["1 task", "2", "3", "4"]].sum(axis=1), [100.1, 100.0])
    assert frames["Published interference (percentage points), not run here"].shape == (12, 6)
    assert list(frames["Published models beside the best for each task, not run here"]["model"])[1] == "HighMMT"


@pytest.mark.slow
def test_the_whole_part_on_its_own_world():
    rows = adapt(TINY, 0)
    assert {row["study"] for row in rows} == {"transfer", "few samples", "interference", "involvement"}
    assert {row["plan"] for row in rows if row["study"] == "interference"} == {"share all", "true groups"}
    chex.assert_tree_all_finite([row["accuracy"] for row in rows if "accuracy" in row])
