import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.models import MLP, BatchNorm, GroupNorm, ResNet18, SetEncoder, SpectrogramCNN, Transformer

pytestmark = pytest.mark.usefixtures("quickly_compiled")

ENCODERS = {
    "mlp": (MLP((5, 3)), (3, 2, 2), 3),
    "resnet": (ResNet18(width=2), (3, 16, 16, 1), 16),
    "spectrogram": (SpectrogramCNN((4, 6)), (3, 7, 9), 6),
    "transformer": (Transformer(8, num_layers=2, num_heads=2), (3, 5, 2), 8),
    "set": (SetEncoder((4, 6), (7, 3)), (3, 5, 2), 3),
}
OF_TOKENS = ("transformer", "set")


def apply(encoder, variables, x, mask=None):
    return jax.jit(encoder.apply)(variables, x, mask)


@functools.cache
def example(name):
    encoder, shape, width = ENCODERS[name]
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return encoder, jax.jit(encoder.init)(jax.random.key(1), x), x, width


def num_parameters(encoder, *shape):
    variables = jax.eval_shape(encoder.init, jax.random.key(0), jnp.zeros((1, *shape)))
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


@pytest.mark.parametrize("norm", [BatchNorm, GroupNorm])
def test_resnet_has_the_published_number_of_parameters(norm):
    # With the classifier of 512 * 1000 + 1000 these are the 11 689 512 of ResNet-18.
    assert num_parameters(ResNet18(norm=norm), 16, 16, 3) == 11_689_512 - 513_000


@pytest.mark.parametrize(
    ("encoder", "shape", "count"),
    [
        (MLP((5, 3)), (2, 2), 4 * 5 + 5 + 5 * 3 + 3),
        (SpectrogramCNN((4, 6)), (7, 9), 9 * 4 + 2 * 4 + 9 * 4 * 6 + 2 * 6),
        (SetEncoder((4,), (3,)), (5, 2), 2 * 4 + 4 + 2 * 4 * 3 + 3),
        # input map; class token; two norms, attention's 4 maps, MLP of ratio 4; last norm
        (Transformer(4, num_layers=1, num_heads=2), (5, 3), 16 + 4 + 16 + 4 * 20 + (4 * 16 + 16) + (16 * 4 + 4) + 8),
    ],
    ids=["mlp", "spectrogram", "set", "transformer"],
)
def test_parameters_are_those_counted_by_hand(encoder, shape, count):
    assert num_parameters(encoder, *shape) == count


@pytest.mark.parametrize("name", ENCODERS)
def test_a_latent_depends_on_its_own_sample_only(name):
    encoder, variables, x, width = example(name)
    latent = apply(encoder, variables, x)
    assert latent.shape == (3, width)
    assert latent.dtype == jnp.float32
    changed = apply(encoder, variables, np.stack([x[1], x[1], x[2] + 1]))
    np.testing.assert_allclose(changed[:2], latent[np.array([1, 1])], rtol=1e-4, atol=1e-5)
    assert not np.allclose(changed[0], latent[0], atol=1e-3)
    assert not np.allclose(changed[2], latent[2], atol=1e-3)


@pytest.mark.parametrize("name", ["mlp", "spectrogram", "transformer", "set"])
def test_a_sample_is_encoded_alike_alone_and_among_others(name):
    encoder, variables, x, _ = example(name)
    latent = apply(encoder, variables, x)
    np.testing.assert_allclose(apply(encoder, variables, x[1:2]), latent[1:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
def test_activations_in_bfloat16_give_a_float32_latent_near_the_exact_one(name):
    encoder, variables, x, _ = example(name)
    half = encoder.clone(dtype=jnp.bfloat16)
    parameters = jax.eval_shape(half.init, jax.random.key(1), x)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(parameters))
    exact, latent = apply(encoder, variables, x), apply(half, variables, x)
    assert latent.dtype == jnp.float32
    np.testing.assert_allclose(latent, exact, atol=0.1)
    assert not np.array_equal(latent, exact)


@pytest.mark.parametrize("name", OF_TOKENS)
def test_masked_tokens_change_nothing_and_get_no_gradient(name):
    encoder, variables, x, _ = example(name)
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 0, 1, 0]], bool)
    other = np.where(mask[..., None], x, np.float32(100))
    latent = apply(encoder, variables, x, mask)
    np.testing.assert_array_equal(apply(encoder, variables, other, mask), latent)
    np.testing.assert_allclose(apply(encoder, variables, x[1:2, :2]), latent[1:2], rtol=1e-5, atol=1e-6)
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(encoder.apply(variables, x, mask) ** 3)))(x)
    assert np.array_equal(np.any(np.asarray(gradient) != 0, axis=2), mask)


@pytest.mark.parametrize("name", OF_TOKENS)
def test_a_sample_without_tokens_has_a_finite_latent_and_gradient(name):
    encoder, variables, x, _ = example(name)
    none = np.array([True, False, True])

    def loss(variables, x):
        return jnp.sum(encoder.apply(variables, x, none) ** 2)

    assert np.all(np.isfinite(apply(encoder, variables, x, none)))
    to_variables, to_x = jax.jit(jax.grad(loss, argnums=(0, 1)))(variables, x)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(to_variables))
    assert np.array_equal(np.any(np.asarray(to_x) != 0, axis=(1, 2)), none)


def test_sets_have_no_order_and_sequences_do():
    for name, has_order in (("set", False), ("transformer", True)):
        encoder, variables, x, _ = example(name)
        latent, reversed_latent = (apply(encoder, variables, order) for order in (x, x[:, ::-1]))
        assert np.allclose(latent, reversed_latent, atol=1e-5) is not has_order


def test_a_set_is_its_mean_and_maximum():
    encoder = SetEncoder((1,), (1,))
    x = jnp.array([[[1.0], [5.0], [9.0]], [[-4.0], [2.0], [0.0]]])
    one, zero = jnp.ones((1, 1)), jnp.zeros(1)
    params = {"phi": {"Dense_0": {"kernel": one, "bias": zero}}}
    params["rho"] = {"Dense_0": {"kernel": jnp.array([[10.0], [1.0]]), "bias": zero}}
    mask = jnp.array([[1, 1, 0], [1, 0, 0]], bool)
    latent = encoder.apply({"params": params}, x, mask)
    np.testing.assert_allclose(latent, [[10 * 3 + 5], [10 * -4 - 4]])
    np.testing.assert_allclose(encoder.apply({"params": params}, x, jnp.zeros((2, 3), bool)), jnp.zeros((2, 1)))


@pytest.mark.parametrize(
    "encoder",
    [
        MLP((20, 3), dropout=0.5),
        Transformer(4, num_layers=1, num_heads=1, dropout=0.5),
        SetEncoder((20, 4), (3,), dropout=0.5),
    ],
    ids=lambda encoder: type(encoder).__name__,
)
def test_dropout_follows_the_key_in_training_and_is_off_otherwise(encoder):
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    variables = jax.jit(encoder.init)(jax.random.key(1), x)

    @jax.jit
    def encode(seed):
        return encoder.apply(variables, x, train=True, rngs={"dropout": jax.random.key(seed)})

    np.testing.assert_array_equal(encode(0), encode(0))
    assert not np.allclose(encode(0), encode(1))
    assert not np.allclose(encode(0), apply(encoder, variables, x))


@pytest.mark.parametrize(
    ("encoder", "shape", "mask"),
    [
        (MLP((3,)), (2, 4), (2, 4)),
        (ResNet18(width=1), (2, 16, 16), (2,)),
        (SpectrogramCNN((2,)), (2, 4, 4), (2, 4)),
        (Transformer(4), (2, 3), (2, 3)),
        (SetEncoder((2,), (2,)), (2, 3, 1), (2, 4)),
    ],
)
def test_wrong_shapes_are_refused(encoder, shape, mask):
    with pytest.raises(AssertionError):
        jax.eval_shape(encoder.init, jax.random.key(0), jnp.zeros(shape), jnp.ones(mask, bool))


@pytest.mark.parametrize(
    ("encoder", "message"),
    [(Transformer(6, num_heads=4), "divisible by num_heads=4; got 6"), (Transformer(5), "even width; got 5")],
)
def test_widths_that_do_not_divide_are_refused(encoder, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(encoder.init, jax.random.key(0), jnp.zeros((1, 2, 3)))


@pytest.mark.parametrize("name", ENCODERS)
def test_configurations_compare_and_hash(name):
    encoder = ENCODERS[name][0]
    assert encoder == encoder.clone()
    assert hash(encoder) == hash(encoder.clone())
    assert encoder != encoder.clone(dtype=jnp.bfloat16)
