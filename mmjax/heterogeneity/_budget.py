"""Room heterogeneity: groups of parameters under a budget, and one group for each modality."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmjax.heterogeneity._checks import checked_distances
from mmjax.heterogeneity._clustering import Linkage, cluster, cost_curve
from mmjax.heterogeneity._groups import numbered
from mmjax.heterogeneity._sharing_plan import SharingPlan

ROUNDING = 1e-12
"""Costs that differ by this part of the largest are as good as equal."""


def budgeted_groups(
    unimodal_distances: ArrayLike,
    crossmodal_distances: ArrayLike,
    *,
    budget: float,
    unimodal_size: float,
    crossmodal_size: float,
    linkage: Linkage = "average",
) -> SharingPlan:
    """Choose how many unimodal and crossmodal groups a budget of parameters is best spent on (ours).

      minimise W_U(k_u) + W_C(k_c)  subject to  k_u unimodal_size + k_c crossmodal_size <= budget,

    W the cost of the clusters (`cost_curve`), over all n_u n_c choices. Both matrices must have one unit.

    Args:
      unimodal_distances: (n_u, n_u) between (modality, task) nodes.
      crossmodal_distances: (n_c, n_c) between (pair of modalities, task) nodes.
      budget: number of parameters.
      unimodal_size: parameters of one unimodal group, > 0.
      crossmodal_size: parameters of one crossmodal group, > 0.
      linkage: as for `cluster`.

    Returns:
      the plan. Among equal costs that of fewer parameters, then of fewer unimodal groups.

    Raises:
      ValueError: if one group each exceeds the budget, a size is not positive, or distances are none.
    """
    if not (unimodal_size > 0 and crossmodal_size > 0):
        raise ValueError(f"sizes of groups must be positive; got {unimodal_size} and {crossmodal_size}")
    if not unimodal_size + crossmodal_size <= budget:
        raise ValueError(
            f"one unimodal and one crossmodal group have {unimodal_size + crossmodal_size} parameters, more than the "
            f"budget of {budget}; raise it"
        )
    unimodal_costs = cost_curve(unimodal_distances, linkage=linkage)
    crossmodal_costs = cost_curve(crossmodal_distances, linkage=linkage)
    costs = unimodal_costs[:, None] + crossmodal_costs[None]
    num_unimodal, num_crossmodal = (np.arange(1, num + 1) for num in costs.shape)
    sizes = num_unimodal[:, None] * unimodal_size + num_crossmodal[None] * crossmodal_size
    affordable = sizes <= budget
    least = costs[affordable].min() + ROUNDING * costs.max()
    best = np.argwhere(affordable & (costs <= least))
    _, k_u, k_c = min((sizes[i, j], i + 1, j + 1) for i, j in best.tolist())
    return SharingPlan(
        cluster(unimodal_distances, k_u, linkage=linkage), cluster(crossmodal_distances, k_c, linkage=linkage)
    )


def collapse_by_modality(
    groups: Sequence[int], modalities: Sequence[Hashable], distances: ArrayLike
) -> tuple[int, ...]:
    """Put all nodes of a modality in one group, for models that know a modality by one encoder.

    A modality goes where most of its nodes are; where groups tie, to the one that its nodes are nearest to on average
    over the group's other nodes, as they were before; then to the first. Groups that nobody is left in vanish.

    Args:
      groups: n numbers, the group of each (modality, task) node.
      modalities: n labels, the modality of each.
      distances: (n, n) between the nodes.

    Returns:
      n numbers, numbered by first occurrence.

    Raises:
      ValueError: if lengths differ, or `distances` are none (`check_distances`).
    """
    d = checked_distances(distances)
    if not len(groups) == len(modalities) == len(d):
        raise ValueError(f"{len(groups)} groups, {len(modalities)} modalities and {len(d)} nodes of distances differ")
    numbers = np.asarray(numbered(modalities))
    home = {number: _home(np.asarray(groups), numbers == number, d) for number in set(numbers.tolist())}
    return numbered(home[number] for number in numbers.tolist())


def _home(groups: NDArray[np.int64], members: NDArray[np.bool_], d: NDArray[np.float64]) -> int:
    """Return the group that a modality's nodes go to."""

    def rank(group: int) -> tuple[int, float, int]:
        others = members[:, None] & (groups == group)[None] & ~np.eye(len(d), dtype=bool)
        nearness = float(d[others].mean()) if others.any() else 0.0
        return -int((groups[members] == group).sum()), nearness, group

    return min(set(groups[members].tolist()), key=rank)
