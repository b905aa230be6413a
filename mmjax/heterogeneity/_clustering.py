"""Room heterogeneity: clusters of nodes, by SciPy on the host, and what sharing within them costs."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmjax.heterogeneity._checks import checked_distances
from mmjax.heterogeneity._groups import numbered

Linkage = Literal["average", "complete", "single"]


def cluster(distances: ArrayLike, num_clusters: int, *, linkage: Linkage = "average") -> tuple[int, ...]:
    """Merge the nearest clusters, from single nodes on, until `num_clusters` are left.

    The distance of two clusters is the average, the largest or the smallest distance between their nodes. Triangle
    inequalities need not hold; where many distances are 0, "single" chains nearly all nodes.

    Ties are broken as `scipy.cluster.hierarchy.linkage` breaks them, the same way every time: "average" and "complete"
    follow chains of nearest neighbours from the first node on, among equally near clusters to the one before in the
    chain, else to the first, where a merged cluster has the place of its later part; "single" takes the minimum
    spanning tree that grows from the first node; of merges at equal distances the one found first comes first. Where
    distances tie, clusters therefore depend on the order of the nodes, and others may be as good.

    Args:
      distances: (n, n), symmetric, >= 0, zero on the diagonal.
      num_clusters: in [1, n].
      linkage: "average", "complete" or "single".

    Returns:
      n numbers, the cluster of each node, numbered by first occurrence.

    Raises:
      ValueError: if `distances` are none (`check_distances`), or an option is out of range.
    """
    d = checked_distances(distances)
    if not 1 <= num_clusters <= len(d):
        raise ValueError(f"num_clusters must be in [1, {len(d)}] for {len(d)} nodes; got {num_clusters}")
    clusters = list(_partitions(d, linkage))[len(d) - num_clusters]
    labels = {node: number for number, nodes in enumerate(clusters) for node in nodes}
    return numbered(labels[node] for node in range(len(d)))


def within_cluster_cost(distances: ArrayLike, groups: Sequence[int]) -> float:
    """Return how far nodes are from those they share parameters with: what a sharing plan gives up.

      W = sum over nodes of its average distance to the other nodes of its group, 0 where it is alone

    (ours). Splitting a cluster of average linkage never raises it; the sum of the clusters' averages, each counted once
    whatever its size, would rise as soon as clusters of alike distances split.

    Args:
      distances: (n, n), symmetric, >= 0, zero on the diagonal.
      groups: n numbers, the group of each node.

    Returns:
      W >= 0, in the units of `distances`.

    Raises:
      ValueError: if `distances` are none (`check_distances`), or there are not n groups.
    """
    d = checked_distances(distances)
    if len(groups) != len(d):
        raise ValueError(f"groups must be of {len(d)} nodes, as distances are; got {len(groups)}")
    return sum(_cost(d, np.flatnonzero(np.asarray(groups) == group)) for group in set(groups))


def cost_curve(distances: ArrayLike, *, linkage: Linkage = "average") -> NDArray[np.float64]:
    """Return the cost W of the clusters of one dendrogram, for every number of clusters.

    Args:
      distances: (n, n), symmetric, >= 0, zero on the diagonal.
      linkage: as for `cluster`.

    Returns:
      (n,), entry k - 1 of k clusters: `within_cluster_cost` of `cluster`; it does not rise with "average". 0 at n.

    Raises:
      ValueError: if `distances` are none (`check_distances`), or the linkage is unknown.
    """
    d = checked_distances(distances)
    costs: dict[tuple[int, ...], float] = {}
    curve = []
    for clusters in _partitions(d, linkage):
        costs = {nodes: costs[nodes] if nodes in costs else _cost(d, nodes) for nodes in clusters}
        curve.append(sum(costs.values()))
    return np.asarray(curve[::-1])


def _partitions(d: NDArray[np.float64], linkage: Linkage) -> Iterator[list[tuple[int, ...]]]:
    """Yield the clusters of a dendrogram, n of them first, one last."""
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    if linkage not in get_args(Linkage):
        raise ValueError(f"linkage must be one of {get_args(Linkage)}; got {linkage!r}")
    clusters: dict[int, tuple[int, ...]] = {node: (node,) for node in range(len(d))}
    yield list(clusters.values())
    # SciPy knows no dendrogram of a single node. Its `cut_tree` would cut tied merges in another order than this.
    merges = hierarchy.linkage(squareform(d, checks=False), linkage) if len(d) > 1 else np.zeros((0, 4))
    for number, (first, second) in enumerate(merges[:, :2].astype(int).tolist(), start=len(d)):
        clusters[number] = clusters.pop(first) + clusters.pop(second)
        yield list(clusters.values())


def _cost(d: NDArray[np.float64], nodes: Any) -> float:
    return float(d[np.ix_(nodes, nodes)].sum()) / max(len(nodes) - 1, 1)
