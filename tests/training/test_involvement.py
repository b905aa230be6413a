"""Which parameters matter for which task: against derivatives sample by sample, and counts by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import batch_of
from mmjax.heterogeneity import SharingPlan
from mmjax.models.highmmt import Architecture, HighMMT, Layout, ModalitySpec, TaskSpec
from mmjax.training import involvement, involvement_shares

SIZES = Architecture(num_latents=2, width=4, head_size=2, num_latent_heads=1, num_crossmodal_heads=1, embedding_width=2)
LAYOUT = Layout(
    (ModalitySpec("x", (3,), 2, num_bands=None), ModalitySpec("y", (3,), 2, num_bands=None)),
    (TaskSpec("a", ("x", "y"), 3), TaskSpec("b", ("x",), 2)),
)
MODEL = HighMMT(SIZES, LAYOUT)
PLAN = SharingPlan(unimodal=(0, 1, 0), crossmodal=(0,))
"""Of the nodes a: x, y; b: x; and the pair of a. A third encoder and a second stack are drawn and not used."""
SAMPLES = {"a": 5, "b": 3}


@pytest.fixture(scope="module", autouse=True)
def programs(quickly_compiled):
    """All programs run a few times."""


@pytest.fixture(scope="module")
def params():
    shapes = jax.eval_shape(lambda: MODEL.init(jax.random.key(0), num_unimodal_groups=3, num_crossmodal_groups=2))
    numbers = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(numbers.normal(0, 0.5, leaf.shape), leaf.dtype), shapes)


@pytest.fixture(scope="module")
def data():
    numbers = np.random.default_rng(1)
    return {
        task.name: batch_of(
            {name: numbers.normal(size=(SAMPLES[task.name], 3, 2)) for name in task.modalities},
            numbers.integers(0, task.num_outputs, SAMPLES[task.name]),
            {"x": np.arange(SAMPLES[task.name]) != 1},
        )
        for task in LAYOUT.tasks
    }


@pytest.fixture(scope="module")
def measured():
    """Return the compiled measurement, three samples at a time, so that the last block is not full."""
    return jax.jit(lambda params, data: involvement(MODEL, params, PLAN, data, batch_size=3))


@pytest.fixture(scope="module")
def derivatives(params, data):
    """Derivatives of each sample by itself, task to tree of arrays with a first axis of samples."""

    def probability(params, task, sample):
        batch = jax.tree.map(lambda x: x[None], sample)
        logits = MODEL.apply(params, {task: batch.modalities}, PLAN, {task: batch.masks})[task]
        return jax.nn.softmax(logits)[0, batch.label[0]]

    derivative = jax.jit(jax.grad(probability), static_argnums=1)
    found = {}
    for task, batch in data.items():
        samples = [jax.tree.map(lambda x, n=n: x[n], batch) for n in range(SAMPLES[task])]
        found[task] = jax.tree.map(lambda *x: np.stack(x), *(derivative(params, task, sample) for sample in samples))
    return found


def assert_close(found, expected):
    for task, of_task in expected.items():
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5), found[task], of_task)


def test_it_is_the_mean_absolute_derivative_of_the_true_class(params, data, measured, derivatives):
    found = measured(params, data)
    assert set(found) == {"a", "b"}
    assert_close(found, jax.tree.map(lambda x: np.abs(x).mean(axis=0), derivatives))
    signed = jax.tree.map(lambda x: np.abs(x.mean(axis=0)), derivatives["a"]["crossmodal"])
    larger = jax.tree.map(lambda x, y: np.sum(x > y + 1e-5), found["a"]["crossmodal"], signed)
    assert sum(jax.tree.leaves(larger)) > 100


def test_samples_that_pull_opposite_ways_do_not_cancel(params, data, measured):
    """Of one sample and two classes: p(1) = 1 - p(0), so that the derivatives have opposite signs."""
    twice = jax.tree.map(lambda x: x[jnp.zeros(3, int)], data["b"])
    same = measured(params, data | {"b": twice._replace(label=jnp.zeros(3, jnp.int32))})["b"]
    opposite = measured(params, data | {"b": twice._replace(label=jnp.array([0, 1, 1], jnp.int32))})["b"]
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5), same, opposite)
    assert max(float(jnp.max(leaf)) for leaf in jax.tree.leaves(same["encoder"])) > 1e-3


def test_what_a_task_does_not_use_is_not_involved(params, data, measured):
    found = measured(params, data)

    def is_used(tree):
        return any(bool(jnp.any(leaf > 0)) for leaf in jax.tree.leaves(tree))

    for task, used in {"a": [True, True, False], "b": [True, False, False]}.items():
        encoders = found[task]["encoder"]
        assert [is_used(jax.tree.map(lambda x, g=g: x[g], encoders)) for g in range(3)] == used
    assert is_used(found["a"]["crossmodal"])
    assert not is_used(found["b"]["crossmodal"])
    assert is_used(found["a"]["heads"]["a"])
    assert not is_used(found["a"]["heads"]["b"])


def test_samples_of_weight_0_do_not_count_whatever_they_hold(params, data, measured, derivatives):
    weight = jnp.array([2.0, 0.0, 1.0, 0.0, 1.0])
    x = data["a"].modalities["x"].at[3].set(jnp.nan)
    light = data["a"]._replace(weight=weight, modalities=data["a"].modalities | {"x": x})
    expected = jax.tree.map(lambda x: np.average(np.abs(x), axis=0, weights=weight), derivatives["a"])
    assert_close(measured(params, data | {"a": light}), {"a": expected})
    nothing = measured(params, data | {"a": light._replace(weight=jnp.zeros(5))})
    assert all(bool(jnp.all(jnp.isnan(leaf))) for leaf in jax.tree.leaves(nothing["a"]))
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(nothing["b"]))


def test_it_does_not_depend_on_the_samples_at_a_time_nor_on_how_the_plan_is_given(params, data, measured):
    whole = jax.jit(lambda plan: involvement(MODEL, params, plan, data, batch_size=8))(PLAN.indices())
    assert_close(whole, measured(params, data))


def test_a_nan_is_not_hidden(params, data, measured):
    x = data["b"].modalities["x"].at[0, 0, 0].set(jnp.nan)
    found = measured(params, data | {"b": data["b"]._replace(modalities={"x": x})})
    shares = involvement_shares(found)
    assert bool(jnp.any(jnp.isnan(found["b"]["encoder"]["latents"])))
    assert bool(jnp.all(jnp.isnan(shares["encoder"])))
    # task b has no crossmodal stack: what is not used is 0, and task a's alone counts
    assert bool(jnp.all(jnp.isfinite(shares["crossmodal"])))


def tree(*values):
    return {"encoder": {"kernel": jnp.array([values])}, "heads": {}}


def test_tasks_are_counted_by_the_largest():
    """Of five parameters: three tasks alike, two, one, none, and one at the threshold, which is not above it."""
    involvements = {
        "a": tree(1.0, 1.0, 0.1, 0.0, 0.25),
        "b": tree(1.0, 0.3, 1.0, 0.0, 1.0),
        "c": tree(1.0, 0.0, 0.1, 0.0, 0.0),
    }
    shares = involvement_shares(involvements, threshold=0.25)
    assert set(shares) == {"encoder"}
    np.testing.assert_allclose(shares["encoder"], [0.4, 0.2, 0.2])
    np.testing.assert_allclose(involvement_shares(involvements, threshold=0.05)["encoder"], [0.0, 0.4, 0.4])


def test_shares_of_used_parts_sum_to_what_is_involved(params, data, measured):
    found = measured(params, data)
    shares = involvement_shares(found)
    for part in ("encoder", "crossmodal"):
        stacked = jax.tree.map(lambda x, y: jnp.maximum(x, y).reshape(-1), found["a"][part], found["b"][part])
        assert shares[part].shape == (2,)
        expected = float(jnp.mean(jnp.concatenate(jax.tree.leaves(stacked)) > 0))
        assert 0.3 < expected < 0.9  # groups that nobody uses
        np.testing.assert_allclose(jnp.sum(shares[part]), expected, rtol=1e-5)
    assert float(shares["crossmodal"][1]) == 0.0


def test_scaling_all_tasks_changes_no_share(params, data, measured):
    found = measured(params, data)
    scaled = jax.tree.map(lambda x: 3 * x, found)
    for part, shares in involvement_shares(found).items():
        np.testing.assert_allclose(involvement_shares(scaled)[part], shares, atol=2e-3)


def test_wrong_options_are_refused(params, data):
    with pytest.raises(ValueError, match=r"^threshold must be in \[0, 1\); got 1$"):
        involvement_shares({"a": tree(1.0)}, threshold=1)
    with pytest.raises(ValueError, match=r"^batch_size must be at least 1; got 0$"):
        involvement(MODEL, params, PLAN, data, batch_size=0)
