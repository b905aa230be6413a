"""Training of several tasks at once: what is minimised, which parameters a step moves, and that it learns."""

import contextlib
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmjax.data import SEQUENCE_SUITE, Splits, batch_of, cut, sample_task, world_maps
from mmjax.heterogeneity import PlanIndices, SharingPlan
from mmjax.models.highmmt import Architecture, HighMMT, Layout, ModalitySpec, TaskSpec, expand_shared
from mmjax.training import TrainConfig, make_fit, multitask_objective, predict_tasks, run
from mmjax.training._multitask import active_tasks
from tests.training.conftest import few_metrics

SIZES = Architecture(num_latents=2, width=4, head_size=2, num_latent_heads=1, num_crossmodal_heads=1, embedding_width=2)
LAYOUT = Layout(
    (ModalitySpec("x", (3,), 2, num_bands=None), ModalitySpec("y", (3,), 2, num_bands=None)),
    (TaskSpec("a", ("x", "y"), 3), TaskSpec("b", ("x", "y"), 2), TaskSpec("c", ("x",), 2)),
)
MODEL = HighMMT(SIZES, LAYOUT)
SHARED = LAYOUT.share_all()
PLAN = SharingPlan(unimodal=(0, 0, 0, 1, 2), crossmodal=(0, 1))
"""Of the nodes a: x, y; b: x, y; c: x; and the pairs of a and b."""
BY_MODALITY = SharingPlan(unimodal=(0, 1, 0, 1, 0), crossmodal=(0, 0))
CONFIG = TrainConfig(
    num_segments=4,
    steps_per_segment=1,
    batch_size=2,
    metrics_fn=few_metrics,
    # A large epsilon: Adam's makes a whole step of a gradient that is only rounding.
    optimizer_fn=lambda hparams: optax.chain(
        optax.add_decayed_weights(0.1), optax.scale_by_adam(eps=0.01), optax.scale(-hparams["learning_rate"])
    ),
)
NUM_SAMPLES = {"a": 5, "b": 4, "c": 2}
"""Batches: 3, 2 and 1."""
RATE = {"learning_rate": jnp.float32(0.1)}


def params_of(plan):
    """Numbers of the structure of new parameters, without a program to draw them."""
    objective = multitask_objective(CONFIG, MODEL, plan, NUM_SAMPLES)
    shapes = jax.eval_shape(objective.init, jax.random.key(0))["params"]
    numbers = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(numbers.normal(0, 0.5, leaf.shape), leaf.dtype), shapes)


def samples(sizes, *, masks=False):
    numbers = np.random.default_rng(1)
    return {
        task.name: batch_of(
            {name: numbers.normal(size=(sizes[task.name], 3, 2)) for name in task.modalities},
            numbers.integers(0, task.num_outputs, sizes[task.name]),
            {name: numbers.random(sizes[task.name]) < 0.6 for name in task.modalities} if masks else None,
        )
        for task in LAYOUT.tasks
    }


class Steps(NamedTuple):
    """A run of four steps, after each of them."""

    params: Any
    momentum: Any
    loss: Any


def objective_of(plan, start):
    """Return the objective of training from shared parameters, without its evaluation, which takes long to compile."""
    objective = multitask_objective(CONFIG, MODEL, plan, NUM_SAMPLES, start=start)
    return objective._replace(evaluate=lambda variables, data: {"loss": jnp.zeros(())})


def made(train, hparams):
    data = samples(NUM_SAMPLES)

    def step(state, _):
        state, metrics = train.segment(state, hparams, Splits(data, data, data))
        adam = next(part for part in state.optimizer if hasattr(part, "mu"))
        return state, Steps(state.params, {"mean": adam.mu, "square": adam.nu}, metrics["train"]["loss"])

    return jax.lax.scan(step, train.init(jax.random.key(2), hparams), length=4)[1]


@pytest.fixture(scope="module")
def of_plans():
    """Runs of three plans as one program, all from the same shared parameters."""
    start = expand_shared(params_of(SHARED), LAYOUT.share_none())
    train = make_fit(
        CONFIG, lambda hparams: objective_of(PlanIndices(hparams["unimodal"], hparams["crossmodal"]), start)
    )
    plans = SharingPlan.stack([PLAN, BY_MODALITY, SHARED])
    steps = jax.jit(jax.vmap(lambda plan: made(train, RATE | plan._asdict())))(plans)
    return [jax.tree.map(lambda x, place=place: np.asarray(x[place]), steps) for place in range(3)]


def test_small_tasks_join_late():
    """Of 300, 200 and 100 batches in an epoch, in two epochs."""
    counts = {"a": 300, "b": 200, "c": 100}
    active = jax.jit(jax.vmap(lambda step: active_tasks(counts, step)))(jnp.arange(600))
    for epoch in (slice(0, 300), slice(300, 600)):
        np.testing.assert_array_equal(active["a"][epoch], [True] * 300)
        np.testing.assert_array_equal(active["b"][epoch], [False] * 100 + [True] * 200)
        np.testing.assert_array_equal(active["c"][epoch], [False] * 200 + [True] * 100)


def changed(before, after):
    """Return groups and tasks of parameters that are not the same, bit by bit."""

    def of_leaf(old, new):
        return np.flatnonzero(np.any(np.asarray(old != new).reshape(len(old), -1), axis=1))

    groups = {
        name: sorted(
            {int(g) for g in np.concatenate(jax.tree.leaves(jax.tree.map(of_leaf, before[name], after[name])))}
        )
        for name in ("encoder", "crossmodal")
    }
    heads = {
        task
        for task, head in before["heads"].items()
        if not all(jax.tree.leaves(jax.tree.map(lambda x, y: bool(jnp.all(x == y)), head, after["heads"][task])))
    }
    return groups["encoder"], groups["crossmodal"], "".join(sorted(heads))


def test_what_a_step_does_not_use_stays_with_its_momentum(of_plans):
    """Although weights decay, which moves whatever is not held."""
    start = jax.tree.map(np.asarray, expand_shared(params_of(SHARED), LAYOUT.share_none()))
    nothing = jax.tree.map(np.zeros_like, start)
    steps = of_plans[0]
    expected = [([0], [0], "a"), ([0, 1], [0, 1], "ab"), ([0, 1, 2], [0, 1], "abc"), ([0], [0], "a")]
    for values, before in ((steps.params, start), *((steps.momentum[name], nothing) for name in ("mean", "square"))):
        for step, moved in enumerate(expected):
            after = jax.tree.map(lambda x, step=step: x[step], values)
            assert changed(before, after) == moved
            before = after


def test_rates_are_1_for_what_active_tasks_use_and_0_for_the_rest():
    objective = multitask_objective(CONFIG, MODEL, PLAN, NUM_SAMPLES)
    with jax.numpy_dtype_promotion("strict"):
        rates = jax.jit(lambda: objective.rates(params_of(PLAN), jnp.int32(2)))()  # of the step before, the second
    for leaf in jax.tree.leaves(rates["encoder"]):
        assert leaf.reshape(-1).tolist() == [1, 1, 0]
    for leaf in jax.tree.leaves(rates["crossmodal"]):
        assert leaf.reshape(-1).tolist() == [1, 1]
    for task, rate in {"a": 1, "b": 1, "c": 0}.items():
        assert all(leaf.reshape(-1).tolist() == [rate] for leaf in jax.tree.leaves(rates["heads"][task]))


def test_a_static_plan_trains_as_one_of_many_in_a_program(of_plans):
    train = make_fit(CONFIG, objective_of(BY_MODALITY, expand_shared(params_of(SHARED), BY_MODALITY)))
    alone, traced = jax.jit(lambda: made(train, RATE))(), of_plans[1]
    used = traced.params | {
        name: jax.tree.map(lambda x, n=n: x[:, :n], traced.params[name])
        for name, n in (("encoder", 2), ("crossmodal", 1))
    }
    np.testing.assert_allclose(alone.loss, traced.loss, atol=1e-5)
    chex.assert_trees_all_close(alone.params, used, atol=1e-4)


def test_all_plans_start_as_the_shared_model_and_go_their_own_ways(of_plans):
    losses = np.stack([steps.loss for steps in of_plans])
    np.testing.assert_allclose(losses[:, 0], losses[0, 0], atol=1e-5)
    assert np.all(np.ptp(losses[:, 1:3], axis=0) > 1e-3)


@pytest.fixture(scope="module")
def weighted():
    """Return the loss and its gradient as a function of parameters, weights of tasks, step and batches."""

    def loss(params, weights, step, batches):
        objective = multitask_objective(CONFIG, MODEL, SHARED, NUM_SAMPLES, weights=weights)
        return objective.loss(params, {}, step, batches, jax.random.key(0))[0]

    return jax.jit(jax.value_and_grad(loss))


def test_the_loss_is_the_weighted_sum_of_those_of_the_active_tasks(weighted):
    params, batches = params_of(SHARED), samples({"a": 2, "b": 2, "c": 2}, masks=True)
    logits = jax.jit(
        lambda: {task: predict_tasks(MODEL, params, SHARED, {task: batches[task]})[task] for task in "abc"}
    )()
    alone = {}
    for task, batch in batches.items():
        only = {name: jnp.float32(name == task) for name in "abc"}
        alone[task] = jax.device_get(weighted(params, only, jnp.int32(2), batches))
        np.testing.assert_allclose(
            alone[task][0], few_metrics(logits[task], batch.label, batch.weight)["loss"], rtol=1e-5
        )
    weights = {"a": np.float32(2), "b": np.float32(1), "c": np.float32(0.5)}
    for step, active in enumerate(("a", "ab", "abc", "a", "ab")):
        expected = jax.tree.map(
            lambda *x, active=active: sum(weights[task] * y for task, y in zip(active, x, strict=True)),
            *(alone[task] for task in active),
        )
        chex.assert_trees_all_close(weighted(params, weights, jnp.int32(step), batches), expected, atol=1e-5)


def test_samples_of_weight_0_do_not_matter(weighted):
    params, batches = params_of(SHARED), samples({"a": 2, "b": 2, "c": 2}, masks=True)
    ones = {task: jnp.float32(1) for task in "abc"}
    counted = {"a": jnp.array([1.0, 0.0]), "b": jnp.array([0.0, 1.0]), "c": jnp.zeros(2)}

    def changed_where_light(task, batch):
        light = counted[task] == 0
        return batch._replace(
            modalities={name: x + 3 * light[:, None, None] for name, x in batch.modalities.items()},
            masks={name: mask | light for name, mask in batch.masks.items()},
            label=jnp.where(light, 1 - batch.label % 2, batch.label),
        )

    light = {task: batch._replace(weight=counted[task]) for task, batch in batches.items()}
    other = {task: changed_where_light(task, batch) for task, batch in light.items()}
    (loss, gradient), of_other, (of_all, _) = (weighted(params, ones, jnp.int32(2), x) for x in (light, other, batches))
    chex.assert_trees_all_close((loss, gradient), of_other, atol=1e-6)
    assert loss > 0 and not np.isclose(loss, of_all, rtol=1e-3)
    assert all(jnp.all(leaf == 0) for leaf in jax.tree.leaves(gradient["heads"]["c"]))


def test_new_parameters_have_the_groups_of_the_plan():
    for plan, encoders, stacks in ((SHARED, 1, 1), (PLAN, 3, 2), (PLAN.indices(), 5, 2)):
        params = params_of(plan)
        assert {leaf.shape[0] for leaf in jax.tree.leaves(params["encoder"])} == {encoders}
        assert {leaf.shape[0] for leaf in jax.tree.leaves(params["crossmodal"])} == {stacks}


def test_predictions_do_not_depend_on_the_batch_size_and_heed_masks():
    params, data = params_of(SHARED), samples({"a": 7, "b": 4, "c": 1}, masks=True)
    predict = jax.jit(lambda data: predict_tasks(MODEL, params, SHARED, data, batch_size=3))
    logits = predict(data)
    assert {task: x.shape for task, x in logits.items()} == {"a": (7, 3), "b": (4, 2), "c": (1, 2)}
    whole = jax.jit(lambda data: predict_tasks(MODEL, params, SHARED, data))(data)
    chex.assert_trees_all_close(logits, whole, atol=1e-5)

    absent = ~data["a"].masks["y"]
    assert 0 < jnp.sum(absent) < 7
    y = data["a"].modalities["y"] + absent[:, None, None]
    hidden = data["a"]._replace(modalities=data["a"].modalities | {"y": y})
    chex.assert_trees_all_equal(predict(data | {"a": hidden}), logits)
    shown = hidden._replace(masks=hidden.masks | {"y": jnp.ones(7, bool)})
    seen = predict(data | {"a": shown})
    np.testing.assert_array_equal(np.any(np.asarray(seen["a"] != logits["a"]), axis=1), absent)


@pytest.fixture(scope="module")
def world():
    """Return a run on two tasks of a generated world, and its data."""
    suite, sizes = SEQUENCE_SUITE, {"y1": 320, "y2": 160}
    tasks = suite.tasks[:2]
    maps = world_maps(jax.random.key(0), suite.world)
    parts = {}
    for place, task in enumerate(tasks):
        number = (sizes[task.name], 200, 1)
        key = jax.random.fold_in(jax.random.key(1), place)
        parts[task.name] = cut(sample_task(key, suite.world, maps, task, num_samples=sum(number)).batch, number)
    layout = Layout(
        tuple(ModalitySpec(one.name, (6,), 8, num_bands=3) for one in suite.world.modalities[:2]),
        tuple(TaskSpec(task.name, task.modalities, 4) for task in tasks),
    )
    model = HighMMT(Architecture(num_latents=2, width=16, head_size=8, num_latent_heads=1), layout)
    config = TrainConfig(num_segments=4, steps_per_segment=50, batch_size=32, metrics_fn=few_metrics)
    train = make_fit(config, multitask_objective(config, model, layout.share_all(), sizes))
    return train, Splits(*({name: getattr(part, of) for name, part in parts.items()} for of in Splits._fields))


def test_a_generated_world_is_learned_and_an_interrupted_run_ends_bit_by_bit_as_a_whole_one(world, tmp_path):
    def stop(number, metrics):
        if number == 1:
            raise KeyboardInterrupt

    train, data = world
    key = jax.device_put(jax.random.key(3), jax.devices()[0])  # as what is read from a checkpoint: no second program
    whole = run(train, key, {"learning_rate": 0.01}, data)
    valid = whole.metrics["valid"]
    assert set(valid) == {"y1", "y2", "loss"}
    np.testing.assert_allclose(valid["loss"], valid["y1"]["loss"] + valid["y2"]["loss"], rtol=1e-5)
    for task in ("y1", "y2"):
        assert valid[task]["loss"][-1] < 0.6 * np.log(4)
        assert valid[task]["accuracy"][-1] > 0.7

    made = []
    for progress in (stop, lambda number, metrics: made.append(number)):
        with contextlib.suppress(KeyboardInterrupt):
            again = run(
                train,
                key,
                {"learning_rate": 0.01},
                data,
                checkpoint=tmp_path / "run",
                progress=progress,
            )
    assert made == [2, 3]
    chex.assert_trees_all_equal(again.state._replace(key=0), whole.state._replace(key=0))
    chex.assert_trees_all_equal(again.metrics, whole.metrics)


def test_wrong_tasks_and_groups_are_refused():
    with pytest.raises(ValueError, match=r"^num_samples must be of the tasks a, b, c; got a, b$"):
        multitask_objective(CONFIG, MODEL, PLAN, {"a": 5, "b": 4})
    with pytest.raises(ValueError, match=r"^num_samples must be of the tasks a, b, c; got a, b, c, d$"):
        multitask_objective(CONFIG, MODEL, PLAN, NUM_SAMPLES | {"d": 1})
    with pytest.raises(ValueError, match=r"^weights must be of the tasks a, b, c; got a, b, c, d$"):
        multitask_objective(CONFIG, MODEL, PLAN, NUM_SAMPLES, weights={"d": 1.0})


def test_a_plan_of_more_groups_than_there_are_parameters_is_refused():
    params = params_of(SHARED)
    inputs = {task: batch.modalities for task, batch in samples({task.name: 2 for task in LAYOUT.tasks}).items()}
    with pytest.raises(ValueError, match="the plan uses group 2; the parameters have 1: see `expand_shared`"):
        jax.eval_shape(lambda params: MODEL.apply(params, inputs, PLAN), params)
