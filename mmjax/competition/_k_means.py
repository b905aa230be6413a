"""Room competition: k-means of latents, and how pure its clusters are."""

import jax
import jax.numpy as jnp
from jax import Array

NUM_STARTS = 4


def k_means(key: Array, points: Array, weight: Array, *, num_clusters: int, num_iterations: int = 30) -> Array:
    """Cluster points by Lloyd's iterations from k-means++ starts (Arthur & Vassilvitskii 2007).

    Each further centre is a point drawn with a probability in proportion to its squared distance from the nearest one
    so far. A cluster without points keeps its centre. Of four starts the one is taken whose clusters have the smallest
    sum of squared distances from their centres.

    Args:
      key: PRNG key of the start; the result is a function of it.
      points: (n, width).
      weight: (n,), not negative; points of weight 0 pull no centre and start none.
      num_clusters: static.
      num_iterations: static; all are made.

    Returns:
      the clusters (n,), in [0, num_clusters). Ties go to the first. Not differentiable.
    """

    def iterate(centres: Array, _: None) -> tuple[Array, None]:
        members = jax.nn.one_hot(_nearest(points, centres), num_clusters, dtype=points.dtype) * weight[:, None]
        sizes = jnp.sum(members, axis=0)
        means = members.T @ points / jnp.where(sizes > 0, sizes, 1)[:, None]
        return jnp.where(sizes[:, None] > 0, means, centres), None

    def one(key: Array) -> tuple[Array, Array]:
        centres, _ = jax.lax.scan(iterate, _start(key, points, weight, num_clusters), length=num_iterations)
        distances = _squared_distances(points, centres)
        return jnp.argmin(distances, axis=1), jnp.sum(jnp.min(distances, axis=1) * weight)

    clusters, spread = jax.lax.map(one, jax.random.split(key, NUM_STARTS))
    return clusters[jnp.argmin(spread)]


def purity(clusters: Array, label: Array, weight: Array, *, num_clusters: int, num_classes: int) -> Array:
    """Return the share of points whose class is the most frequent one of their cluster.

    Args:
      clusters: (n,), in [0, num_clusters).
      label: classes (n,), in [0, num_classes).
      weight: (n,), not negative.
      num_clusters: static.
      num_classes: static.

    Returns:
      a scalar in [0, 1]; 0 where no point counts.
    """
    counts = jnp.zeros((num_clusters, num_classes), weight.dtype).at[clusters, label].add(weight)
    total = jnp.sum(weight)
    return jnp.sum(jnp.max(counts, axis=1)) / jnp.where(total > 0, total, 1)


def min_max_scaled(points: Array, weight: Array) -> Array:
    """Map each feature of points (n, width) to [-1, 1] over the points of positive weight; constant ones to -1."""
    counts = weight[:, None] > 0
    low = jnp.min(jnp.where(counts, points, jnp.inf), axis=0)
    high = jnp.max(jnp.where(counts, points, -jnp.inf), axis=0)
    spread = high > low
    scaled = 2 * (points - low[None]) / jnp.where(spread, high - low, 1)[None] - 1
    return jnp.where(counts & spread[None], scaled, -1)


def _start(key: Array, points: Array, weight: Array, num_clusters: int) -> Array:
    log_weight = jnp.log(weight)
    first_key, *keys = jax.random.split(key, num_clusters)
    first = points[jax.random.categorical(first_key, log_weight)]
    centres = jnp.broadcast_to(first[None], (num_clusters, points.shape[1]))
    if not keys:
        return centres

    def add(centres: Array, x: tuple[Array, Array]) -> tuple[Array, None]:
        key, place = x
        distance = jnp.min(_squared_distances(points, centres), axis=1)
        drawn = jax.random.categorical(key, jnp.log(distance) + log_weight)
        return centres.at[place].set(points[drawn]), None

    # Centres to come are copies of the first one, which leaves distances as they are.
    return jax.lax.scan(add, centres, (jnp.stack(keys), jnp.arange(1, num_clusters)))[0]


def _nearest(points: Array, centres: Array) -> Array:
    return jnp.argmin(_squared_distances(points, centres), axis=1)


def _squared_distances(points: Array, centres: Array) -> Array:
    """(n, num_clusters); by the binomial formula, as n x num_clusters x width numbers would be many."""
    products = points @ centres.T
    squares = jnp.sum(points**2, axis=1)[:, None] + jnp.sum(centres**2, axis=1)[None]
    return jnp.maximum(squares - 2 * products, 0)
