"""Tests of groups under a budget, against exhaustive search, and of one group a modality."""

import itertools

import numpy as np
import pytest

from experiments.highmmt.published import symmetric
from mmjax.heterogeneity import SharingPlan, budgeted_groups, cluster, collapse_by_modality, cost_curve
from tests.heterogeneity.published import CROSSMODAL, UNIMODAL


@pytest.mark.parametrize("budget", [5, 8, 11.5, 19, 31, 1000])
def test_no_affordable_choice_costs_less(budget):
    plan = budgeted_groups(UNIMODAL, CROSSMODAL, budget=budget, unimodal_size=2, crossmodal_size=3)
    k_u, k_c = plan.num_unimodal_groups, plan.num_crossmodal_groups
    costs = cost_curve(UNIMODAL), cost_curve(CROSSMODAL)
    choices = [
        (round(costs[0][u - 1] + costs[1][c - 1], 9), 2 * u + 3 * c, u)
        for u, c in itertools.product(range(1, 11), range(1, 9))
        if 2 * u + 3 * c <= budget
    ]
    assert min(choices) == (round(costs[0][k_u - 1] + costs[1][k_c - 1], 9), 2 * k_u + 3 * k_c, k_u)
    assert plan == SharingPlan(cluster(UNIMODAL, k_u), cluster(CROSSMODAL, k_c))


def test_the_published_matrices_part_av_mnist_first():
    plan = budgeted_groups(UNIMODAL, CROSSMODAL, budget=4, unimodal_size=1, crossmodal_size=1)
    assert plan.crossmodal == (0, 1, 0, 0, 0, 0, 0, 0)
    assert plan.unimodal == (0, 0, 1, 1, 0, 0, 0, 0, 0, 0)


def test_groups_that_save_nothing_are_not_bought():
    """Six nodes of which three coincide need four groups; among equal costs, fewer parameters, then fewer unimodal."""
    d = symmetric([[0], [0, 0], [1, 1, 1]])
    plan = budgeted_groups(d, d, budget=100, unimodal_size=1, crossmodal_size=1)
    assert plan == SharingPlan((0, 0, 0, 1), (0, 0, 0, 1))
    even = budgeted_groups(d, d, budget=3, unimodal_size=1, crossmodal_size=1)
    assert even == SharingPlan((0, 0, 0, 0), (0, 0, 0, 1))


def test_one_node_of_each():
    assert budgeted_groups([[0]], [[0]], budget=2, unimodal_size=1, crossmodal_size=1) == SharingPlan((0,), (0,))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"budget": 4.9, "unimodal_size": 2, "crossmodal_size": 3}, "5 parameters, more than the budget of 4.9"),
        ({"budget": float("nan"), "unimodal_size": 2, "crossmodal_size": 3}, "budget of nan"),
        ({"budget": 9, "unimodal_size": 0, "crossmodal_size": 3}, "positive; got 0 and 3"),
    ],
)
def test_what_cannot_be_bought_is_refused_in_one_line(options, says):
    with pytest.raises(ValueError, match=says) as error:
        budgeted_groups(UNIMODAL, CROSSMODAL, **options)
    assert "\n" not in str(error.value)


def test_modalities_go_where_most_of_their_nodes_are():
    modalities = ["text", "audio", "text", "text", "audio"]
    d = symmetric([[1], [1, 1], [1, 1, 1], [1, 1, 1, 1]])
    assert collapse_by_modality((0, 1, 2, 2, 1), modalities, d) == (0, 1, 0, 0, 1)
    assert collapse_by_modality((0, 0, 0, 0, 1), modalities, d) == (0, 0, 0, 0, 0)


def test_tied_modalities_go_to_the_nearest_group():
    modalities = ["text", "text", "image", "image"]
    d = symmetric([[4], [3, 5], [6, 1, 4]])
    # Text to group 0, nodes 0 and 2: (4 + 3 + 5) / 3; to group 1, nodes 1 and 3: (4 + 6 + 1) / 3. Image: 12/3, 10/3.
    assert collapse_by_modality((0, 1, 0, 1), modalities, d) == (0, 0, 0, 0)
    assert collapse_by_modality((0, 1, 0, 2), modalities, np.zeros((4, 4))) == (0, 0, 0, 0)
    assert collapse_by_modality((0, 1, 2, 2), modalities, d) == (0, 0, 1, 1), "alone, both at 4: the first"


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="2 groups, 1 modalities and 2 nodes"):
        collapse_by_modality((0, 1), ["text"], np.zeros((2, 2)))
    assert collapse_by_modality((3,), ["text"], [[0]]) == (0,)
