"""Logits equal those of the layers of perceiver-multi-modality-pytorch 1.4.0; see make_parity.py."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.models.highmmt import Architecture, HighMMT, Layout, ModalitySpec, TaskSpec

FIXTURE = Path(__file__).parent / "parity.npz"
LAYOUT = Layout(
    (
        ModalitySpec("sequence", (5,), 3, num_bands=3),
        ModalitySpec("image", (3, 4), 2, num_bands=2, max_frequency=8.0),
        ModalitySpec("table", (6,), 1),
    ),
    (
        TaskSpec("one", ("image",), 3),
        TaskSpec("two", ("sequence", "image"), 3),
        TaskSpec("three", ("table", "sequence", "image"), 3),
    ),
)
SIZES = Architecture(
    num_latents=4,
    width=8,
    head_size=4,
    num_latent_heads=3,
    num_crossmodal_heads=2,
    num_layers=2,
    num_crossmodal_layers=2,
    double_residual=True,
)


def norm(arrays, name):
    return {"scale": arrays[f"{name}.weight"], "bias": arrays[f"{name}.bias"]}


def attention(arrays, name, num_heads):
    query, key_value, output = (arrays[f"{name}.fn.{part}.weight"] for part in ("to_q", "to_kv", "to_out.0"))
    heads = (num_heads, SIZES.head_size)
    return {
        "query": {"kernel": query.T.reshape(-1, *heads)},
        "key_value": {"kernel": key_value.T.reshape(-1, 2, *heads)},
        "output": {"kernel": output.T.reshape(*heads, -1), "bias": arrays[f"{name}.fn.to_out.0.bias"]},
    }


def feed_forward(arrays, name):
    first, second = (
        {"kernel": arrays[f"{name}.fn.net.{place}.weight"].T, "bias": arrays[f"{name}.fn.net.{place}.bias"]}
        for place in (0, 3)
    )
    return {"LayerNorm_0": norm(arrays, f"{name}.norm"), "Dense_0": first, "Dense_1": second}


def stack(arrays, owner, num_context_heads):
    def layer(place):
        name = f"{owner}/{place}"
        latent = f"{name}.2.latent_blocks.0"
        return {
            "query_norm": norm(arrays, f"{name}.0.norm"),
            "context_norm": norm(arrays, f"{name}.0.norm_context"),
            "context_attention": attention(arrays, f"{name}.0", num_context_heads),
            "context_feed_forward": feed_forward(arrays, f"{name}.1"),
            "latent_norm": norm(arrays, f"{latent}.0.norm"),
            "latent_attention": attention(arrays, f"{latent}.0", SIZES.num_latent_heads),
            "latent_feed_forward": feed_forward(arrays, f"{latent}.1"),
        }

    return {f"layers_{place}": layer(place) for place in range(2)}


def parameters(arrays):
    def head(task):
        name = f"heads/{task}"
        linear = {"kernel": arrays[f"{name}/1.weight"].T, "bias": arrays[f"{name}/1.bias"]}
        return {"LayerNorm_0": norm(arrays, f"{name}/0"), "Dense_0": linear}

    encoder = {"latents": arrays["latents"], "stack": stack(arrays, "encoder", SIZES.num_context_heads)}
    return {
        "encoder": {name: one_group(tree) for name, tree in encoder.items()},
        "crossmodal": one_group(stack(arrays, "crossmodal", SIZES.num_crossmodal_heads)),
        "heads": {task.name: head(task.name) for task in LAYOUT.tasks},
    }


def one_group(tree):
    return {name: one_group(part) for name, part in tree.items()} if isinstance(tree, dict) else tree[None]


@pytest.mark.usefixtures("quickly_compiled")
@pytest.mark.parametrize("task", ["one", "two", "three"])
def test_logits_equal_those_of_the_published_layers(task):
    with np.load(FIXTURE) as file:
        arrays = {name: jnp.asarray(file[name]) for name in file}
    model = HighMMT(SIZES, LAYOUT)
    inputs = {task: {name: arrays[f"inputs/{name}"] for name in LAYOUT.task(task).modalities}}
    logits = jax.jit(lambda params: model.apply(params, inputs, LAYOUT.share_all()))(parameters(arrays))
    np.testing.assert_allclose(logits[task], arrays[f"logits/{task}"], atol=1e-5)
