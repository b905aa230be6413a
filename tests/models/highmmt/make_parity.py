"""Makes parity.npz: weights, inputs and logits of a HighMMT made of the layers of perceiver-multi-modality-pytorch.

The package (1.4.0) declares torch < 2 but works with a newer one; install it without its dependencies, beside torch and
einops, in an environment of its own. Then: python make_parity.py
"""

from pathlib import Path

import numpy as np
import torch
from perceiver_pytorch.caching import cache_by_name_fn
from perceiver_pytorch.common import build_perceiver_layers
from perceiver_pytorch.modalities import InputModality, modality_encoding
from perceiver_pytorch.perceiver_pytorch import Attention, FeedForward, PreNorm, fourier_encode

WIDTH, NUM_LATENTS, HEAD_SIZE = 8, 4, 4
CONTEXT_HEADS, LATENT_HEADS, CROSSMODAL_HEADS, NUM_LAYERS = 1, 3, 2, 2
BATCH, NUM_OUTPUTS = 5, 3
MODALITIES = {  # in the order of their codes; not the order of their names
    "sequence": ((5,), InputModality("sequence", 3, 1, 3, 1.0)),
    "image": ((3, 4), InputModality("image", 2, 2, 2, 8.0)),
    "table": ((6,), InputModality("table", 1, 1, 6, 1.0)),
}
TASKS = {"one": ("image",), "two": ("sequence", "image"), "three": ("table", "sequence", "image")}
INPUT_WIDTH = max(modality.input_dim for _, modality in MODALITIES.values())


def layers(context_width: int, context_heads: int) -> torch.nn.Module:
    """Stack the package's layers as its models do."""
    made = torch.nn.ModuleList()
    parts = (
        lambda: PreNorm(WIDTH, Attention(WIDTH, context_width, context_heads, HEAD_SIZE), context_dim=context_width),
        lambda: PreNorm(WIDTH, FeedForward(WIDTH)),
        lambda: PreNorm(WIDTH, Attention(WIDTH, None, LATENT_HEADS, HEAD_SIZE)),
        lambda: PreNorm(WIDTH, FeedForward(WIDTH)),
    )
    build_perceiver_layers(made, NUM_LAYERS, *map(cache_by_name_fn, parts), weight_tie_layers=False)
    return shaken(made)


def shaken(module: torch.nn.Module) -> torch.nn.Module:
    """Move all parameters, so that no scale is 1 and no offset 0."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return module


def tokens_of(name: str, x: torch.Tensor) -> torch.Tensor:
    """Bring a modality to (batch, tokens, INPUT_WIDTH + codes)."""
    axes, modality = MODALITIES[name]
    grid = torch.stack(torch.meshgrid(*(torch.linspace(-1, 1, size) for size in axes), indexing="ij"), dim=-1)
    places = fourier_encode(grid, modality.max_freq, modality.num_freq_bands, modality.freq_base).flatten(-2)
    zeros = torch.zeros(*x.shape[:-1], INPUT_WIDTH - modality.input_dim)
    code = modality_encoding(BATCH, axes, list(MODALITIES).index(name), len(MODALITIES))
    return torch.cat([x, zeros, places.expand(BATCH, *places.shape), code], dim=-1).flatten(1, -2)


def through(stack: torch.nn.Module, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    """Pass latents through a stack, every part residual, the latents' own transformer too."""
    for context_attention, feed_forward, latent_transformer in stack:
        x = x + context_attention(x, context=context)
        x = x + feed_forward(x)
        x = x + latent_transformer(x)
    return x


def main() -> None:
    """Draw, compute and write."""
    torch.manual_seed(0)
    latents = torch.randn(NUM_LATENTS, WIDTH)
    encoder = layers(INPUT_WIDTH + len(MODALITIES), CONTEXT_HEADS)
    crossmodal = layers(WIDTH, CROSSMODAL_HEADS)
    arrays = {"latents": latents}
    inputs = {name: torch.randn(BATCH, *axes, modality.input_channels) for name, (axes, modality) in MODALITIES.items()}
    for task, names in TASKS.items():
        encoded = {
            name: through(encoder, latents.expand(BATCH, -1, -1), tokens_of(name, inputs[name]))
            for name in sorted(names)
        }
        fused = [
            through(crossmodal, encoded[query], encoded[context])[:, -1]
            for query in encoded
            for context in encoded
            if query != context
        ]
        features = torch.cat(fused, dim=1) if fused else encoded[names[0]].flatten(1)
        width = features.shape[1]
        head = shaken(torch.nn.Sequential(torch.nn.LayerNorm(width), torch.nn.Linear(width, NUM_OUTPUTS)))
        arrays |= {f"logits/{task}": head(features)}
        arrays |= {f"heads/{task}/{name}": value for name, value in head.state_dict().items()}
    arrays |= {f"inputs/{name}": value for name, value in inputs.items()}
    for owner, stack in (("encoder", encoder), ("crossmodal", crossmodal)):
        arrays |= {f"{owner}/{name}": value for name, value in stack.state_dict().items()}
    path = Path(__file__).parent / "parity.npz"
    np.savez_compressed(path, **{name: value.detach().numpy().astype(np.float32) for name, value in arrays.items()})


if __name__ == "__main__":
    main()
