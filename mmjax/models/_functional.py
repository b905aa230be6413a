"""Room models: a multimodal module as pure functions, for those who do not see Flax."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.models._fusion_head import FusionHead
from mmjax.models._multimodal import Multimodal
from mmjax.models._presence import Masks, check_modalities

Variables = dict[str, Any]
"""Collection to tree of arrays: 'params', and with `BatchNorm` 'batch_stats'."""


class Model(NamedTuple):
    """A multimodal model as pure functions, which work under jit, grad, scan, and vmap over keys and variables.

    With `train=True`, dropout needs the `key`; without, all is deterministic. Arguments and results are those of the
    methods of `Multimodal`.
    """

    modalities: tuple[str, ...]
    """Their names, sorted."""
    init: Callable[[Array], Variables]
    """`init(key)`: new variables, float32."""
    encode: Callable[..., tuple[dict[str, Array], Variables]]
    """`encode(variables, modalities, masks=None, *, key=None, train=False)`: the latents, and the collections but
    'params' as they are afterwards (an empty dict where there is none), which only training changes."""
    fuse: Callable[..., Array]
    """`fuse(variables, latents, masks=None, *, key=None, train=False)`: the logits."""
    unimodal: Callable[[Variables, Mapping[str, Array]], dict[str, Array]]
    """`unimodal(variables, latents)`: modality to the logits of its unimodal head."""
    pieces: Callable[[Variables, Mapping[str, Array]], dict[str, Any]]
    """`pieces(variables, latents)`: modality to what it brings to the fusion head by itself, arrays (batch, ...), of
    latents that are 0 where absent. See `FusionHead`; the latents themselves, of heads that do not derive from it."""
    combine: Callable[..., Array]
    """`combine(variables, pieces, masks=None, *, key=None, train=False)`: the logits of the pieces."""
    linear: bool
    """Whether pieces are linear in the latents, and the logits are their sum, but for a bias."""
    labels: Callable[[Any], Any]
    """`labels(params)`: a tree of strings of the structure of `params`, as `parameter_labels`."""


def functional(module: Multimodal, example: Mapping[str, Array | jax.ShapeDtypeStruct]) -> Model:
    """Turn a module into pure functions.

    Equal modules and examples of equal shapes give the same functions, so a jitted function that takes the model as a
    static argument is not traced again.

    Args:
      module: the module.
      example: modality to an array (1, ...), or its shape and dtype; only these are used.

    Returns:
      the functions.

    Raises:
      ValueError: if the example's modalities are not those of the encoders.
    """
    check_modalities(example, module.encoders)
    shapes = tuple(
        (name, example[name].shape, jax.dtypes.canonicalize_dtype(example[name].dtype)) for name in sorted(example)
    )
    return _functional(module, shapes)


@functools.lru_cache(maxsize=128)
def _functional(module: Multimodal, shapes: tuple[tuple[str, tuple[int, ...], Any], ...]) -> Model:
    apply: Callable[..., Any] = module.apply

    def init(key: Array) -> Variables:
        return dict(module.init(key, {name: jnp.zeros(shape, dtype) for name, shape, dtype in shapes}))

    def encode(
        variables: Variables,
        modalities: Mapping[str, Array],
        masks: Masks = None,
        *,
        key: Array | None = None,
        train: bool = False,
    ) -> tuple[dict[str, Array], Variables]:
        statistics = [name for name in variables if name != "params"]
        return apply(variables, modalities, masks, train=train, rngs=_streams(key), mutable=statistics, method="encode")

    def fuse(
        variables: Variables,
        latents: Mapping[str, Array],
        masks: Masks = None,
        *,
        key: Array | None = None,
        train: bool = False,
    ) -> Array:
        return apply(variables, latents, masks, train=train, rngs=_streams(key), method="fuse")

    def unimodal(variables: Variables, latents: Mapping[str, Array]) -> dict[str, Array]:
        return apply(variables, latents, method="unimodal")

    def pieces(variables: Variables, latents: Mapping[str, Array]) -> dict[str, Any]:
        check_modalities(latents, module.encoders)
        return apply(variables, latents, method=_pieces)

    def combine(
        variables: Variables,
        pieces: Mapping[str, Any],
        masks: Masks = None,
        *,
        key: Array | None = None,
        train: bool = False,
    ) -> Array:
        return apply(variables, pieces, masks, train=train, rngs=_streams(key), method=_combine)

    in_two_steps = isinstance(module.head, FusionHead)
    return Model(
        modalities=tuple(name for name, _, _ in shapes),
        init=init,
        encode=encode,
        fuse=fuse,
        unimodal=unimodal,
        pieces=pieces if in_two_steps else lambda _, latents: dict(latents),
        combine=combine if in_two_steps else fuse,
        linear=in_two_steps and module.head.linear,
        labels=parameter_labels,
    )


def _pieces(bound: Multimodal, *args: Any) -> dict[str, Any]:
    return bound.head.pieces(*args)


def _combine(bound: Multimodal, *args: Any, **options: Any) -> Array:
    return bound.head.combine(*args, **options)


def parameter_labels(params: Any) -> Any:
    """Say of each parameter of a `Multimodal` whose it is.

    Args:
      params: its collection 'params', or any tree that begins with the same names.

    Returns:
      a tree of the same structure of "encoder:<modality>", "head:<modality>" for what in the heads sees that
      modality's latent only (its slice of the fusion head, its unimodal head), "strategy" for what a training strategy
      has added, and "head" for the rest.
    """
    return jax.tree.map_with_path(lambda path, _: _label(tuple(step.key for step in path)), params)


def _label(path: tuple[str, ...]) -> str:
    match path:
        case (owner, *_) if owner.startswith("encoders_"):
            return "encoder:" + owner.removeprefix("encoders_")
        case ("unimodal_heads", name, *_) | ("head", "slices", name, *_):
            return "head:" + name
        case ("strategy", *_):
            return "strategy"
        case _:
            return "head"


def _streams(key: Array | None) -> dict[str, Array]:
    return {} if key is None else {"dropout": key}
