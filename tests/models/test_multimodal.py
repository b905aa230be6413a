import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from mmjax.models import (
    MLP,
    AttentionFusion,
    BatchNorm,
    ConcatMLP,
    FiLM,
    GatedFusion,
    LateLinear,
    Multimodal,
    SpectrogramCNN,
    SumMLP,
    Transformer,
    functional,
    parameter_labels,
)

pytestmark = pytest.mark.usefixtures("quickly_compiled")

SHAPES = {"audio": (4, 5), "tab_le": (3,), "text": (4, 2)}
HEADS = (
    LateLinear(3),
    SumMLP(3, features=(6,)),
    ConcatMLP(3),
    FiLM(3, condition="text"),
    GatedFusion(3, width=5),
    AttentionFusion(3, width=4, num_layers=1, num_heads=2),
)


def module(head=HEADS[0], *, dropout=0.0, dtype=jnp.float32, order=("text", "audio", "tab_le")):
    encoders = {
        "audio": SpectrogramCNN((2, 5), norm=BatchNorm, dtype=dtype),
        "tab_le": MLP((6, 4), dropout=dropout, dtype=dtype),
        "text": Transformer(4, num_layers=1, num_heads=2, dropout=dropout, dtype=dtype),
    }
    return Multimodal({name: encoders[name] for name in order}, head, num_outputs=3)


def batch(size):
    numbers = np.random.default_rng(0)
    return {name: numbers.normal(size=(size, *shape)).astype(np.float32) for name, shape in SHAPES.items()}


def model_of(module):
    return functional(module, {name: jax.ShapeDtypeStruct((1, *shape), jnp.float32) for name, shape in SHAPES.items()})


@functools.cache
def example():
    """The model with a late linear head, its variables, and four samples, of which two lack something."""
    model = model_of(module())
    masks = {
        "audio": np.array([1, 0, 1, 1], bool),
        "text": np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]], bool),
    }
    return model, jax.jit(model.init)(jax.random.key(0)), batch(4), masks


def spoiled(x, mask):
    """Put NaN where the mask says that nothing is."""
    return np.where(mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim)), x, np.float32(np.nan))


def logits_of(model, variables, modalities, masks=None, **options):
    latents, _ = model.encode(variables, modalities, masks, **options)
    return model.fuse(variables, latents, masks, **options), model.unimodal(variables, latents)


@pytest.mark.parametrize("train", [False, True])
def test_what_is_absent_changes_nothing(train):
    model, variables, modalities, masks = example()
    encode = jax.jit(functools.partial(model.encode, train=train))
    other = modalities | {m: spoiled(modalities[m], mask) for m, mask in masks.items()}
    (latents, statistics), again = encode(variables, modalities, masks), encode(variables, other, masks)
    jax.tree.map(np.testing.assert_array_equal, (latents, statistics), again)
    assert np.array_equal(np.any(np.asarray(latents["audio"]) != 0, axis=1), [True, False, True, True])
    assert np.array_equal(np.any(np.asarray(latents["text"]) != 0, axis=1), [True, True, False, True])


def test_the_encoder_of_an_absent_modality_gets_no_gradient():
    model, variables, modalities, _ = example()
    masks = {"audio": np.zeros(4, bool)}

    @jax.jit
    @jax.grad
    def gradient(params, modalities):
        fused, unimodal = logits_of(model, variables | {"params": params}, modalities, masks, train=True)
        return jnp.sum(fused**3) + sum(jnp.sum(logits**3) for logits in unimodal.values())

    found = gradient(variables["params"], modalities | {"audio": np.full((4, 4, 5), np.nan, np.float32)})
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(found))
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(found["encoders_audio"]))
    assert any(np.any(leaf) for leaf in jax.tree.leaves(found["encoders_tab_le"]))


@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
def test_labels_have_the_structure_of_the_parameters(head):
    params = jax.eval_shape(model_of(module(head)).init, jax.random.key(0))["params"]
    labels = parameter_labels(params)
    chex.assert_trees_all_equal_structs(labels, params)
    for name in SHAPES:
        assert set(jax.tree.leaves(labels[f"encoders_{name}"])) == {f"encoder:{name}"}
        assert labels["unimodal_heads"][name] == {"kernel": f"head:{name}", "bias": f"head:{name}"}
    slices = labels["head"].pop("slices", {})
    assert all(set(jax.tree.leaves(slices[name])) == {f"head:{name}"} for name in slices)
    assert set(jax.tree.leaves(labels["head"])) == {"head"}
    sliced = {ConcatMLP: set(), FiLM: {"text"}}
    assert set(slices) == sliced.get(type(head), set(SHAPES))


@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
def test_only_late_linear_is_linear(head):
    assert model_of(module(head)).linear is isinstance(head, LateLinear)


class Mean(nn.Module):
    """A head that knows nothing of pieces."""

    def __call__(self, latents, masks=None, *, train=False):
        return sum(latents.values()) / len(latents)


@pytest.mark.parametrize("head", [SumMLP(2), Mean()], ids=lambda head: type(head).__name__)
@pytest.mark.parametrize("train", [False, True])
def test_combining_pieces_is_fusing(head, train):
    model = functional(Multimodal({m: MLP((2,)) for m in "ab"}, head, 2), {m: np.ones((1, 3)) for m in "ab"})
    latents = {m: np.full((3, 2), value, np.float32) for m, value in (("a", 0.5), ("b", -2))}

    @jax.jit
    def both(key):
        variables = model.init(key)
        options = {"key": key, "train": train}
        pieces = model.pieces(variables, latents)
        return model.combine(variables, pieces, **options), model.fuse(variables, latents, **options)

    combined, fused = both(jax.random.key(0))
    np.testing.assert_allclose(combined, fused, rtol=1e-5, atol=1e-6)


def test_models_made_at_once_are_those_made_one_by_one():
    encoders = {"audio": SpectrogramCNN((2,), norm=BatchNorm), "tab_le": MLP((4,))}
    modalities = {name: batch(4)[name] for name in encoders}
    masks = {"audio": np.array([1, 0, 1, 1], bool)}
    model = functional(Multimodal(encoders, SumMLP(3, features=(6,)), 3), modalities)
    keys = jax.random.split(jax.random.key(5), 3)

    def outcome(key):
        variables = model.init(key)
        latents, statistics = model.encode(variables, modalities, masks, train=True)
        return (
            model.fuse(variables, latents, masks, key=key, train=True),
            model.unimodal(variables, latents),
            statistics,
        )

    together, single = jax.jit(jax.vmap(outcome))(keys), jax.jit(outcome)
    alone = [single(key) for key in keys]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *alone)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), together, stacked)
    assert not np.allclose(together[0][0], together[0][1])


def test_statistics_move_only_in_training_and_carry_through_a_scan():
    model, variables, modalities, masks = example()
    _, same = jax.jit(model.encode)(variables, modalities, masks)
    jax.tree.map(np.testing.assert_array_equal, same, {"batch_stats": variables["batch_stats"]})

    def step(variables, _):
        _, statistics = model.encode(variables, modalities, masks, train=True)
        return variables | statistics, None

    after, _ = jax.jit(lambda variables: jax.lax.scan(step, variables, length=100))(variables)
    jax.tree.map(np.testing.assert_array_equal, after["params"], variables["params"])
    moved = after["batch_stats"]["encoders_audio"]["BatchNorm_0"]["mean"]
    once, _ = jax.jit(step)(variables, None)
    first = once["batch_stats"]["encoders_audio"]["BatchNorm_0"]["mean"]
    np.testing.assert_allclose(moved, 10 * first, rtol=1e-3)
    assert np.any(moved)


def test_a_model_without_statistics_has_an_empty_dict_of_them():
    inputs = {m: np.ones((1, 3), np.float32) for m in "ab"}
    model = functional(Multimodal({m: MLP((2,)) for m in "ab"}, LateLinear(1), 1), inputs)
    variables = model.init(jax.random.key(0))
    assert set(variables) == {"params"}
    for train in (False, True):
        assert model.encode(variables, inputs, train=train)[1] == {}


def test_dropout_follows_the_key_in_training():
    inputs = {m: np.ones((1, 3), np.float32) for m in "ab"}
    model = functional(Multimodal({m: MLP((20, 4), dropout=0.5) for m in "ab"}, LateLinear(2), 2), inputs)
    variables = jax.jit(model.init)(jax.random.key(0))

    @functools.partial(jax.jit, static_argnames="train")
    def latent(seed, train):
        return model.encode(variables, inputs, key=jax.random.key(seed), train=train)[0]["a"]

    np.testing.assert_array_equal(latent(0, train=True), latent(0, train=True))
    assert not np.allclose(latent(0, train=True), latent(1, train=True))
    np.testing.assert_array_equal(latent(0, train=False), latent(1, train=False))


def test_bfloat16_activations_give_float32_outputs_near_the_exact_ones():
    model, variables, modalities, masks = example()
    half = model_of(module(dtype=jnp.bfloat16))
    exact, rounded = (jax.jit(functools.partial(logits_of, m))(variables, modalities, masks) for m in (model, half))
    for a, b in zip(jax.tree.leaves(exact), jax.tree.leaves(rounded), strict=True):
        assert b.dtype == jnp.float32
        np.testing.assert_allclose(b, a, atol=0.1)


def test_one_sample_is_treated_as_in_a_batch():
    model, variables, modalities, masks = example()
    logits = jax.jit(functools.partial(logits_of, model))
    alone = logits(variables, *({m: x[1:2] for m, x in tree.items()} for tree in (modalities, masks)))
    among = logits(variables, modalities, masks)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[1:2], rtol=1e-4, atol=1e-5), alone, among)


def test_call_is_encode_fuse_and_unimodal():
    model, variables, modalities, masks = example()
    outputs = jax.jit(module().apply)(variables, modalities, masks)
    fused, unimodal = jax.jit(functools.partial(logits_of, model))(variables, modalities, masks)
    np.testing.assert_allclose(outputs.logits, fused, rtol=1e-5)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), outputs.unimodal, unimodal)
    assert set(outputs.latents) == set(SHAPES)


def test_equal_modules_give_one_model_whatever_the_order_of_modalities():
    first, again = module(), module(order=("audio", "tab_le", "text"))
    assert first == again
    assert hash(first) == hash(again)
    assert first != module(HEADS[1])
    assert model_of(first) is model_of(again)
    assert model_of(first).modalities == ("audio", "tab_le", "text")

    @functools.partial(jax.jit, static_argnames="model")
    @chex.assert_max_traces(1)
    def initial(model, key):
        return model.init(key)

    jax.tree.map(
        np.testing.assert_array_equal,
        initial(model_of(first), jax.random.key(0)),
        initial(model_of(again), jax.random.key(0)),
    )


@pytest.mark.parametrize("change", [{"tab_le": None}, {"smell": 3}], ids=["missing", "unknown"])
def test_other_modalities_than_the_encoders_are_refused(change):
    model, variables, modalities, _ = example()
    changed = {m: x for m, x in (modalities | change).items() if x is not None}
    message = f"got modalities {sorted(changed)}, expected {sorted(modalities)}".replace("[", r"\[").replace("]", r"\]")
    for call in (model.encode, model.fuse, model.unimodal, model.pieces):
        with pytest.raises(ValueError, match=message):
            call(variables, changed)
    with pytest.raises(ValueError, match=message):
        functional(module(), changed)


def test_masks_of_no_modality_are_refused():
    model, variables, modalities, _ = example()
    with pytest.raises(ValueError, match=r"got masks of \['smell'\]"):
        model.encode(variables, modalities, {"smell": jnp.ones(4, bool)})


def test_a_head_of_another_number_of_outputs_is_refused():
    with pytest.raises(AssertionError):
        jax.eval_shape(model_of(module(LateLinear(2))).init, jax.random.key(0))
