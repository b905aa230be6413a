import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.models import AttentionFusion, ConcatMLP, FiLM, FusionHead, GatedFusion, LateLinear, LinearMaps, SumMLP

HEADS = {
    "late_linear": LateLinear(3),
    "sum_mlp": SumMLP(3, features=(7, 5), dropout=0.5),
    "concat": ConcatMLP(3, features=(7,), dropout=0.5),
    "film": FiLM(3, condition="b"),
    "gated": GatedFusion(3, width=5),
    "attention": AttentionFusion(3, width=8, num_layers=1, num_heads=2, dropout=0.5),
}
SUMS = ("late_linear", "sum_mlp")
WIDTHS = {"a": 2, "b": 4, "c": 3}
MASKS = {"a": np.array([1, 0, 1, 0], bool), "c": np.array([1, 1, 0, 0], bool)}


@functools.cache
def example(name):
    """A head, its variables with biases that are not zero, and latents of four samples."""
    head = HEADS[name]
    numbers = np.random.default_rng(0)
    latents = {m: numbers.normal(size=(4, width)).astype(np.float32) for m, width in WIDTHS.items()}
    variables = jax.jit(head.init)(jax.random.key(1), latents)
    return head, jax.tree.map(lambda leaf: np.asarray(leaf) + np.float32(0.1), variables), latents


def fuse(head, variables, latents, masks=None):
    return jax.jit(head.apply)(variables, latents, masks)


def num_parameters(head, widths):
    variables = jax.eval_shape(head.init, jax.random.key(0), {m: jnp.zeros((1, d)) for m, d in widths.items()})
    return sum(leaf.size for leaf in jax.tree.leaves(variables))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("late_linear", 9 * 3 + 3),
        ("sum_mlp", 9 * 7 + 7 + 7 * 5 + 5 + 5 * 3 + 3),
        ("concat", 9 * 7 + 7 + 7 * 3 + 3),
        ("film", 4 * 2 * 5 + 2 * 5 + 5 * 3 + 3),
        ("gated", 9 * 5 + (9 * 15 + 15) + 5 * 3 + 3),
        # tokens; class token; two norms, attention's 4 maps, MLP of ratio 4; last norm; output
        ("attention", 9 * 8 + 3 * 8 + 8 + 32 + 4 * 72 + (8 * 32 + 32) + (32 * 8 + 8) + 16 + 8 * 3 + 3),
    ],
)
def test_parameters_are_those_counted_by_hand(name, count):
    assert num_parameters(HEADS[name], WIDTHS) == count


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("widths", [{"b": 2, "x": 3}, dict.fromkeys("abcde", 2)], ids=["two", "five"])
def test_any_number_of_modalities_is_fused(name, widths):
    latents = {m: jnp.ones((1, d)) for m, d in widths.items()}
    logits, _ = jax.eval_shape(HEADS[name].init_with_output, jax.random.key(0), latents)
    assert logits.shape == (1, 3)
    assert logits.dtype == jnp.float32


@pytest.mark.parametrize("name", [name for name in HEADS if name != "film"])
def test_one_modality_is_fused(name):
    logits, _ = jax.eval_shape(HEADS[name].init_with_output, jax.random.key(0), {"a": jnp.ones((2, 4))})
    assert logits.shape == (2, 3)


@pytest.mark.parametrize("name", HEADS)
def test_the_order_of_modalities_does_not_matter(name):
    head, variables, latents = example(name)
    backwards = dict(reversed(latents.items()))

    def fused(latents):  # closed over, since jit sorts the dicts that are its arguments
        return jax.jit(lambda variables: head.apply(variables, latents))(variables)

    np.testing.assert_array_equal(fused(backwards), fused(latents))


@pytest.mark.parametrize("name", HEADS)
def test_samples_are_fused_alike_alone_and_among_others(name):
    head, variables, latents = example(name)
    alone = fuse(head, variables, {m: z[:1] for m, z in latents.items()})
    np.testing.assert_allclose(alone, fuse(head, variables, latents)[:1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", HEADS)
def test_absent_modalities_change_nothing_and_get_no_gradient(name):
    head, variables, latents = example(name)
    logits = fuse(head, variables, latents, MASKS)
    other = latents | {m: np.where(mask[:, None], latents[m], np.float32(np.nan)) for m, mask in MASKS.items()}
    np.testing.assert_array_equal(fuse(head, variables, other, MASKS), logits)
    assert not np.allclose(fuse(head, variables, latents)[1:], logits[1:])
    np.testing.assert_allclose(fuse(head, variables, latents)[:1], logits[:1], rtol=1e-5)
    gradient = jax.jit(jax.grad(lambda z: jnp.sum(head.apply(variables, z, MASKS) ** 3)))(other)
    for m, mask in MASKS.items():
        assert np.all(np.asarray(gradient[m])[~mask] == 0)
        assert np.any(np.asarray(gradient[m])[mask] != 0)
    assert np.all(np.isfinite(np.concatenate([gradient[m] for m in WIDTHS], axis=1)))


@pytest.mark.parametrize("name", ["late_linear", "sum_mlp", "gated", "attention"])
def test_the_slice_of_an_absent_modality_gets_no_gradient(name):
    head, variables, latents = example(name)
    masks = {"a": np.zeros(4, bool)}
    gradient = jax.jit(jax.grad(lambda v: jnp.sum(head.apply(v, latents, masks) ** 3)))(variables)
    slices = gradient["params"]["slices"]
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(slices["a"]))
    assert all(np.any(leaf) for leaf in jax.tree.leaves(slices["b"]))


@pytest.mark.parametrize("name", HEADS)
def test_samples_without_any_modality_have_equal_finite_logits(name):
    head, variables, latents = example(name)
    none = {m: np.zeros(4, bool) for m in latents}
    logits = fuse(head, variables, latents, none)
    assert np.all(np.isfinite(logits))
    np.testing.assert_array_equal(logits, np.broadcast_to(logits[:1], logits.shape))


@pytest.mark.parametrize("name", HEADS)
def test_pieces_see_one_modality_and_one_sample(name):
    head, variables, latents = example(name)
    order = np.array([2, 0, 3, 1])
    pieces = head.apply(variables, latents, method="pieces")
    moved = head.apply(variables, latents | {"b": latents["b"][order]}, method="pieces")
    expected = pieces | {"b": jax.tree.map(lambda x: x[order], pieces["b"])}
    chex.assert_trees_all_close(moved, expected, rtol=1e-5)


@pytest.mark.parametrize("name", SUMS)
def test_pieces_of_absent_modalities_add_nothing(name):
    head, variables, latents = example(name)
    zeros = jax.tree.map(np.zeros_like, latents)
    assert not any(np.any(piece) for piece in head.apply(variables, zeros, method="pieces").values())


def test_a_head_without_combine_says_what_it_lacks():
    with pytest.raises(TypeError, match="FusionHead must define combine"):
        FusionHead(3).init(jax.random.key(0), {"a": jnp.ones((1, 2))})


def test_late_linear_is_its_formula():
    head, variables, z = example("late_linear")
    w, bias = variables["params"]["slices"], variables["params"]["bias"]
    expected = z["a"] @ w["a"]["kernel"] + z["b"] @ w["b"]["kernel"] + z["c"] @ w["c"]["kernel"] + bias[None]
    np.testing.assert_allclose(fuse(head, variables, z), expected, rtol=1e-5)


def test_sum_mlp_is_its_formula():
    head, variables, z = example("sum_mlp")
    p = variables["params"]
    a = sum(z[m] @ p["slices"][m]["kernel"] for m in WIDTHS) + p["bias"][None]
    for layer in ("layers_0", "layers_1"):
        a = jnp.maximum(a, 0) @ p[layer]["kernel"] + p[layer]["bias"][None]
    np.testing.assert_allclose(fuse(head, variables, z), a, rtol=1e-4)


@pytest.mark.parametrize("masks", [{}, {"c": np.array([1, 1, 0, 0], bool)}], ids=["all", "some"])
def test_film_is_its_formula(masks):
    head, variables, z = example("film")
    p = variables["params"]
    film = z["b"] @ p["slices"]["b"]["kernel"] + p["slices"]["b"]["bias"][None]
    gamma_a, beta_a, gamma_c, beta_c = np.split(np.asarray(film), [2, 4, 7], axis=1)
    of_c = (gamma_c * z["c"] + beta_c) * masks.get("c", np.ones(4))[:, None]
    modulated = np.concatenate([gamma_a * z["a"] + beta_a, of_c], axis=1)
    expected = modulated @ p["output"]["kernel"] + p["output"]["bias"][None]
    np.testing.assert_allclose(fuse(head, variables, z, masks), expected, rtol=1e-4)


def test_gated_fusion_is_its_formula():
    head, variables, z = example("gated")
    p = variables["params"]
    together = np.concatenate([z["a"], z["b"], z["c"]], axis=1)
    gates = 1 / (1 + np.exp(-(together @ p["gates"]["kernel"] + p["gates"]["bias"][None])))
    candidates = np.concatenate([np.tanh(z[m] @ p["slices"][m]["kernel"]) for m in WIDTHS], axis=1)
    hidden = (gates * candidates).reshape(4, 3, 5).sum(1)
    expected = hidden @ p["output"]["kernel"] + p["output"]["bias"][None]
    np.testing.assert_allclose(fuse(head, variables, z), expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["sum_mlp", "concat", "attention"])
def test_dropout_is_on_in_training_only(name):
    head, variables, latents = example(name)

    @jax.jit
    def train(seed):
        return head.apply(variables, latents, train=True, rngs={"dropout": jax.random.key(seed)})

    np.testing.assert_array_equal(train(0), train(0))
    assert not np.allclose(train(0), train(1))
    assert not np.allclose(train(0), fuse(head, variables, latents))


def test_unimodal_heads_are_one_linear_map_a_modality():
    latents = {"a": jnp.ones((2, 3)), "b": jnp.ones((2, 5))}
    logits, variables = LinearMaps(4).init_with_output(jax.random.key(0), latents)
    assert jax.tree.map(jnp.shape, variables["params"]) == {
        "a": {"kernel": (3, 4), "bias": (4,)},
        "b": {"kernel": (5, 4), "bias": (4,)},
    }
    np.testing.assert_allclose(logits["b"][0], variables["params"]["b"]["kernel"].sum(0), rtol=1e-5)


@pytest.mark.parametrize("modalities", [("a", "c"), ("b",)])
def test_film_needs_its_condition_and_another_modality(modalities):
    with pytest.raises(ValueError, match="FiLM needs 'b' and a modality it conditions"):
        jax.eval_shape(HEADS["film"].init, jax.random.key(0), {m: jnp.ones((1, 2)) for m in modalities})


@pytest.mark.parametrize("name", HEADS)
def test_masks_of_no_modality_are_refused(name):
    head, variables, latents = example(name)
    with pytest.raises(ValueError, match=r"got masks of \['x'\], expected some of the modalities \['a', 'b', 'c'\]"):
        jax.eval_shape(head.apply, variables, latents, {"x": jnp.ones(4, bool)})
