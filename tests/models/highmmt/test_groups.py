"""Parameters for another plan or a larger layout: what the model computed, it computes still."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import pytest

from mmjax.heterogeneity import SharingPlan
from mmjax.models.highmmt import (
    Absence,
    HighMMT,
    Layout,
    ModalitySpec,
    TaskSpec,
    check_params,
    expand_shared,
    extend,
)
from tests.models.highmmt.test_model import PLAN, logits_of, params_of

pytestmark = pytest.mark.usefixtures("quickly_compiled")
SHARED = SharingPlan.share_all(6, 4)
DEPTH = ModalitySpec("depth", (6,), 3, num_bands=2)
GRASP = TaskSpec("grasp", ("audio", "depth"), 3)


def grown(layout):
    return dataclasses.replace(layout, modalities=(*layout.modalities, DEPTH), tasks=(*layout.tasks, GRASP))


@functools.partial(jax.jit, static_argnums=1)
def extended(key, model, params):
    return extend(key, model, params)


def refusal(fn, *args):
    """Return what is said of parameters that do not fit, which must be said before any number is computed."""
    with pytest.raises(ValueError, match="not of this architecture and layout") as raised:
        jax.eval_shape(fn, *args)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_expanded_parameters_compute_what_the_shared_ones_do(sizes, layout, inputs):
    model = HighMMT(sizes, layout)
    shared = params_of(model, SHARED)
    expanded = expand_shared(shared, PLAN)
    check_params(model, expanded)
    assert {leaf.shape[0] for leaf in jax.tree.leaves(expanded["encoder"])} == {3}
    assert {leaf.shape[0] for leaf in jax.tree.leaves(expanded["crossmodal"])} == {2}
    chex.assert_trees_all_equal(expanded["heads"], shared["heads"])
    chex.assert_trees_all_close(logits_of(model, expanded, inputs), logits_of(model, shared, inputs, SHARED), atol=1e-5)


def test_expansion_keeps_all_else(sizes, layout):
    model = HighMMT(dataclasses.replace(sizes, absence=Absence.LEARNED), layout)
    shared = params_of(model, SHARED)
    chex.assert_trees_all_equal(expand_shared(shared, PLAN)["absent"], shared["absent"])
    chex.assert_trees_all_equal(expand_shared(shared, SHARED), shared)
    alone = HighMMT(sizes, Layout((DEPTH,), (TaskSpec("one", ("depth",), 2), TaskSpec("two", ("depth",), 2))))
    plan = SharingPlan.share_none(2, 0)
    expanded = expand_shared(params_of(alone, SharingPlan.share_all(2, 0)), plan)
    chex.assert_trees_all_equal_shapes(expanded, params_of(alone, plan))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (SharingPlan((0, 1, 0, 1, 1, 2), (0, 0, 0, 0)), "^encoder has 3 groups already; expected 1, shared by all$"),
        (SharingPlan((0,) * 6, (1, 0, 1, 1)), "^crossmodal has 2 groups already; expected 1, shared by all$"),
        (PLAN, "^encoder has 3 groups already"),
    ],
)
def test_groups_that_differ_already_are_not_expanded(sizes, layout, plan, message):
    with pytest.raises(ValueError, match=message):
        expand_shared(params_of(HighMMT(sizes, layout), plan), PLAN)


@pytest.mark.parametrize("embedding_width", [None, 4])
def test_a_larger_layout_leaves_old_tasks_as_they_were(sizes, layout, inputs, embedding_width):
    sizes = dataclasses.replace(sizes, embedding_width=embedding_width)
    room = dataclasses.replace(layout, num_slots=5, min_input_width=DEPTH.input_width)
    small, large = HighMMT(sizes, room), HighMMT(sizes, grown(room))
    params = params_of(small)
    more = extended(jax.random.key(1), large, params)
    chex.assert_trees_all_equal({**more, "heads": {name: more["heads"][name] for name in params["heads"]}}, params)

    plan = SharingPlan((*PLAN.unimodal, 1, 0), (*PLAN.crossmodal, 0))
    old = {task: inputs[task] for task in ("speaker", "age")}
    before = logits_of(small, params, old)
    after = logits_of(large, more, old, plan)
    chex.assert_trees_all_equal(after, before)
    audio = inputs["mood"]["audio"]
    grasp = logits_of(large, more, {"grasp": {"audio": audio, "depth": audio[::-1]}}, plan)["grasp"]
    assert grasp.shape == (4, 3)
    assert jnp.all(jnp.isfinite(grasp)) and jnp.all(jnp.std(grasp, axis=0) > 0)


def test_a_layout_without_pairs_gets_a_crossmodal_stack(sizes, inputs):
    audio = ModalitySpec("audio", (6,), 3, num_bands=2)
    speech = TaskSpec("speech", ("audio",), 2)
    small = HighMMT(sizes, Layout((audio,), (speech,), num_slots=2))
    large = HighMMT(sizes, Layout((audio, DEPTH), (speech, GRASP), num_slots=2))
    params = params_of(small, small.layout.share_all())
    more = extended(jax.random.key(1), large, params)
    assert set(params) == {"encoder", "heads"}
    assert {leaf.shape[0] for leaf in jax.tree.leaves(more["crossmodal"])} == {1}
    x = inputs["mood"]["audio"]
    before = logits_of(small, params, {"speech": {"audio": x}}, small.layout.share_all())
    after = logits_of(
        large,
        more,
        {"speech": {"audio": x}, "grasp": {"audio": x, "depth": x}},
        large.layout.share_all(),
    )
    chex.assert_trees_all_close(after["speech"], before["speech"], atol=1e-5)
    assert jnp.all(jnp.isfinite(after["grasp"]))


def test_new_heads_are_drawn_from_the_key(sizes, layout):
    room = dataclasses.replace(layout, num_slots=4)
    params = params_of(HighMMT(sizes, room))
    one, same, other = (
        extended(jax.random.key(seed), HighMMT(sizes, grown(room)), params)["heads"]["grasp"]["Dense_0"]["kernel"]
        for seed in (1, 1, 2)
    )
    assert jnp.all(one == same)
    assert jnp.all(one != other)


@pytest.mark.parametrize(
    ("room", "changes"),
    [
        ({"min_input_width": DEPTH.input_width}, {}),  # no code left
        ({"num_slots": 4}, {"channels": 20}),  # tokens too wide
    ],
)
def test_a_layout_without_room_is_refused(sizes, layout, room, changes):
    small = dataclasses.replace(layout, **room)
    wider = dataclasses.replace(DEPTH, **changes)
    large = dataclasses.replace(grown(small), modalities=(*small.modalities, wider))
    message = refusal(
        lambda params: extend(jax.random.key(0), HighMMT(sizes, large), params), params_of(HighMMT(sizes, small))
    )
    assert "['encoder']" in message
    old, new = (HighMMT(sizes, of).layout for of in (small, large))
    assert f"{old.input_width + old.slots}" in message and f"{new.input_width + new.slots}" in message


def test_other_architectures_and_fewer_tasks_are_refused(sizes, layout):
    room = dataclasses.replace(layout, num_slots=4)
    params = params_of(HighMMT(sizes, room))

    def refused(sizes, layout):
        return refusal(lambda params: extend(jax.random.key(0), HighMMT(sizes, layout), params), params)

    for change in ({"width": 6}, {"num_latents": 4}, {"num_layers": 2}, {"absence": Absence.LEARNED}):
        refused(dataclasses.replace(sizes, **change), grown(room))
    without_age = dataclasses.replace(room, tasks=(*room.tasks[:2], GRASP), modalities=(*room.modalities, DEPTH))
    assert "['heads']['age']" in refused(sizes, without_age)
    one_more = dataclasses.replace(room.tasks[2], num_outputs=2)
    changed = dataclasses.replace(room, tasks=(*room.tasks[:2], one_more))
    assert "['heads']['age']['Dense_0']['bias']: got (1,), expected (2,)" in refused(sizes, changed)


def test_parameters_are_checked_by_name_and_shape(sizes, layout):
    model = HighMMT(sizes, layout)
    params = params_of(model)
    check_params(model, params)
    check_params(model, params_of(model, SHARED))
    check_params(model, jax.eval_shape(lambda params: params, params))

    def refused(params):
        return refusal(lambda params: check_params(model, params), params)

    heads = params["heads"]
    missing = refused(params | {"heads": {task: head for task, head in heads.items() if task != "speaker"}})
    assert "4 arrays differ, first ['heads']['speaker']['Dense_0']['bias']: got none, expected (2,)" in missing
    unknown = refused(params | {"heads": heads | {"push": heads["age"]}})
    assert "first ['heads']['push']['Dense_0']['bias']: got (1,), expected none" in unknown
    wide = params_of(HighMMT(dataclasses.replace(sizes, width=16), layout))
    assert "first ['crossmodal']" in refused(wide)
    other = Layout(layout.modalities[:2], (layout.tasks[1],))
    assert "['heads']['age']" in refused({**params, "heads": params_of(HighMMT(sizes, other))["heads"]})
    assert "first ['crossmodal']" in refused({})
    assert "got none" in refused({"params": params})
    refused(params | {"encoder": params["encoder"] | {"latents": params["encoder"]["latents"][:2]}})
