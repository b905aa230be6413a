"""Tests of sharing plans: constructors, validation, one program for many plans."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.heterogeneity import SharingPlan


def test_literal_plans():
    assert SharingPlan.share_all(3, 2) == SharingPlan((0, 0, 0), (0, 0))
    assert SharingPlan.share_none(3, 2) == SharingPlan((0, 1, 2), (0, 1))
    assert SharingPlan.share_unimodal(3, 2) == SharingPlan((0, 0, 0), (0, 1))
    assert SharingPlan.share_crossmodal(3, 2) == SharingPlan((0, 1, 2), (0, 0))
    assert SharingPlan.from_clusters(["b", "a", "b"], [7, 3]) == SharingPlan((0, 1, 0), (0, 1))


def test_plans_count_groups_and_can_be_static_arguments():
    plan = SharingPlan([0, np.int64(1), 0, jnp.asarray(2)], (1, 0))
    assert (plan.num_unimodal_groups, plan.num_crossmodal_groups) == (3, 2)
    assert plan.unimodal == (0, 1, 0, 2) and {plan: 1}[SharingPlan((0, 1, 0, 2), (1, 0))] == 1
    double = jax.jit(lambda x, plan: x * plan.num_unimodal_groups, static_argnums=1)
    assert double(2.0, plan) == 6
    with pytest.raises(AttributeError):
        plan.unimodal = (0,)


def test_one_node_without_pairs():
    plan = SharingPlan.share_all(1, 0)
    assert (plan.num_unimodal_groups, plan.num_crossmodal_groups) == (1, 0)
    assert plan.indices().crossmodal.shape == (0,) and SharingPlan.stack([plan]).crossmodal.shape == (1, 0)
    drawn = SharingPlan.random(jax.random.key(0), 1, 0, num_unimodal_groups=1, num_crossmodal_groups=0)
    assert drawn == plan


def test_random_plans_have_the_groups_asked_for_and_reach_all_partitions():
    def draw(seed):
        return SharingPlan.random(jax.random.key(seed), 4, 3, num_unimodal_groups=2, num_crossmodal_groups=3)

    plans = [draw(seed) for seed in range(120)]
    assert {plan.num_unimodal_groups for plan in plans} == {2} and {plan.crossmodal for plan in plans} == {(0, 1, 2)}
    assert len({plan.unimodal for plan in plans}) == 7, "the partitions of four nodes into two groups"
    assert draw(0) == plans[0]


def test_one_program_serves_many_plans():
    plans = [SharingPlan.share_all(3, 2), SharingPlan.share_none(3, 2), SharingPlan((0, 1, 0), (0, 1))]
    parameters = jnp.asarray([10.0, 20.0, 30.0])

    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(indices):
        return jnp.sum(parameters[indices.unimodal]) + jnp.sum(parameters[indices.crossmodal])

    assert [float(run(plan.indices())) for plan in plans] == [50, 90, 70]
    stacked = SharingPlan.stack(plans)
    assert stacked.unimodal.shape == (3, 3) and stacked.unimodal.dtype == jnp.int32
    np.testing.assert_array_equal(jax.vmap(lambda i: parameters[i.crossmodal])(stacked), [[10, 10], [10, 20], [10, 20]])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: SharingPlan((0, 2), (0,)), r"unimodal groups must be 0, 1, .* got \[0, 2\]"),
        (lambda: SharingPlan((0,), (1,)), r"crossmodal groups .* got \[1\]"),
        (lambda: SharingPlan((0, -1), ()), "without holes"),
        (lambda: SharingPlan((), ()), "at least one"),
        (lambda: SharingPlan.stack([]), "same nodes and pairs"),
        (lambda: SharingPlan.stack([SharingPlan((0,), ()), SharingPlan((0, 0), ())]), r"\[\(1, 0\), \(2, 0\)\]"),
        (
            lambda: SharingPlan.random(jax.random.key(0), 2, 1, num_unimodal_groups=3, num_crossmodal_groups=1),
            r"num_unimodal_groups must be in \[1, 2\]; got 3",
        ),
        (
            lambda: SharingPlan.random(jax.random.key(0), 2, 1, num_unimodal_groups=1, num_crossmodal_groups=0),
            r"num_crossmodal_groups must be in \[1, 1\]; got 0",
        ),
    ],
)
def test_what_is_no_plan_is_refused_in_one_line(make, says):
    with pytest.raises(ValueError, match=says) as error:
        make()
    assert "\n" not in str(error.value)


def test_groups_that_are_no_integers_are_refused():
    with pytest.raises(TypeError):
        SharingPlan((0.0, 1.0), ())
