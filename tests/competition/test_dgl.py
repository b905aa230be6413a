"""Disentangled gradients: the head follows the fused loss alone, each encoder its own loss alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mmjax.competition import joint, regression
from mmjax.competition._dgl import dgl
from tests.competition.conftest import gradients_of, samples
from tests.competition.stage_checks import PlainModel, check_strategy, own_gradients, started


def test_the_head_follows_the_fused_loss_and_encoders_their_own():
    gradients, model, aux, (params, batch, _) = own_gradients(dgl(alpha=4.0), 3, linear=False)
    expected, _, of_joint, _ = own_gradients(joint(), 3, linear=False)
    np.testing.assert_allclose(aux.logits, of_joint.logits, rtol=1e-6)

    def own_loss(params):
        latents, _ = model.encode({"params": params}, batch.modalities)
        logits = [
            model.fuse({"params": params}, latents, {other: jnp.full(8, other == name) for other in latents})
            for name in latents
        ]
        return 4 * sum(optax.softmax_cross_entropy_with_integer_labels(u, batch.label).mean() for u in logits)

    own = jax.jit(jax.grad(own_loss))(params)
    for part in params:
        reference = own if part.startswith("encoders_") else expected
        jax.tree.map(
            lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6), gradients[part], reference[part]
        )


def test_of_a_linear_head_a_modality_alone_is_its_slice():
    model, batch = PlainModel(), samples(jax.random.key(2))
    params, statistics, state = started(dgl(), model)
    value = dgl(alpha=1.0).loss(model, params, statistics, state, batch, jax.random.key(0))[0]
    latents, _ = model.encode({"params": params}, batch.modalities)
    bias = params["head"]["bias"]
    slices = [latents[name] @ params["head"]["slices"][name]["kernel"] for name in ("x1", "x2")]
    losses = [
        optax.softmax_cross_entropy_with_integer_labels(logits, batch.label).mean()
        for logits in (sum(slices) + bias[None], slices[0] + bias[None], slices[1] + bias[None])
    ]
    np.testing.assert_allclose(value, sum(losses), rtol=1e-6)


def test_an_encoder_sees_only_samples_with_its_modality():
    model, batch = PlainModel(), samples(jax.random.key(2))
    masks = batch.masks | {"x1": jnp.arange(8) < 3}
    kept = jax.tree.map(lambda x: x[:3], batch)
    params, statistics, state = started(dgl(), model)
    ours, few = (
        gradients_of(dgl(), model, params, statistics, state, of)[0]["encoders_x1"]
        for of in (batch._replace(masks=masks), kept)
    )
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6), ours, few)


def test_jit_vmap_and_hard_batches(thorough):
    check_strategy(lambda alpha: dgl(alpha=alpha), jnp.array([0.5, 4.0]), 3, thorough=thorough)
    check_strategy(
        lambda alpha: dgl(regression, alpha=alpha), jnp.array([0.5, 4.0]), label="targets", thorough=thorough
    )
