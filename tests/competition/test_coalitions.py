import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition._coalitions import (
    coalition_logits,
    coalitions,
    mean_latents,
    num_modalities_of,
    permuted_latents,
    zero_latents,
)
from mmjax.competition._multi_loss import ensemble
from mmjax.models import AttentionFusion, ConcatMLP
from tests.competition.conftest import NUM_CLASSES, model_of, samples


def made(num_modalities=2, head=None, num_samples=6):
    """A model, its variables, the latents and the masks of a batch whose sample 1 lacks the first modality."""
    model = model_of(num_modalities, head)
    variables = jax.jit(lambda key: jax.tree.map(lambda x: x + 0.1, model.init(key)))(jax.random.key(3))
    batch = samples(jax.random.key(4), num_samples, num_modalities)
    masks = batch.masks | {"x1": batch.masks["x1"].at[1].set(False)}
    latents, _ = jax.jit(lambda x: model.encode(variables, x, masks))(batch.modalities)
    return model, variables, latents, masks


def test_sets_are_the_bits_of_their_numbers():
    assert coalitions(3).tolist() == [[bool(s & 1), bool(s & 2), bool(s & 4)] for s in range(8)]
    assert [num_modalities_of(jnp.zeros((2**m, 5))) for m in (1, 2, 3)] == [1, 2, 3]


@pytest.mark.parametrize("count", [1, 3, 6])
def test_a_number_of_values_that_no_modalities_have_is_refused(count):
    with pytest.raises(ValueError, match=f"2\\^M values.*got {count}"):
        num_modalities_of(jnp.zeros(count))


def test_missing_modalities_of_a_linear_head_drop_out_of_the_sum():
    model, variables, latents, masks = made()
    found = jax.jit(lambda z: coalition_logits(model, variables, z, masks))(latents)
    zeroed = {name: jnp.where(masks[name][:, None], z, 0) for name, z in latents.items()}
    pieces = model.pieces(variables, zeroed)
    bias = variables["params"]["head"]["bias"][None]
    expected = [jnp.tile(bias, (6, 1)), pieces["x1"] + bias, pieces["x2"] + bias, sum(pieces.values()) + bias]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found[3], model.fuse(variables, latents, masks), atol=1e-6)


def test_stand_ins_are_zeros_means_and_latents_of_other_samples():
    latents = {"a": jnp.array([[1.0, 2], [3, 4], [100, 100]]), "b": jnp.array([[5.0], [6], [7]])}
    masks = {"a": jnp.array([True, True, False]), "b": jnp.ones(3, bool)}
    zeros, absent = zero_latents(latents, masks)
    assert not any(np.any(x) for x in jax.tree.leaves((zeros, absent)))
    means, present = mean_latents(latents, masks)
    np.testing.assert_allclose(means["a"], np.tile([2.0, 3.0], (3, 1)))
    np.testing.assert_allclose(means["b"], np.full((3, 1), 6))
    assert present is masks
    drawn = jax.vmap(lambda key: permuted_latents(key)(latents, masks)[0])(jax.random.split(jax.random.key(0), 200))
    first, second = np.asarray(drawn["a"])[:, :2, 0], np.asarray(drawn["b"])[..., 0]
    assert {tuple(row) for row in first} == {(1, 3), (3, 1)}
    assert np.all(np.asarray(drawn["a"])[:, 2] == 100)  # the absent one stays where it is
    assert len({tuple(row) for row in second}) == 6
    assert len({(*a, *b) for a, b in zip(first, second, strict=True)}) == 12  # a permutation a modality


def test_a_mean_of_no_sample_is_zero():
    means, _ = mean_latents({"a": jnp.ones((2, 3))}, {"a": jnp.zeros(2, bool)})
    assert not np.any(means["a"])


@pytest.mark.parametrize(
    ("missing", "head"),
    [
        (zero_latents, AttentionFusion(NUM_CLASSES, width=4, num_layers=1, num_heads=1)),
        (mean_latents, ConcatMLP(NUM_CLASSES, (4,))),
        (permuted_latents(jax.random.key(0)), ConcatMLP(NUM_CLASSES, (4,))),
    ],
)
def test_any_head_sees_each_set(missing, head):
    model, variables, latents, masks = made(3, head)
    found = jax.jit(lambda z: coalition_logits(model, variables, z, masks, missing=missing))(latents)
    others, theirs = missing(latents, masks)
    names, fuse = model.modalities, jax.jit(lambda z, present: model.fuse(variables, z, present))
    for members, logits in zip(coalitions(3), found, strict=True):
        z, present = (
            {name: (own if member else other)[name] for name, member in zip(names, members, strict=True)}
            for own, other in ((latents, others), (masks, theirs))
        )
        np.testing.assert_allclose(logits, fuse(z, present), atol=1e-5)


def test_a_strategy_predicts_in_its_own_way():
    model, variables, latents, masks = made()
    found = coalition_logits(model, variables, latents, masks, strategy=ensemble())
    heads = model.unimodal(variables, latents)
    first = jnp.where(masks["x1"][:, None], heads["x1"], 0)
    np.testing.assert_allclose(found, [jnp.zeros_like(first), first, heads["x2"], first + heads["x2"]], atol=1e-6)
