import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import SEQUENCE_SUITE, Splits, batch_of, cut, sample_task, world_maps
from mmjax.heterogeneity import cluster, distance, matrix_of, transfer_matrix
from mmjax.models.highmmt import Architecture, HighMMT, Layout, ModalitySpec, TaskSpec
from mmjax.training import TrainConfig, node_fit, stack_nodes

WORLD = SEQUENCE_SUITE.world
LAYOUT = Layout(
    tuple(ModalitySpec(one.name, (6,), 8, num_bands=3) for one in WORLD.modalities),
    tuple(TaskSpec(task.name, task.modalities, 4) for task in SEQUENCE_SUITE.tasks),
)
MODEL = HighMMT(Architecture(num_latents=4, width=16, head_size=8, num_latent_heads=2), LAYOUT)
NODES = [(task.name, task.modalities) for task in SEQUENCE_SUITE.tasks]
HPARAMS = {"learning_rate": jnp.asarray(3e-3)}
OF_NODES = {"num_modalities": 1, "num_outputs": 4}


def data_of(seed, num_train, num_valid):
    maps = world_maps(jax.random.key(seed), WORLD)
    sizes = (num_train, num_valid, 1)
    return {
        task.name: cut(
            sample_task(
                jax.random.fold_in(jax.random.key(seed), 1 + place), WORLD, maps, task, num_samples=sum(sizes)
            ).batch,
            sizes,
        )
        for place, task in enumerate(SEQUENCE_SUITE.tasks)
    }


def steps(number):
    return TrainConfig(num_segments=1, steps_per_segment=number)


@pytest.fixture(scope="module")
def nodes():
    return stack_nodes(LAYOUT, data_of(0, 40, 30), NODES[:3])


def test_the_program_equals_a_loop_over_its_entries(nodes):
    key = jax.random.key(1)
    fit = node_fit(MODEL, HPARAMS, **OF_NODES, direct=steps(4), transferred=steps(2))
    matrix = jax.jit(lambda nodes: transfer_matrix(fit, nodes, key=key))(nodes)
    alone = jax.jit(fit)
    each = [jax.tree.map(lambda x, place=place: x[place], nodes) for place in range(3)]
    keys = [jax.random.fold_in(key, place) for place in range(3)]
    direct = [alone(key, node, None) for key, node in zip(keys, each, strict=True)]
    transferred = jnp.stack([jnp.stack([alone(keys[j], each[j], of.model).losses for j in range(3)]) for of in direct])
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *direct)
    chex.assert_trees_all_close(matrix, matrix_of(stacked, transferred), atol=1e-4)
    assert jnp.all(matrix.standard_error > 0)


def test_zero_shot_only_evaluates_the_source(nodes):
    fit = jax.jit(node_fit(MODEL, HPARAMS, **OF_NODES, direct=steps(1), transferred=None))
    first, second = (jax.tree.map(lambda x, place=place: x[place], nodes) for place in (0, 1))
    source = fit(jax.random.key(0), first, None)
    chex.assert_trees_all_equal(fit(jax.random.key(5), first, source.model), source)
    other = fit(jax.random.key(0), second, source.model)
    chex.assert_trees_all_equal(other.model, source.model)
    assert not jnp.allclose(other.losses, source.losses)


def test_a_new_head_leaves_the_rest_of_the_source(nodes):
    node = jax.tree.map(lambda x: x[0], nodes)
    still = {"learning_rate": jnp.asarray(0.0)}
    for new_head in (True, False):
        fit = node_fit(MODEL, still, **OF_NODES, direct=steps(1), transferred=steps(1), new_head=new_head)
        source = jax.jit(fit)(jax.random.key(3), node, None).model
        start = source | {"heads": jax.tree.map(lambda x: x + 1, source["heads"])}
        fitted = jax.jit(fit)(jax.random.key(4), node, start).model
        chex.assert_trees_all_equal(fitted["encoder"], start["encoder"])
        same = jax.tree.map(lambda x, y: bool(jnp.all(x == y)), fitted["heads"], start["heads"])
        assert all(jax.tree.leaves(same)) != new_head


def test_nodes_of_other_shapes_are_filled_up_and_filling_changes_nothing():
    modalities = (
        ModalitySpec("image", (2, 2), 3),
        ModalitySpec("row", (), 5),
        ModalitySpec("bag", (3,), 2, num_bands=None),
    )
    tasks = (TaskSpec("a", ("image", "row"), 2), TaskSpec("b", ("bag",), 3))
    layout = Layout(modalities, tasks)
    numbers = np.random.default_rng(0)

    def batch(n, shapes, num_classes, masks=None):
        return batch_of(
            {name: numbers.normal(size=(n, *shape)) for name, shape in shapes.items()},
            numbers.integers(0, num_classes, n),
            masks,
        )

    a = [batch(n, {"image": (2, 2, 3), "row": (5,)}, 2) for n in (6, 4, 1)]
    b = [batch(n, {"bag": (3, 2)}, 3, {"bag": numbers.random((n, 3)) < 0.5}) for n in (3, 5, 1)]
    data = {"a": Splits(*a), "b": Splits(*b)}
    nodes = stack_nodes(layout, data, [("a", ("image",)), ("a", ("row",)), ("b", ("bag",))])
    assert nodes.train.modalities["0"].values.shape == (3, 6, 4, layout.input_width)
    np.testing.assert_array_equal(nodes.train.weight.sum(1), [6, 6, 3])
    np.testing.assert_array_equal(nodes.valid.weight.sum(1), [4, 4, 5])
    np.testing.assert_array_equal(nodes.num_outputs, [2, 2, 3])
    np.testing.assert_array_equal(nodes.train.modalities["0"].slot[:, 0], [0, 1, 2])
    np.testing.assert_array_equal(nodes.train.modalities["0"].mask[1, 0], [True, False, False, False])

    model = HighMMT(MODEL.architecture, layout)
    fit = jax.jit(node_fit(model, HPARAMS, num_modalities=1, num_outputs=3, direct=steps(1), transferred=None))
    of_row = jax.tree.map(lambda x: x[1], nodes)
    fitted = fit(jax.random.key(0), of_row, None)
    alone = stack_nodes(layout, data, [("a", ("row",))])
    chex.assert_trees_all_close(
        jax.jit(node_fit(model, HPARAMS, num_modalities=1, num_outputs=2, direct=steps(1), transferred=None))(
            jax.random.key(0), jax.tree.map(lambda x: x[0], alone), cut_head(fitted.model, 2)
        ).losses,
        fitted.losses[:4],
        atol=1e-5,
    )


def cut_head(params, num_outputs):
    """Leave out the outputs of classes that the task does not have."""
    head = params["heads"]["node"]
    linear = {"kernel": head["Dense_0"]["kernel"][:, :num_outputs], "bias": head["Dense_0"]["bias"][:num_outputs]}
    return params | {"heads": {"node": head | {"Dense_0": linear}}}


def test_codes_may_be_those_of_the_places():
    data = data_of(0, 2, 2)
    own, common = (stack_nodes(LAYOUT, data, NODES, own_codes=own) for own in (True, False))
    np.testing.assert_array_equal(own.train.modalities["0"].slot[:, 0], range(6))
    np.testing.assert_array_equal(common.train.modalities["0"].slot, 0)


def test_nodes_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match=r"one number of modalities, at least 1; got \[1, 2\]"):
        stack_nodes(LAYOUT, {}, [("y1", ("x1",)), ("y1", ("x1", "x2"))])


@pytest.mark.parametrize(
    ("seed", "transferred"),
    [(0, None), *(pytest.param(seed, number, marks=pytest.mark.slow) for seed in range(5) for number in (None, 20))],
)
def test_clusters_of_modalities_are_found(seed, transferred):
    nodes = stack_nodes(LAYOUT, data_of(seed, 512, 1024), NODES, own_codes=False)
    budget = None if transferred is None else steps(transferred)
    fit = node_fit(MODEL, HPARAMS, **OF_NODES, direct=steps(300), transferred=budget)
    matrix = jax.jit(lambda nodes: transfer_matrix(fit, nodes, key=jax.random.key(seed)))(nodes)
    d = np.asarray(distance(matrix.transfer))
    truth = np.array(list(WORLD.groups.values()))
    assert cluster(d, 3) == tuple(truth)
    if transferred is None:
        same = (truth[:, None] == truth[None]) & ~np.eye(6, dtype=bool)
        apart = truth[:, None] != truth[None]
        assert d[apart].mean() > 10 * d[same].mean()
