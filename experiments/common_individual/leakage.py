"""Experiments, common and individual: penalties of what individual representations tell about common ones nonlinearly.

Uncorrelated is not independent. Each penalty is a measure of dependence between the individual representation of a view
and the common ones of all views, which it does not move. All are compositions of ours. Equal penalties are the same
object, so that training with them is compiled once.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmjax import correlation, models
from mmjax.models import Network

Tree = Any
RIDGE = 1e-3
NUM_FEATURES = 64
WIDTH = 64


@dataclass(frozen=True)
class Penalty:
    """A term of the loss, perhaps with parameters that are trained against it."""

    pair: Callable[[Tree, Array, Array, Array], Array]
    """`pair(params, key, individual, common)`: to be minimised."""
    weight: float
    network: Callable[[int, int], Network] | None = None
    """From the widths of both representations to the adversary of a pair."""

    def init(self, key: Array, num_views: int, num_individual: int, num_common: int) -> Tree:
        """Return the parameters of the adversaries of all pairs, or nothing."""
        if self.network is None:
            return [[None] * num_views] * num_views
        net = self.network(num_individual, num_common)
        return [[net.init(k) for k in row] for row in jax.random.split(key, (num_views, num_views))]

    def loss(self, params: Tree, key: Array, individual: list[Array], common: list[Array]) -> Array:
        """Return the weighted sum over all pairs of an individual and a common representation."""
        keys = jax.random.split(key, (len(individual), len(common)))
        pairs = [
            self.pair(params[i][c], keys[i, c], _standardised(individual[i]), _standardised(common[c]))
            for i in range(len(individual))
            for c in range(len(common))
        ]
        return self.weight * sum(pairs, jnp.zeros(()))


@functools.cache
def quadratic(weight: float = 1.0) -> Penalty:
    """Decorrelate from products of two common components, as well as from the components."""
    return Penalty(lambda _, key, i, c: _correlation(i, _with_products(c)), weight)


@functools.cache
def random_features(weight: float = 1.0) -> Penalty:
    """Decorrelate random cosines of the individual representation from random cosines of the common one."""

    def pair(_: Tree, key: Array, individual: Array, common: Array) -> Array:
        keys = jax.random.split(key)
        return _correlation(_cosines(keys[0], individual), _cosines(keys[1], common))

    return Penalty(pair, weight)


@functools.cache
def independence(weight: float = 1.0) -> Penalty:
    """Minimise the Hilbert-Schmidt independence criterion (Gaussian kernels), over its values of each with itself."""

    def pair(_: Tree, key: Array, individual: Array, common: Array) -> Array:
        one, other = (correlation.gaussian_kernel(x, jnp.sqrt(x.shape[1])) for x in (individual, common))
        own = correlation.hsic(one, one) * jax.lax.stop_gradient(correlation.hsic(other, other))
        return correlation.hsic(one, other) / jnp.sqrt(own)

    return Penalty(pair, weight)


@functools.cache
def adversary(weight: float = 1.0) -> Penalty:
    """Minimise what a network explains of the common representation, which is trained to explain as much as it can."""

    def network(num_individual: int, num_common: int) -> Network:
        example = jax.ShapeDtypeStruct((1, num_individual), jnp.float32)
        return models.network(models.MLP((WIDTH, WIDTH, num_common), activation=jax.nn.gelu), example)

    def pair(params: Tree, key: Array, individual: Array, common: Array) -> Array:
        net = network(individual.shape[1], common.shape[1])

        def error(params: Tree, individual: Array) -> Array:
            return jnp.mean((net.apply(params, individual) - common) ** 2)

        stop = jax.lax.stop_gradient
        return 5 * error(params, stop(individual)) - error(stop(params), individual)

    return Penalty(pair, weight, network)


def _correlation(x: Array, y: Array) -> Array:
    return correlation.mean_squared_correlation(x, y, ridge=RIDGE)


def _with_products(x: Array) -> Array:
    rows, columns = np.triu_indices(x.shape[1])
    return jnp.concatenate([x, x[:, rows] * x[:, columns]], axis=1)


def _cosines(key: Array, x: Array) -> Array:
    frequencies, phases = jax.random.split(key)
    angles = x @ jax.random.normal(frequencies, (x.shape[1], NUM_FEATURES))
    return jnp.cos(angles + jax.random.uniform(phases, (1, NUM_FEATURES), maxval=2 * np.pi))


def _standardised(x: Array) -> Array:
    centred = x - jnp.mean(x, axis=0, keepdims=True)
    return centred * jax.lax.rsqrt(jnp.mean(centred**2, axis=0, keepdims=True) + 1e-12)
