import numpy as np
import pandas as pd
import pytest

from mmjax.sweep import differences, select, summary, to_table

TRIALS = pd.DataFrame(
    {
        "head": ["late"] * 4 + ["film"] * 4,
        "rate": [0.1, 0.1, 0.2, 0.2] * 2,
        "seed": [0, 1] * 4,
        "valid/loss": [1.0, 3.0, 1.0, 2.0, 0.1, np.nan, 0.5, 0.7],
        "test/accuracy": [0.9, 0.9, 0.5, 0.7, 1.0, 1.0, 0.8, 0.8],
    }
)


def test_the_best_point_is_that_of_the_lowest_mean_loss_and_diverged_runs_lose():
    best = select(TRIALS, by=["head"], over=["rate"])
    assert best["rate"].tolist() == [0.2] * 4
    assert best["seed"].tolist() == [0, 1, 0, 1]


def test_the_highest_can_be_best_and_ties_go_to_the_first():
    trials = TRIALS.assign(**{"valid/accuracy": [0.5] * 4 + [0.1, 0.1, 0.3, 0.3]})
    best = select(trials, by=["head"], over=["rate"], metric="valid/accuracy", highest=True)
    assert best.drop_duplicates("head")["rate"].tolist() == [0.1, 0.2]


def test_test_results_never_choose():
    for metric in ("test/accuracy", "last/test/loss"):
        with pytest.raises(ValueError, match=f"{metric} must not choose what it is to judge"):
            select(TRIALS, by=["head"], over=["rate"], metric=metric)


def test_means_have_student_intervals():
    row = summary(select(TRIALS, by=["head"], over=["rate"]), by=["head"], metrics=["valid/loss"]).iloc[0]
    assert row["valid/loss"] == 1.5
    # Student's t at 97.5 % with one degree of freedom is 12.7062; the standard error of (1, 2) is 1/2.
    np.testing.assert_allclose([row["valid/loss low"], row["valid/loss high"]], [1.5 - 6.3531, 1.5 + 6.3531], atol=1e-4)
    assert row["n"] == 2


def test_differences_are_paired_by_seed():
    best = select(TRIALS, by=["head"], over=["rate"])
    (row,) = differences(best, by="head", baseline="late", metric="test/accuracy").to_dict("records")
    assert row["head"] == "film" and row["n"] == 2
    assert row["difference"] == pytest.approx(0.2)  # 0.8 - 0.5 and 0.8 - 0.7
    with pytest.raises(ValueError, match="no trial has head='sum'; there are late, film"):
        differences(best, by="head", baseline="sum", metric="test/accuracy")


def test_a_table_for_people_and_one_for_papers():
    best = select(TRIALS, by=["head"], over=["rate"])
    assert to_table(best, by=["head"], metrics=["test/accuracy"], digits=2).splitlines() == [
        "| head   |      test/accuracy |   n |",
        "|--------|--------------------|-----|",
        "| late   | 0.60 [-0.67, 1.87] |   2 |",
        "| film   |  0.80 [0.80, 0.80] |   2 |",
    ]
    latex = to_table(best, by=["head"], metrics=["test/accuracy"], style="latex_booktabs")
    assert latex.startswith(r"\begin{tabular}{lrr}") and "0.600 [-0.671, 1.871]" in latex
    with pytest.raises(ValueError, match="no style 'word'; there are"):
        to_table(best, by=["head"], metrics=["test/accuracy"], style="word")


@pytest.mark.parametrize(
    "call",
    [
        lambda: select(TRIALS, by=["head"], over=["width"]),
        lambda: summary(TRIALS, by=["head"], metrics=["valid/auroc"]),
        lambda: differences(TRIALS, by="model", baseline="late", metric="valid/loss"),
    ],
)
def test_a_column_that_is_not_there_is_named(call):
    with pytest.raises(ValueError, match=r"no column (width|valid/auroc|model); there are head, rate, seed"):
        call()


def test_a_field_that_is_none_is_a_value_like_others():
    trials = TRIALS.assign(clip=[None] * 4 + [1.0] * 4)
    best = select(trials, by=["clip"], over=["rate"])
    assert len(best) == 4 and best["clip"].isna().sum() == 2
    assert len(summary(best, by=["clip"], metrics=["valid/loss"])) == 2
    better = trials.assign(**{"valid/loss": [0.1] * 4 + [5.0] * 4})
    assert select(better, by=[], over=["clip", "rate"])["clip"].isna().all()


def test_a_point_that_lacks_seeds_is_not_chosen():
    trials = TRIALS.drop(index=[2])  # the better rate of the late head has one seed left
    assert select(trials, by=["head"], over=["rate"]).query("head == 'late'")["rate"].tolist() == [0.1, 0.1]


def test_without_groups_there_is_one_choice_and_one_row():
    assert len(select(TRIALS, by=[], over=["head", "rate"])) == 2
    assert summary(TRIALS, by=[], metrics=["test/accuracy"]).to_dict("records")[0]["n"] == 8


def test_other_seeds_are_no_pairs():
    trials = select(TRIALS, by=["head"], over=["rate"])
    for wrong in (trials.assign(seed=[0, 1, 0, 2]), TRIALS):
        with pytest.raises(ValueError, match="must have one row a seed, the seeds of 'late'; select a point first"):
            differences(wrong, by="head", baseline="late", metric="test/accuracy")


def test_columns_are_lists():
    with pytest.raises(ValueError, match="columns come as a list of names; got head"):
        summary(TRIALS, by="head", metrics=["valid/loss"])
