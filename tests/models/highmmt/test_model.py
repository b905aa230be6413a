import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.heterogeneity import PlanIndices, SharingPlan
from mmjax.models.highmmt import (
    Absence,
    Architecture,
    AttentionHead,
    ConcatenationHead,
    HighMMT,
    Layout,
    MeanHead,
    ModalitySpec,
    TaskSpec,
)
from tests.models.highmmt import published

pytestmark = pytest.mark.usefixtures("quickly_compiled")
PLAN = SharingPlan(unimodal=(0, 1, 0, 1, 1, 2), crossmodal=(1, 0, 1, 1))
"""Of the nodes mood: audio, table, video; speaker: audio, video; age: table; and the pairs of mood and speaker."""


@pytest.fixture
def model(sizes, layout):
    return HighMMT(sizes, layout)


def params_of(model, plan=PLAN):
    """Numbers of the structure of new parameters, without a program to draw them."""
    groups = {"num_unimodal_groups": plan.num_unimodal_groups, "num_crossmodal_groups": plan.num_crossmodal_groups}
    shapes = jax.eval_shape(functools.partial(model.init, **groups), jax.random.key(0))
    numbers = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(numbers.normal(0, 0.4, leaf.shape), leaf.dtype), shapes)


@functools.partial(jax.jit, static_argnums=(0, 3))
def logits_of(model, params, inputs, plan=PLAN, masks=None):
    return model.apply(params, inputs, plan, masks)


def size(tree):
    return sum(x.size for x in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    ("sizes", "layout", "parts", "total"),
    [
        (Architecture(), published.LARGE, (258_182, 264_064, 5_136), 527_382),
        (Architecture(embedding_width=10), published.LARGE, None, 527_602),
        (published.FINE_TUNED, published.LARGE, (26_600 + 90, 16_864, 1_296), 44_850),
        (published.CHECKPOINT, published.LARGE, (78_216 + 90, 66_496, 1_806 + 770), 147_378),
        (published.MEDIUM_SIZES, published.MEDIUM, None, 846_058),
    ],
)
def test_numbers_of_parameters_are_the_published_ones(sizes, layout, parts, total):
    shapes = jax.eval_shape(HighMMT(sizes, layout).init, jax.random.key(0))
    assert size(shapes) == total
    if parts is not None:
        assert tuple(size(shapes[name]) for name in ("encoder", "crossmodal", "heads")) == parts


def test_groups_begin_with_parameters_of_their_own(sizes):
    model = HighMMT(sizes, Layout((ModalitySpec("a", (3,), 2),), (TaskSpec("t", ("a",), 2),)))
    params = jax.jit(functools.partial(model.init, num_unimodal_groups=2))(jax.random.key(0))
    for leaf in (x for x in jax.tree.leaves(params["encoder"]) if x.ndim > 2):  # matrices
        assert jnp.all(leaf[0] != leaf[1])
        assert jnp.all(jnp.isfinite(leaf))


def by_loop(model, params, inputs, plan):
    """Logits, node by node and pair by pair, every latent of every layer computed."""
    layout, encoder, crossmodal = (
        model.layout,
        model.architecture.encoder(model.layout.slots),
        model.architecture.crossmodal(),
    )
    tokens = model.tokens(inputs)

    def group(owner, number):
        return {"params": jax.tree.map(lambda leaf: leaf[number], params[owner])}

    logits = {}
    for task in inputs:
        spec = layout.task(task)
        latents = {
            name: encoder.apply(group("encoder", plan.unimodal[layout.nodes.index((task, name))]), *tokens[task][name])
            for name in spec.modalities
        }
        fused = [
            crossmodal.apply(
                group("crossmodal", plan.crossmodal[layout.pairs.index((task, tuple(sorted(pair))))]),
                latents[pair[0]],
                latents[pair[1]],
            )[:, -1:]
            for pair in spec.ordered_pairs
        ]
        read = jnp.concatenate(fused or [latents[spec.modalities[0]]], axis=1)
        head = model.architecture.head(spec.num_outputs)
        logits[task] = head.apply({"params": params["heads"][task]}, read, jnp.ones(read.shape[:2], bool))
    return logits


@pytest.mark.parametrize("plan", [PLAN, SharingPlan.share_all(6, 4)])
def test_static_and_traced_plans_give_values_and_gradients_of_a_loop(model, inputs, plan):
    params = params_of(model, plan)

    def loss(apply, params):
        return sum(jnp.sum(jnp.sin(x)) for x in jax.tree.leaves(apply(params)))

    loop = jax.jit(jax.value_and_grad(lambda params: loss(lambda p: by_loop(model, p, inputs, plan), params)))(params)
    static = jax.jit(jax.value_and_grad(lambda params: loss(lambda p: model.apply(p, inputs, plan), params)))(params)
    traced = jax.jit(jax.value_and_grad(lambda p, indices: loss(lambda p: model.apply(p, inputs, indices), p)))(
        params, plan.indices()
    )
    chex.assert_trees_all_close(static, loop, atol=2e-5)
    chex.assert_trees_all_close(traced, loop, atol=2e-5)


def test_one_compile_serves_many_plans(model, inputs):
    keys = jax.random.split(jax.random.key(1), 40)
    plans = [SharingPlan.random(key, 6, 4, num_unimodal_groups=3, num_crossmodal_groups=2) for key in keys]
    params = params_of(model, plans[0])
    chex.clear_trace_counter()

    @jax.jit
    @chex.assert_max_traces(1)
    def logits(params, indices):
        return model.apply(params, inputs, indices)

    for plan in plans:
        one = logits(params, plan.indices())
    chex.assert_trees_all_close(one, logits_of(model, params, inputs, plans[-1]), atol=1e-5)
    many = jax.jit(jax.vmap(lambda indices: model.apply(params, inputs, indices)))(SharingPlan.stack(plans[:32]))
    chex.assert_trees_all_close(
        jax.tree.map(lambda x: x[7], many), logits_of(model, params, inputs, plans[7]), atol=1e-5
    )


def test_equal_groups_are_one_shared_group(model, inputs):
    shared = params_of(model, SharingPlan.share_all(6, 4))
    copies = shared | {
        name: jax.tree.map(lambda leaf, n=n: jnp.repeat(leaf, n, axis=0), shared[name])
        for name, n in (("encoder", 3), ("crossmodal", 2))
    }
    chex.assert_trees_all_close(
        logits_of(model, copies, inputs), logits_of(model, shared, inputs, SharingPlan.share_all(6, 4)), atol=1e-5
    )


def test_a_group_that_no_task_uses_has_no_gradient(model, inputs):
    params = params_of(model)
    some = {"speaker": inputs["speaker"]}
    gradient = jax.grad(lambda params: jnp.sum(logits_of(model, params, some)["speaker"] ** 2))(params)
    assert all(jnp.all(leaf[jnp.array([0, 2])] == 0) for leaf in jax.tree.leaves(gradient["encoder"]))
    assert all(jnp.all(leaf[0] == 0) for leaf in jax.tree.leaves(gradient["crossmodal"]))
    assert any(jnp.any(leaf[1] != 0) for leaf in jax.tree.leaves(gradient["encoder"]))
    assert all(jnp.all(leaf == 0) for task in ("mood", "age") for leaf in jax.tree.leaves(gradient["heads"][task]))


def test_tasks_do_not_see_each_other_and_may_differ_in_batch_size(model, inputs):
    params = params_of(model)
    together = logits_of(model, params, inputs | {"speaker": jax.tree.map(lambda x: x[:2], inputs["speaker"])})
    for task, logits in together.items():
        rows = logits.shape[0]
        alone = logits_of(model, params, {task: inputs[task]})[task]
        chex.assert_trees_all_close(logits, alone[:rows], atol=1e-5)


def test_the_order_of_declaration_does_not_matter_where_codes_are_learned(sizes, layout, inputs):
    sizes = dataclasses.replace(sizes, embedding_width=4)
    turned = dataclasses.replace(layout, modalities=layout.modalities[::-1])
    params = params_of(HighMMT(sizes, layout))
    flipped = params | {"encoder": params["encoder"] | {"embedding": params["encoder"]["embedding"][:, ::-1]}}
    chex.assert_trees_all_close(
        logits_of(HighMMT(sizes, layout), params, inputs),
        logits_of(HighMMT(sizes, turned), flipped, inputs),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("head", "absence"),
    [
        (ConcatenationHead, Absence.ZERO),
        (ConcatenationHead, Absence.LEARNED),
        (MeanHead, Absence.DROP),
        (AttentionHead, Absence.DROP),
    ],
)
def test_what_an_absent_modality_holds_changes_nothing(sizes, layout, inputs, head, absence):
    model = HighMMT(dataclasses.replace(sizes, head=head, absence=absence), layout)
    params = params_of(model)
    masks = {"mood": {"audio": jnp.array([True, False, False, True]), "table": jnp.array([True, True, False, True])}}
    hidden = {"audio": ~masks["mood"]["audio"], "table": ~masks["mood"]["table"]}

    def logits(params, mood):
        return model.apply(params, {"mood": mood}, PLAN, masks)["mood"]

    @jax.jit
    def measured(params, mood):
        value, pull_back = jax.vjp(logits, params, mood)
        return value, *pull_back(value)

    spoilt = inputs["mood"] | {
        name: jnp.where(mask.reshape(-1, *(1,) * (inputs["mood"][name].ndim - 1)), jnp.nan, inputs["mood"][name])
        for name, mask in hidden.items()
    }
    value, *_ = measured(params, inputs["mood"])
    assert jnp.all(jnp.isfinite(value))
    value_of_spoilt, of_params, of_mood = measured(params, spoilt)
    chex.assert_trees_all_equal(value_of_spoilt, value)
    for name, mask in hidden.items():
        assert jnp.all(of_mood[name][mask] == 0)
        assert jnp.any(of_mood[name][~mask] != 0)
    assert all(jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(of_params))


def test_a_learned_stand_in_is_learned(sizes, layout, inputs):
    model = HighMMT(dataclasses.replace(sizes, absence=Absence.LEARNED), layout)
    masks = {"speaker": {"audio": jnp.array([True, False, True, True])}}

    def loss(params):
        return jnp.sum(logits_of(model, params, {"speaker": inputs["speaker"]}, masks=masks)["speaker"] ** 2)

    gradient = jax.grad(loss)(params_of(model))["absent"]
    assert jnp.any(gradient[layout.slot("audio")] != 0)
    assert jnp.all(gradient[layout.slot("video")] == 0)


@pytest.mark.parametrize("head", [MeanHead, AttentionHead])
def test_dropping_a_modality_leaves_the_head_the_rest(sizes, layout, inputs, head):
    model = HighMMT(dataclasses.replace(sizes, head=head, absence=Absence.DROP), layout)
    params = params_of(model)
    absent = {"mood": {"audio": jnp.zeros(4, bool)}}
    kept = {"mood": {"audio": jnp.ones(4, bool)}}
    nothing = {"mood": {name: jnp.zeros(4, bool) for name in ("audio", "table", "video")}}
    mood = {"mood": inputs["mood"]}
    without, whole, empty = (logits_of(model, params, mood, masks=masks)["mood"] for masks in (absent, kept, nothing))
    assert jnp.all(jnp.isfinite(empty))
    np.testing.assert_allclose(empty, jnp.broadcast_to(empty[:1], empty.shape), atol=1e-6)
    assert not jnp.allclose(without, whole)
    assert not jnp.allclose(without, empty)  # one modality and its pair are still there


def test_padded_tokens_change_nothing(model, inputs):
    params = params_of(model)
    mask = jnp.arange(5)[None] < jnp.array([5, 2, 0, 3])[:, None]
    table = inputs["age"]["table"]
    spoilt = jnp.where(mask[..., None], table, jnp.nan)
    one, other = (
        logits_of(model, params, {"age": {"table": x}}, masks={"age": {"table": mask}})["age"] for x in (table, spoilt)
    )
    chex.assert_trees_all_close(one, other, atol=0)
    assert jnp.all(jnp.isfinite(one))


def test_a_set_may_come_in_any_order(model, inputs):
    params = params_of(model)
    one, other = (
        logits_of(model, params, {"age": {"table": x}})["age"]
        for x in (inputs["age"]["table"], inputs["age"]["table"][:, ::-1])
    )
    np.testing.assert_allclose(one, other, atol=1e-5)
    video = inputs["speaker"] | {"video": inputs["speaker"]["video"][:, ::-1]}
    ordered, turned = (logits_of(model, params, {"speaker": x})["speaker"] for x in (inputs["speaker"], video))
    assert not jnp.allclose(ordered, turned, atol=1e-4)


def test_some_pairs_only(sizes, layout, inputs):
    tasks = (dataclasses.replace(layout.tasks[0], pairs=(("video", "audio"),)),)
    model = HighMMT(sizes, dataclasses.replace(layout, tasks=tasks))
    params = params_of(model, SharingPlan.share_all(3, 1))
    plan = SharingPlan.share_all(3, 1)
    mood = {"mood": inputs["mood"]}
    assert params["heads"]["mood"]["LayerNorm_0"]["scale"].shape == (2 * sizes.width,)
    chex.assert_trees_all_close(
        logits_of(model, params, mood, plan)["mood"],
        jax.jit(lambda params: by_loop(model, params, mood, plan))(params)["mood"],
        atol=1e-5,
    )


def test_a_layout_without_pairs_has_no_crossmodal_stack(sizes):
    layout = Layout((ModalitySpec("a", (3,), 2),), (TaskSpec("t", ("a",), 2),))
    model = HighMMT(sizes, layout)
    params = params_of(model, layout.share_all())
    assert set(params) == {"encoder", "heads"}
    logits = jax.eval_shape(
        lambda p, x: model.apply(p, x, layout.share_all()), params, {"t": {"a": jnp.ones((1, 3, 2))}}
    )
    assert logits["t"].shape == (1, 2)


def test_bfloat16_activations_stay_close(sizes, layout, inputs):
    params = params_of(HighMMT(sizes, layout))
    half = HighMMT(dataclasses.replace(sizes, dtype=jnp.bfloat16), layout)
    with jax.numpy_dtype_promotion("standard"):
        logits = logits_of(half, params, inputs)
    whole = logits_of(HighMMT(sizes, layout), params, inputs)
    for task in whole:
        assert logits[task].dtype == jnp.float32
        np.testing.assert_allclose(logits[task], whole[task], atol=0.1)


def test_wrong_tasks_and_modalities_are_refused(model, inputs):
    params = params_of(model)
    with pytest.raises(ValueError, match="no task 'Push'"):
        model.apply(params, {"Push": inputs["mood"]}, PLAN)
    with pytest.raises(ValueError, match="got modalities"):
        model.apply(params, {"mood": inputs["speaker"]}, PLAN)
    with pytest.raises(ValueError, match="groups of 5 nodes; the layout has 6"):
        model.apply(params, inputs, SharingPlan.share_all(5, 4))
    with pytest.raises(ValueError, match="groups of 3 pairs; the layout has 4"):
        jax.eval_shape(model.apply, params, inputs, PlanIndices(jnp.zeros(6, jnp.int32), jnp.zeros(3, jnp.int32)))
