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
    with pytest.raises(ValueError, match="test/accuracy must not choose what it is to judge"):
        select(TRIALS, by=["head"], over=["rate"], metric="test/accuracy")


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
    with pytest.raises(ValueError, match="no trial has head='sum'; there are film, late"):
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
