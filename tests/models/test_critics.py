import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.models import MLP, BilinearCritic, ConcatenatedCritic, SeparableCritic, network

pytestmark = pytest.mark.usefixtures("quickly_compiled")

KEYS = jax.random.split(jax.random.key(0), 3)
X, Y = jax.random.normal(KEYS[0], (5, 3)), jax.random.normal(KEYS[1], (4, 2))


def _apply(module, x=X, y=Y):
    pure = network(module, x[:1], y[:1])
    return pure.init(KEYS[2]), pure.apply


@pytest.mark.parametrize(
    "module",
    [
        SeparableCritic(MLP((7, 4)), MLP((4,))),
        BilinearCritic(MLP((4,)), MLP((3,))),
        ConcatenatedCritic((6,)),
        ConcatenatedCritic((6, 5)),
    ],
    ids=["separable", "bilinear", "concatenated", "concatenated, two layers"],
)
def test_a_matrix_of_scores_holds_those_of_its_pairs(module):
    variables, apply = _apply(module)
    scores = apply(variables, X, Y)
    assert scores.shape == (5, 4) and scores.dtype == jnp.float32
    single = jnp.stack([jnp.stack([apply(variables, x[None], y[None])[0, 0] for y in Y]) for x in X])
    np.testing.assert_allclose(scores, single, rtol=2e-5, atol=1e-6)
    assert np.std(scores) > 0


def test_separable_scores_are_inner_products():
    variables, apply = _apply(SeparableCritic(MLP((4,)), MLP((4,))))
    parts = variables["params"]
    g, h = (
        z @ parts[name]["Dense_0"]["kernel"] + parts[name]["Dense_0"]["bias"][None]
        for z, name in ((X, "encoder_x"), (Y, "encoder_y"))
    )
    np.testing.assert_allclose(apply(variables, X, Y), g @ h.T, rtol=1e-5, atol=1e-6)


def test_scores_of_several_outputs_are_those_of_their_embeddings():
    variables, apply = _apply(SeparableCritic(MLP((6,)), MLP((6,)), num_outputs=3))
    scores = apply(variables, X, Y)
    assert scores.shape == (5, 4, 3)
    flat = SeparableCritic(MLP((6,)), MLP((6,))).apply(variables, X, Y)
    np.testing.assert_allclose(scores.sum(2), flat, rtol=1e-5, atol=1e-5)


def test_the_concatenated_critic_is_a_perceptron_of_both():
    variables, apply = _apply(ConcatenatedCritic((6, 5)))
    parts = variables["params"]
    rows = [(x, y) for x in X for y in Y]
    together = jnp.stack([jnp.concatenate(pair) for pair in rows])
    kernel = jnp.concatenate([parts["first_x"]["kernel"], parts["first_y"]["kernel"]])
    hidden = jax.nn.relu(together @ kernel + parts["first_x"]["bias"][None])
    deeper = MLP((5, 1)).apply({"params": parts["MLP_0"]}, hidden)
    np.testing.assert_allclose(apply(variables, X, Y).ravel(), deeper[:, 0], rtol=1e-5, atol=1e-6)


def test_equal_modules_are_the_same_functions():
    first, second = (network(ConcatenatedCritic((6,)), X[:1], Y[:1]) for _ in range(2))
    assert first is second
    assert network(ConcatenatedCritic((7,)), X[:1], Y[:1]) is not first


def test_images_are_scored_too():
    images = jnp.ones((2, 4, 4))
    for module in (SeparableCritic(MLP((3,)), MLP((3,))), ConcatenatedCritic((3,))):
        variables, apply = _apply(module, images, Y)
        assert apply(variables, images, Y).shape == (2, 4)
