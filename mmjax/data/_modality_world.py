"""Data, modality world: modalities of any number that show the same kind of factors, alike within a cluster.

The generator is ours. Which modalities can share parameters is known: those of one cluster and one renderer, and no
others. It is for methods that have to find that out, as HighMMT does (Liang et al. 2023, TMLR, arXiv 2203.01311).
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.data._renderers import Renderer
from mmjax.data._rotation import random_rotation, rotate


@dataclass(frozen=True)
class WorldModality:
    """A modality of a world."""

    name: str
    """Of the modality, once a world."""
    renderer: Renderer
    """What it looks like."""
    cluster: int = 0
    """Modalities of one cluster and equal renderers show factors in the same way; not negative."""
    noise: float = 1.0
    """Standard deviation of each number's noise, positive; that of the signal is 1 on average."""
    carries: bool = True
    """Whether it shows factors at all, or noise alone."""

    def __post_init__(self) -> None:
        """Refuse a cluster or noise out of range."""
        if self.cluster < 0 or not self.noise > 0:
            raise ValueError(f"cluster must not be negative, and noise be positive; got {self}")


@dataclass(frozen=True)
class ModalityWorld:
    """Modalities, and how many factors they show; hashable, so that it can be static."""

    modalities: tuple[WorldModality, ...]
    """The modalities, at least one."""
    num_factors: int = 2
    """Factors of a sample, S."""

    def __post_init__(self) -> None:
        """Refuse what is no world."""
        names = [modality.name for modality in self.modalities]
        if not names or self.num_factors < 1:
            raise ValueError(f"a world needs a modality and a factor; got {names}, num_factors {self.num_factors}")
        if len(set(names)) < len(names):
            raise ValueError(f"names of modalities must differ; got {', '.join(names)}")

    def modality(self, name: str) -> WorldModality:
        """Return the modality of a name.

        Raises:
          ValueError: if there is none.
        """
        for modality in self.modalities:
            if modality.name == name:
                return modality
        raise ValueError(f"no modality {name!r}; there are {', '.join(one.name for one in self.modalities)}")

    @property
    def groups(self) -> dict[str, int]:
        """Modality to the number of its group, in order of first appearance; the truth that clusterings look for.

        Modalities of one group have one map, and with equal noise one distribution: their heterogeneity is 0. These
        are the ones of equal renderer and cluster; those of noise alone are one group for each renderer.
        """
        kinds = {one.name: (one.renderer, one.cluster if one.carries else None) for one in self.modalities}
        numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds.values()))}
        return {name: numbers[kind] for name, kind in kinds.items()}


class WorldMaps(NamedTuple):
    """How the modalities of a world show its factors."""

    loadings: dict[str, Array]
    """Modality to (num_tokens, num_factors, channels): what a factor of 1 adds to each number; 0 where none carries."""
    noise: dict[str, Array]
    """Modality to the standard deviation of its noise, a scalar; replace it to vary it under `jit`."""


@functools.partial(jax.jit, static_argnames="world")
def world_maps(key: Array, world: ModalityWorld, *, angle: Array | float | None = None) -> WorldMaps:
    """Draw the maps from factors to modalities.

    loading = phi_c / sqrt(S), where the renderer draws phi_c, Gaussian of variance 1, for each cluster c: clusters
    have nothing in common. (To rotate the channels of each cluster at random besides would not change the law.) A
    modality appended to the world leaves the maps of the others as they are.

    With an `angle` heterogeneity is graded. All clusters of a renderer have one phi, whose channels are turned:

        phi_c = phi expm(angle A_c),  A_c = R_c J R_c^T for c > 0,  A_0 = 0,

    with R_c a random rotation and J a quarter turn in the planes of axes 1 and 2, 3 and 4, ... At angle 0 the world is
    homogeneous. With an even number of channels every vector is turned by exactly the angle, so that the loadings of
    cluster 0 and any other have the correlation cos(angle): for one factor, the rho of `linear_transfer`. An odd one
    leaves one direction as it is. Loadings of two other clusters have cos(angle)^2 on average over worlds.

    Args:
      key: PRNG key.
      world: the modalities; static.
      angle: radians; may be traced. None for independent clusters.

    Returns:
      the maps; differentiable in `angle`.

    Raises:
      ValueError: if there is an angle, and a modality of one channel, which cannot be turned.
    """
    renderers = dict.fromkeys(one.renderer for one in world.modalities)
    keys = {renderer: jax.random.fold_in(key, number) for number, renderer in enumerate(renderers)}
    loadings = {}
    for one in world.modalities:
        if angle is not None and one.renderer.channels < 2:
            raise ValueError(f"to turn channels by an angle takes two of them; {one.name!r} has one")
        pattern = _pattern(keys[one.renderer], one, world.num_factors, angle)
        loadings[one.name] = pattern / world.num_factors**0.5 if one.carries else jnp.zeros_like(pattern)
    return WorldMaps(loadings, {one.name: jnp.asarray(one.noise, float) for one in world.modalities})


def render_modality(
    key: Array, world: ModalityWorld, maps: WorldMaps, name: str, factors: Array
) -> tuple[Array, Array | None]:
    """Show factors in a modality.

    x_t = sum_f loading[t, f] s_f + sigma eps_t with eps ~ N(0, I), for each token t; the renderer arranges the tokens.
    The same key, map, noise and factors give the same arrays.

    Args:
      key: PRNG key.
      world: the modalities; static.
      maps: their maps.
      name: of the modality; static.
      factors: s (n, num_factors), for N(0, 1) each the signal has variance 1 on average.

    Returns:
      the array (n, *shape) and, for sets, the mask (n, max_size), True where there is a token; otherwise None.

    Raises:
      ValueError: if the world has no such modality.
    """
    chex.assert_shape(factors, (None, world.num_factors))
    return _render(key, world.modality(name).renderer, maps.loadings[name], maps.noise[name], factors)


def factor_information(maps: WorldMaps, names: Sequence[str]) -> Array:
    """Return what modalities that show the same factors tell of these together, in nats.

    I(s; x) = 1/2 log det(I + sum_m B_m^T B_m / sigma_m^2) for s ~ N(0, I), with B_m (numbers, factors) the loading of
    modality m. Exact for images, sequences and tables; of a set it is that of all tokens in order, an upper bound.

    Args:
      maps: of the world.
      names: of the modalities.

    Returns:
      a scalar, not negative; 0 for noise alone. Differentiable in the maps.
    """
    shown = [jnp.swapaxes(maps.loadings[name] / maps.noise[name], 0, 1) for name in names]
    b = jnp.concatenate([loading.reshape(loading.shape[0], -1) for loading in shown], axis=1)
    return jnp.linalg.slogdet(jnp.eye(b.shape[0]) + rotate(b, b.T))[1] / 2


def _pattern(key: Array, modality: WorldModality, num_factors: int, angle: Array | float | None) -> Array:
    """Draw the pattern of a modality's cluster from the key of its renderer."""
    renderer, cluster_key = modality.renderer, jax.random.fold_in(key, modality.cluster)
    if angle is None or modality.cluster == 0:
        return renderer.pattern(cluster_key, num_factors)
    common = renderer.pattern(jax.random.fold_in(key, 0), num_factors)
    turned = rotate(common.reshape(-1, renderer.channels), _turn(cluster_key, renderer.channels, angle))
    return turned.reshape(common.shape)


@functools.partial(jax.jit, static_argnames="renderer")  # one program for all modalities of a renderer
def _render(key: Array, renderer: Renderer, loading: Array, noise: Array, factors: Array) -> tuple[Array, Array | None]:
    noise_key, arrange_key = jax.random.split(key)
    signal = jnp.einsum("nf,tfd->ntd", factors, loading, precision=jax.lax.Precision.HIGHEST)
    tokens = signal + noise * jax.random.normal(noise_key, signal.shape, signal.dtype)
    return renderer.arrange(arrange_key, tokens)


def _turn(key: Array, dim: int, angle: Array | float) -> Array:
    """Return expm(angle A) for A a quarter turn in dim // 2 random planes, which makes A^3 = -A."""
    planes = random_rotation(key, dim=dim)
    first, second = planes[0 : dim - 1 : 2], planes[1:dim:2]
    quarter = rotate(second.T, first) - rotate(first.T, second)
    return jnp.eye(dim) + jnp.sin(angle) * quarter + (1 - jnp.cos(angle)) * rotate(quarter, quarter)
