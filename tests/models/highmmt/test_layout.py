import dataclasses

import pytest

from mmjax.models.highmmt import Absence, Architecture, Layout, MeanHead, ModalitySpec, TaskSpec
from tests.models.highmmt.published import LARGE


def test_nodes_and_pairs_of_the_large_setting():
    assert len(LARGE.nodes) == 10
    assert len(LARGE.pairs) == 8
    assert LARGE.nodes[:2] == (("MIMIC", "static"), ("MIMIC", "timeseries"))
    assert LARGE.pairs[0] == ("MIMIC", ("static", "timeseries"))
    assert LARGE.task("MOSEI").ordered_pairs == (
        ("feature1", "feature2"),
        ("feature1", "feature3"),
        ("feature2", "feature1"),
        ("feature2", "feature3"),
        ("feature3", "feature1"),
        ("feature3", "feature2"),
    )


def test_a_task_may_fuse_some_pairs_only_in_any_order():
    task = TaskSpec("t", ("c", "a", "b"), 2, pairs=(("b", "a"),))
    assert task.modalities == ("a", "b", "c")
    assert task.ordered_pairs == (("a", "b"), ("b", "a"))


def test_slots_and_widths_may_be_reserved(layout):
    roomy = dataclasses.replace(layout, num_slots=5, min_input_width=50)
    assert (roomy.slots, roomy.input_width) == (5, 50)
    assert (layout.slots, layout.input_width) == (3, 14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModalitySpec("x", (3, 0), 1), "needs axes"),
        (lambda: ModalitySpec("x", (3,), 0), "0 channels"),
        (lambda: ModalitySpec("x", (3,), 1, num_bands=0), "num_bands"),
        (lambda: ModalitySpec("x", (3,), 1, max_frequency=0.0), "max_frequency"),
        (lambda: TaskSpec("t", (), 2), "needs a modality"),
        (lambda: TaskSpec("t", ("a",), 0), "an output"),
        (lambda: TaskSpec("t", ("a", "a"), 2), "names a twice"),
        (lambda: TaskSpec("t", ("a", "b"), 2, pairs=(("a", "c"),)), "distinct and of two of"),
        (lambda: TaskSpec("t", ("a", "b"), 2, pairs=(("a", "b"), ("b", "a"))), "distinct"),
        (lambda: Layout((), (TaskSpec("t", ("a",), 2),)), "needs modalities"),
        (lambda: Layout((ModalitySpec("a", (2,), 1),), (TaskSpec("t", ("a", "b"), 2),)), "without a spec: b"),
        (lambda: Layout((ModalitySpec("a", (2,), 1),) * 2, (TaskSpec("t", ("a",), 2),)), "names a twice"),
        (lambda: Layout((ModalitySpec("a", (2,), 1),), (TaskSpec("t", ("a",), 2),) * 2), "names t twice"),
        (lambda: dataclasses.replace(LARGE, num_slots=3), "num_slots must be 9"),
        (lambda: LARGE.task("Push"), "no task 'Push'"),
        (lambda: Architecture(absence=Absence.DROP), "ConcatenationHead cannot leave"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


def test_heads_that_can_leave_out_may():
    assert Architecture(absence=Absence.DROP, head=MeanHead).absence is Absence.DROP
