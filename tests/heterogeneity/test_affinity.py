"""Tests of transfer estimated from gradients: against direct minimisation, of nodes alike and apart, and gaps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from mmjax.heterogeneity import Labelled, gradient_affinity

pytestmark = pytest.mark.usefixtures("quickly_compiled")
KEY = jax.random.key(0)
compiled = jax.jit(gradient_affinity, static_argnames=("apply_fn", "dim", "chunk"))


def linear(params, x):
    """Logits linear in weights (d, classes) and biases (classes,)."""
    return x @ params["w"] + params["b"]


def bent(params, x):
    """Logits of a network of one hidden layer."""
    return jnp.tanh(x @ params["in"]) @ params["out"]


def weights(seed, dim=3, classes=4, scale=0.3, dtype=float):
    rng = np.random.default_rng(seed)
    return {"w": jnp.asarray(scale * rng.normal(size=(dim, classes)), dtype), "b": jnp.zeros(classes, dtype)}


def labelled(rules, num_samples=40, seed=1, dim=3):
    """Nodes whose classes depend on samples by their rules (dim, classes), with noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(len(rules), num_samples, dim))
    scores = x @ np.asarray(rules) + rng.gumbel(size=(len(rules), num_samples, np.shape(rules)[-1]))
    return Labelled(jnp.asarray(x, float), jnp.asarray(scores.argmax(axis=-1)), jnp.ones(x.shape[:2]))


def of_rules(*seeds):
    return [3 * np.random.default_rng(seed).normal(size=(3, 4)) for seed in seeds]


def cross_entropies(logits, label):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), label[:, None], axis=1)[:, 0]


def trained(apply_fn, params, train, ridge):
    """Minimise the mean loss of one node and a ridge about the base model, all parameters free."""
    flat, unravel = jax.flatten_util.ravel_pytree(params)
    logits = jax.vmap(apply_fn, (None, 0))

    @jax.jit
    @jax.value_and_grad
    def objective(theta):
        losses = cross_entropies(logits(unravel(theta), train.samples), train.label)
        return jnp.mean(losses) + ridge / 2 * jnp.sum((theta - flat) ** 2)

    found = minimize(lambda theta: tuple(map(np.asarray, objective(theta))), flat, jac=True, method="BFGS", tol=1e-9)
    return unravel(jnp.asarray(found.x))


def node(of, place):
    return jax.tree.map(lambda x: x[place], of)


@pytest.mark.parametrize("ridge", [0.3, 1e-3])
def test_a_linear_model_is_trained_exactly(ridge, float64):
    params, rules = weights(0), of_rules(0, 1, 2)
    train, valid = labelled(rules), labelled(rules, seed=2)
    affinity = jax.jit(lambda ridge: gradient_affinity(linear, params, train, valid, key=KEY, dim=16, ridge=ridge))(
        ridge
    )
    losses = np.empty((3, 3))
    for source in range(3):
        model = trained(linear, params, node(train, source), ridge)
        for target in range(3):
            logits = jax.vmap(linear, (None, 0))(model, valid.samples[target])
            losses[source, target] = jnp.mean(cross_entropies(logits, valid.label[target]))
    np.testing.assert_allclose(affinity.matrix.transferred, losses, atol=1e-5)
    np.testing.assert_allclose(affinity.matrix.direct, np.diag(losses), atol=1e-5)
    np.testing.assert_allclose(affinity.matrix.transfer, losses - np.diag(losses)[None], atol=1e-5)
    assert affinity.gap.shape == (3,) and np.all(affinity.gap < 1e-12)


def test_single_precision_loses_little(float64):
    data = (weights(0), labelled(of_rules(0, 1, 2)), labelled(of_rules(0, 1, 2), seed=2))
    single = jax.tree.map(lambda x: x.astype(jnp.float32) if jnp.issubdtype(x.dtype, jnp.floating) else x, data)
    expected, found = (compiled(linear, *of, key=KEY, dim=16, ridge=1e-2) for of in (data, single))
    assert found.matrix.transfer.dtype == jnp.float32
    np.testing.assert_allclose(found.matrix.transfer, expected.matrix.transfer, atol=1e-4)
    assert np.all(found.gap < 1e-6)


def hidden(seed, width=30):
    rng = np.random.default_rng(seed)
    return {
        "in": jnp.asarray(rng.normal(size=(3, width)), jnp.float32),
        "out": jnp.asarray(rng.normal(size=(width, 4)) / width, jnp.float32),
    }


def test_projections_keep_what_gradients_say():
    """210 parameters: the error of estimates falls as the root of the numbers kept, and is none where all are."""
    rules, params = of_rules(0, 1), hidden(0)
    train, valid = labelled(rules), labelled(rules, seed=2)

    def transfer(key, dim):
        return compiled(bent, params, train, valid, key=key, dim=dim, ridge=0.1).matrix.transfer

    exact = transfer(KEY, 210)
    keys = jax.random.split(KEY, 4)
    errors = [np.sqrt(np.mean([(transfer(key, dim) - exact) ** 2 for key in keys])) for dim in (8, 128)]
    assert errors[1] < errors[0] / 2
    assert errors[1] < 0.1 * np.max(exact)


def test_nodes_alike_do_not_hinder_each_other_and_others_do():
    same, other = of_rules(0, 7)
    rules, params = [same, same, other], hidden(0)
    train, valid = (labelled(rules, num_samples=400, seed=seed) for seed in (1, 2))
    matrix = compiled(bent, params, train, valid, key=KEY, dim=64).matrix
    assert np.all(np.abs(matrix.transfer[:2, :2]) < 0.1)
    assert np.all(matrix.transfer[2, :2] > 0.5) and np.all(matrix.transfer[:2, 2] > 0.5)


def test_copies_of_a_node_are_as_good_as_itself():
    copies = [jax.tree.map(lambda x: x[jnp.asarray([0, 0, 1])], labelled(of_rules(0, 1), seed=seed)) for seed in (1, 2)]
    transfer = compiled(linear, weights(0), *copies, key=KEY, dim=16, ridge=1e-2).matrix.transfer
    np.testing.assert_allclose(transfer[:2, :2], 0, atol=1e-6)
    assert np.all(transfer[2, :2] > 0.5)


def test_the_ridge_is_the_budget():
    rules = of_rules(0, 1, 2)
    train, valid = labelled(rules), labelled(rules, seed=2)
    still, short, long = (
        compiled(linear, weights(0), train, valid, key=KEY, dim=16, ridge=ridge).matrix for ridge in (1e6, 1e-1, 1e-2)
    )
    np.testing.assert_allclose(still.transfer, 0, atol=1e-4)
    assert np.all(long.transfer[~np.eye(3, dtype=bool)] > short.transfer[~np.eye(3, dtype=bool)])


def test_estimates_are_the_same_under_jit_and_in_other_chunks():
    rules = of_rules(0, 1)
    train, valid = labelled(rules), labelled(rules, num_samples=13, seed=2)
    eager = gradient_affinity(linear, weights(0), train, valid, key=KEY, dim=8)
    chunks = compiled(linear, weights(0), train, valid, key=KEY, dim=8, chunk=7)
    for one, other in zip(jax.tree.leaves(eager.matrix), jax.tree.leaves(chunks.matrix), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_padding_does_not_count():
    rules = of_rules(0, 1, 2)
    parts = [labelled(rules), labelled(rules, seed=2)]
    padded = [
        Labelled(
            jnp.pad(of.samples, [(0, 0), (0, 5), (0, 0)], constant_values=jnp.nan),
            jnp.pad(of.label, [(0, 0), (0, 5)], constant_values=-1),
            jnp.pad(of.weight, [(0, 0), (0, 5)]),
        )
        for of in parts
    ]
    of_all, of_padded = (compiled(linear, weights(0), *of, key=KEY, dim=16, ridge=1e-2) for of in (parts, padded))
    for one, other in zip(jax.tree.leaves(of_all), jax.tree.leaves(of_padded), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_missing_numbers_are_passed_on_and_spare_other_nodes():
    rules = of_rules(0, 1, 2)
    train, valid = labelled(rules), labelled(rules, seed=2)
    broken = train._replace(samples=train.samples.at[1, 0].set(jnp.nan))
    affinity = compiled(linear, weights(0), broken, valid, key=KEY, dim=16, ridge=1e-2)
    nan = np.isnan(affinity.matrix.transfer)
    np.testing.assert_array_equal(nan, [[False, True, False], [True, True, True], [False, True, False]])
    np.testing.assert_array_equal(np.isnan(affinity.gap), [False, True, False])
    empty = valid._replace(weight=valid.weight.at[2].set(0))
    transfer = compiled(linear, weights(0), train, empty, key=KEY, dim=16, ridge=1e-2).matrix.transfer
    np.testing.assert_array_equal(np.isnan(transfer), np.arange(3)[None] == np.full((3, 1), 2))


def test_without_samples_to_train_on_the_base_model_stays():
    rules, params = of_rules(0, 1, 2), weights(0)
    train, valid = labelled(rules), labelled(rules, seed=2)
    train = train._replace(weight=train.weight.at[0].set(0))
    affinity = compiled(linear, params, train, valid, key=KEY, dim=16, ridge=1e-2)
    shown = jax.vmap(jax.vmap(linear, (None, 0)), (None, 0))(params, valid.samples)
    base = [jnp.mean(cross_entropies(logits, y)) for logits, y in zip(shown, valid.label, strict=True)]
    np.testing.assert_allclose(affinity.matrix.transferred[0], base, rtol=1e-5)


def test_one_class_is_known_and_classes_may_be_absent():
    train, valid = labelled([np.zeros((3, 1))] * 2), labelled([np.zeros((3, 1))] * 2, seed=2)
    affinity = compiled(linear, weights(0, classes=1), train, valid, key=KEY)
    np.testing.assert_array_equal(affinity.matrix.transferred, np.zeros((2, 2)))

    def fewer(params, x):
        return jnp.where(jnp.arange(4) < 2, linear(params, x), -jnp.inf)

    rules = [rule[:, :2] for rule in of_rules(0, 1)]
    train, valid = labelled(rules), labelled(rules, seed=2)
    two = {name: leaf[..., :2] for name, leaf in weights(0).items()}
    expected, found = (
        compiled(apply_fn, params, train, valid, key=KEY).matrix.transfer
        for apply_fn, params in ((linear, two), (fewer, weights(0)))
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_wrong_sizes_are_refused():
    train = labelled(of_rules(0, 1))
    with pytest.raises(ValueError, match="dim and chunk must be at least 1; got 0 and 128"):
        gradient_affinity(linear, weights(0), train, train, key=KEY, dim=0)
    with pytest.raises(AssertionError):
        gradient_affinity(linear, weights(0), train, train._replace(label=train.label[:, 1:]), key=KEY)
