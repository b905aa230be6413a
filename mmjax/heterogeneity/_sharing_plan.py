"""Room heterogeneity: which nodes share which group of parameters."""

import dataclasses
import operator
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmjax.heterogeneity._groups import numbered


class PlanIndices(NamedTuple):
    """A sharing plan as arrays, which a program may take as an argument."""

    unimodal: Array
    """(..., num_nodes) int32, the group of each (modality, task)."""
    crossmodal: Array
    """(..., num_pairs) int32, the group of each (pair of modalities, task)."""


@dataclasses.dataclass(frozen=True)
class SharingPlan:
    """Which parameters each node uses: its group, among groups 0, 1, ... without holes.

    Frozen and hashable, so that a plan can be a static argument; `indices` and `stack` give arrays, so that one
    compiled program serves many plans.
    """

    unimodal: tuple[int, ...]
    """The group of each (modality, task) node, at least one node."""
    crossmodal: tuple[int, ...]
    """The group of each (unordered pair of modalities, task) node; empty where no task has two modalities."""

    def __post_init__(self) -> None:
        """Refuse groups that are no numbers, or leave one out."""
        for name in ("unimodal", "crossmodal"):
            groups = tuple(operator.index(group) for group in getattr(self, name))
            object.__setattr__(self, name, groups)
            if set(groups) != set(range(len(set(groups)))):
                raise ValueError(f"{name} groups must be 0, 1, ... without holes; got {sorted(set(groups))}")
        if not self.unimodal:
            raise ValueError("a sharing plan needs at least one (modality, task) node; got none")

    @property
    def num_unimodal_groups(self) -> int:
        """How many sets of unimodal parameters there are."""
        return len(set(self.unimodal))

    @property
    def num_crossmodal_groups(self) -> int:
        """How many sets of crossmodal parameters there are."""
        return len(set(self.crossmodal))

    @classmethod
    def share_all(cls, num_nodes: int, num_pairs: int) -> "SharingPlan":
        """One unimodal group and one crossmodal group."""
        return cls((0,) * num_nodes, (0,) * num_pairs)

    @classmethod
    def share_none(cls, num_nodes: int, num_pairs: int) -> "SharingPlan":
        """A group for each node and for each pair."""
        return cls(tuple(range(num_nodes)), tuple(range(num_pairs)))

    @classmethod
    def share_unimodal(cls, num_nodes: int, num_pairs: int) -> "SharingPlan":
        """One unimodal group, and a group for each pair."""
        return cls((0,) * num_nodes, tuple(range(num_pairs)))

    @classmethod
    def share_crossmodal(cls, num_nodes: int, num_pairs: int) -> "SharingPlan":
        """A group for each node, and one crossmodal group."""
        return cls(tuple(range(num_nodes)), (0,) * num_pairs)

    @classmethod
    def random(
        cls, key: Array, num_nodes: int, num_pairs: int, *, num_unimodal_groups: int, num_crossmodal_groups: int
    ) -> "SharingPlan":
        """Draw groups at random, none empty: the control that has the parameters of a plan and not its reasons.

        Args:
          key: PRNG key.
          num_nodes: of (modality, task).
          num_pairs: of (pair of modalities, task).
          num_unimodal_groups: in [1, num_nodes].
          num_crossmodal_groups: in [1, num_pairs]; 0 without pairs.

        Returns:
          the plan, numbered by first occurrence.

        Raises:
          ValueError: if a number of groups is out of range.
        """
        keys = jax.random.split(key)
        return cls(
            _random_groups(keys[0], num_nodes, num_unimodal_groups, "unimodal"),
            _random_groups(keys[1], num_pairs, num_crossmodal_groups, "crossmodal"),
        )

    @classmethod
    def from_clusters(cls, unimodal: Iterable[Hashable], crossmodal: Iterable[Hashable]) -> "SharingPlan":
        """Take clusters of any labels, numbered by first occurrence."""
        return cls(numbered(unimodal), numbered(crossmodal))

    def indices(self) -> PlanIndices:
        """Return the groups as arrays."""
        return PlanIndices(jnp.asarray(self.unimodal, jnp.int32), jnp.asarray(self.crossmodal, jnp.int32))

    @staticmethod
    def stack(plans: Sequence["SharingPlan"]) -> PlanIndices:
        """Return the groups of several plans for the same nodes, with a new first axis.

        Raises:
          ValueError: if there is no plan, or plans differ in their numbers of nodes or pairs.
        """
        sizes = {(len(plan.unimodal), len(plan.crossmodal)) for plan in plans}
        if len(sizes) != 1:
            raise ValueError(f"plans to stack must have the same nodes and pairs; got (nodes, pairs) {sorted(sizes)}")
        return PlanIndices(
            jnp.asarray([plan.unimodal for plan in plans], jnp.int32),
            jnp.asarray([plan.crossmodal for plan in plans], jnp.int32),
        )


def _random_groups(key: Array, num_nodes: int, num_groups: int, name: str) -> tuple[int, ...]:
    if not min(num_nodes, 1) <= num_groups <= num_nodes:
        raise ValueError(f"num_{name}_groups must be in [{min(num_nodes, 1)}, {num_nodes}]; got {num_groups}")
    order_key, rest_key = jax.random.split(key)
    # One node each first, so that no group is empty; the order decides which.
    rest = jax.random.randint(rest_key, (num_nodes - num_groups,), 0, max(num_groups, 1))
    groups = np.concatenate([np.arange(num_groups), np.asarray(rest)])
    return numbered(groups[np.asarray(jax.random.permutation(order_key, num_nodes))].tolist())
