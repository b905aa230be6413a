"""Tests of transfer matrices: a linear bed in closed form, a loop over entries, shards, chunks, seeds, gradients."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from mmjax.heterogeneity import Fit, direct_fits, matrix_of, transfer_matrix, transferred_losses

RATE, NOISE = 0.2, 0.5
KAPPA = 1 / (1 + NOISE)


def population_fit(num_steps, key, node, start):
    """Gradient descent on the risk of y = s, x = a s + noise, which is known: the source model is the optimum."""
    hessian = jnp.outer(node, node) + NOISE * jnp.eye(len(node))
    w = jnp.zeros_like(node) if start is None else start
    for _ in range(num_steps):
        w = w - RATE * (hessian @ w - node)
    excess = (1 - 2 * w @ node + w @ hessian @ w) - (1 - KAPPA)
    return Fit(KAPPA * node, excess[None], jnp.ones(1))


def excess_risks(rho, num_steps):
    """Excess risks R of transferred and S of direct fits after some steps, in closed form."""
    along, across = 1 - RATE / KAPPA, 1 - RATE * NOISE
    transferred = (1 - rho) ** 2 / KAPPA * along ** (2 * num_steps)
    transferred = KAPPA**2 * (transferred + (1 - rho**2) * NOISE * across ** (2 * num_steps))
    return transferred, KAPPA * along ** (2 * num_steps)


def directions(rho):
    return jnp.asarray([[1.0, 0.0, 0.0], [rho, (1 - rho**2) ** 0.5, 0.0]])


@pytest.mark.parametrize("num_steps", [0, 1, 5, 20])
@pytest.mark.parametrize("rho", [-1.0, -0.3, 0.0, 0.6, 1.0])
def test_the_linear_bed_in_closed_form(rho, num_steps, float64):
    found = transfer_matrix(functools.partial(population_fit, num_steps), directions(rho), key=jax.random.key(0))
    transferred, direct = excess_risks(rho, num_steps)
    np.testing.assert_allclose(found.direct, [direct, direct], atol=1e-12)
    np.testing.assert_allclose([found.transferred[0, 1], found.transferred[1, 0]], transferred, atol=1e-12)
    np.testing.assert_allclose(found.transfer[0, 1], transferred - direct, atol=1e-12)
    np.testing.assert_allclose(np.diagonal(found.transferred), 0, atol=1e-12)
    assert np.isnan(found.standard_error).all(), "of one sample there is none"


RHO = (3 - (9 + 4 * 0.2875786) ** 0.5) / 2
"""-0.093 with more digits: those that the printed value 1.0167016 of R at no steps implies."""


@pytest.mark.parametrize(
    ("num_steps", "transferred", "direct"),
    [(0, 1.0167016, 0.6666667), (1, 0.5686802, 0.3266667), (5, 0.0993106, 0.0188317), (20, 0.0032568, 4.2e-7)],
)
def test_the_example_of_the_linear_bed(num_steps, transferred, direct, float64):
    """Seven digits from a simulation in six dimensions with rho = -0.093."""
    assert round(RHO, 3) == -0.093
    found = transfer_matrix(functools.partial(population_fit, num_steps), directions(RHO), key=jax.random.key(0))
    np.testing.assert_allclose([found.transferred[0, 1], found.direct[1]], [transferred, direct], atol=1e-6)


def test_zero_shot_beside_full_training(float64):
    """T = kappa (1 - rho) (2 - kappa (1 + rho)), where the direct fit is at its optimum."""

    def fit(key, node, start):
        return population_fit(0, key, node, KAPPA * node if start is None else start)

    for rho in (-1.0, 0.0, 0.5, 1.0):
        found = transfer_matrix(fit, directions(rho), key=jax.random.key(0)).transfer
        np.testing.assert_allclose(found[0, 1], KAPPA * (1 - rho) * (2 - KAPPA * (1 + rho)), atol=1e-12)


NUM_NODES, NUM_SAMPLES, WIDTH = 10, 6, 3


def regression_nodes():
    x, noise = jax.random.normal(jax.random.key(5), (2, NUM_NODES, NUM_SAMPLES, WIDTH))
    weight = jnp.arange(NUM_SAMPLES)[None] < jnp.arange(2, NUM_NODES + 2)[:, None]
    return {"x": x, "y": x[..., 0] + 0.3 * noise[..., 1], "weight": weight.astype(x.dtype)}


def sampled_fit(key, node, start, rate=0.1):
    """A few steps on random samples from random weights, or fewer from a model: loops, keys, padding."""
    initial, order = jax.random.split(key)
    w = jax.random.normal(initial, (WIDTH,)) if start is None else start["w"]
    batches = jax.random.randint(order, (3 if start is None else 2,), 0, 2)

    def step(w, i):
        x, y = node["x"][i], node["y"][i]
        return w - rate * (x @ w - y) * x, None

    w, _ = jax.lax.scan(step, w, batches)
    losses = (node["x"] @ w - node["y"]) ** 2 / 2
    return Fit({"w": w}, jnp.where(node["weight"] > 0, losses, jnp.nan), node["weight"])


@functools.cache
def whole():
    return jax.jit(lambda nodes, key: transfer_matrix(sampled_fit, nodes, key=key))(
        regression_nodes(), jax.random.key(3)
    )


def test_equals_a_loop_over_entries():
    nodes, key, found = regression_nodes(), jax.random.key(3), whole()
    data = [jax.tree.map(lambda x, j=j: x[j], nodes) for j in range(NUM_NODES)]
    keys = [jax.random.fold_in(key, j) for j in range(NUM_NODES)]
    fit = jax.jit(sampled_fit)
    direct = [fit(k, node, None) for k, node in zip(keys, data, strict=True)]
    for j in range(NUM_NODES):
        counts = np.asarray(data[j]["weight"]) > 0
        for i in range(NUM_NODES):
            losses = np.asarray(fit(keys[j], data[j], direct[i].model).losses)[counts]
            differences = losses - np.asarray(direct[j].losses)[counts]
            error = np.std(differences, ddof=1) / np.sqrt(counts.sum())
            np.testing.assert_allclose(found.transfer[i, j], differences.mean(), atol=1e-6)
            np.testing.assert_allclose(found.transferred[i, j], losses.mean(), atol=1e-6)
            np.testing.assert_allclose(found.standard_error[i, j], error, atol=1e-6)
    np.testing.assert_allclose(found.transfer, found.transferred - found.direct[None], atol=1e-6)


@pytest.mark.parametrize("axis_type", [AxisType.Auto, AxisType.Explicit])
def test_spread_over_devices_equals_unspread(axis_type):
    """Ten sources over eight devices: six are repeated, and left out again."""
    mesh = jax.make_mesh((8,), ("sources",), axis_types=(axis_type,))
    spread = jax.jit(lambda nodes, key: transfer_matrix(sampled_fit, nodes, key=key, mesh=mesh))
    chex.assert_trees_all_close(spread(regression_nodes(), jax.random.key(3)), whole(), atol=1e-6)


def test_a_mesh_of_two_axes_is_refused():
    mesh = jax.make_mesh((4, 2), ("a", "b"), axis_types=(AxisType.Auto,) * 2)
    with pytest.raises(ValueError, match="one axis"):
        transfer_matrix(sampled_fit, regression_nodes(), key=jax.random.key(3), mesh=mesh)


def test_rows_in_pieces_are_the_rows_of_the_whole():
    nodes, key = regression_nodes(), jax.random.key(3)
    direct = jax.jit(lambda: direct_fits(sampled_fit, nodes, key=key))()

    @jax.jit
    def rows_of(sources):
        models = direct_fits(sampled_fit, nodes, key=key, sources=sources).model
        return models, matrix_of(direct, transferred_losses(sampled_fit, models, nodes, key=key))

    for sources in (jnp.asarray([7, 2]), jnp.asarray([9, 0])):
        models, found = rows_of(sources)
        chex.assert_trees_all_close(models["w"], direct.model["w"][sources], atol=1e-6)
        chex.assert_trees_all_close(found.transfer, whole().transfer[sources], atol=1e-6)
        chex.assert_trees_all_close(found.direct, whole().direct, atol=1e-6)


def test_one_program_for_all_seeds_and_data():
    run = jax.jit(
        chex.assert_max_traces(lambda nodes, key: transfer_matrix(sampled_fit, nodes, key=key), n=1),
    )
    nodes = regression_nodes()
    first, second = run(nodes, jax.random.key(3)), run(nodes, jax.random.key(4))
    assert not np.allclose(first.transfer, second.transfer)
    keys = jnp.stack([jax.random.key(3), jax.random.key(4)])
    both = jax.jit(jax.vmap(lambda key: transfer_matrix(sampled_fit, nodes, key=key)))(keys)
    chex.assert_trees_all_close(both, jax.tree.map(lambda *x: jnp.stack(x), first, second), atol=1e-6)


def test_derivatives_pass_through_training(float64):
    nodes = jax.tree.map(lambda x: x[:3].astype(float), regression_nodes())

    @jax.jit
    def total(rate):
        fit = functools.partial(sampled_fit, rate=rate)
        return jnp.sum(transfer_matrix(fit, nodes, key=jax.random.key(0)).transfer)

    slope = jax.jit(jax.grad(total))(0.1)
    np.testing.assert_allclose(slope, (total(0.1 + 1e-5) - total(0.1 - 1e-5)) / 2e-5, rtol=1e-6)


def test_one_node():
    found = transfer_matrix(sampled_fit, jax.tree.map(lambda x: x[:1], regression_nodes()), key=jax.random.key(3))
    np.testing.assert_allclose(found.transfer, whole().transfer[:1, :1], atol=1e-6)


def test_literal_standard_errors_and_nodes_without_samples():
    losses = jnp.asarray([[1.0, 2.0, 6.0], [1.0, jnp.nan, jnp.inf], [1.0, 1.0, 1.0]])
    weight = jnp.asarray([[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    transferred = jnp.asarray([[[2.0, 2.0, 9.0], [1.5, jnp.nan, 0.0], [1.0, 2.0, 3.0]]])
    found = matrix_of(Fit(None, losses, weight), transferred)
    np.testing.assert_allclose(found.transfer, [[4 / 3, 0.5, np.nan]], rtol=1e-6)
    np.testing.assert_allclose(found.standard_error, [[np.std([1, 0, 3], ddof=1) / 3**0.5, np.nan, np.nan]], rtol=1e-6)
    np.testing.assert_allclose(found.direct, [3, 1, np.nan])
    np.testing.assert_allclose(found.transferred, [[13 / 3, 1.5, np.nan]], rtol=1e-6)


def test_a_standard_error_of_zero_has_derivative_zero():
    losses, weight = jnp.asarray([[1.0, 2.0]]), jnp.ones((1, 2))

    def error(shift):
        return matrix_of(Fit(None, losses, weight), losses[None] + shift).standard_error[0, 0]

    assert error(0.5) == 0 and jax.grad(error)(0.5) == 0


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(AssertionError):
        matrix_of(Fit(None, jnp.ones((2, 3)), jnp.ones((2, 3))), jnp.ones((2, 3, 3)))
    with pytest.raises(AssertionError):
        direct_fits(sampled_fit, {"x": jnp.ones((2, 3)), "y": jnp.ones((3, 3))}, key=jax.random.key(0))
